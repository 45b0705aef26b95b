// SPDX-License-Identifier: Apache-2.0
// Objects and lists of them.
#include <string>
#include <utility>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "render.h"
#include "verbs.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {

Outcome<Response> Get(const Call& call, const Place& place) {
  const ObjectPtr object = call.backend.store->Find(place.key());
  if (object == nullptr) {
    return About(place.key(), {.code = 404, .reason = "NotFound"});
  }
  return Show(call, 200, *object, place);
}

Outcome<Response> List(const Call& call, const Place& place) {
  const Store& store = *call.backend.store;
  Json items = Json::array();
  for (const ObjectPtr& object :
       place.ns.empty() ? store.List(place.info->kind) : store.List(place.info->kind, place.ns)) {
    items.push_back(Render(*object, place.api_version(), call.backend.object_status(*object)));
  }
  const Json list = {{"kind", std::string(place.info->name) + "List"},
                     {"apiVersion", place.api_version()},
                     {"metadata", {{"resourceVersion", std::to_string(store.resource_version())}}},
                     {"items", std::move(items)}};
  return Response{.body = Dump(list)};
}

}  // namespace vsplit
