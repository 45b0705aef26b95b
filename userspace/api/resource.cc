// SPDX-License-Identifier: Apache-2.0
// One kind, one object at a time: the Kubernetes API's own paths.
#include <array>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "place.h"
#include "verbs.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

enum class On { kCollection, kItem, kStatus };

struct Verb {
  std::string_view method;
  On on;
  Outcome<Response> (*answer)(const Call&, const Place&);
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kVerbs = {
    Verb{"GET", On::kCollection, List}, Verb{"POST", On::kCollection, Post},
    Verb{"GET", On::kItem, Get},        Verb{"PUT", On::kItem, Put},
    Verb{"PATCH", On::kItem, Patch},    Verb{"DELETE", On::kItem, Delete},
    Verb{"GET", On::kStatus, Get},      Verb{"PUT", On::kStatus, Put},
    Verb{"PATCH", On::kStatus, Patch},  Verb{"DELETE", On::kCollection, DeleteCollection},
};
// NOLINTEND(modernize-use-designated-initializers)

}  // namespace

Outcome<Response> AnswerResource(const Call& call) {
  const Outcome<Place> place = FindPlace(call.path);
  if (!place) {
    return tl::unexpected(place.error());
  }
  const bool everywhere = place->info->namespaced && place->ns.empty();  // can only be listed
  const On named = place->name.empty() ? On::kCollection : On::kItem;
  const On on = place->is_status() ? On::kStatus : named;
  std::string allow;
  for (const Verb& verb : kVerbs) {
    if (verb.on != on || (everywhere && verb.method != "GET")) {
      continue;
    }
    if (verb.method == call.request.method) {
      return verb.answer(call, *place);
    }
    allow += (allow.empty() ? "" : ", ") + std::string(verb.method);
  }
  return MethodNotAllowed(allow);
}

}  // namespace vsplit
