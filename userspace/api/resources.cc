// SPDX-License-Identifier: Apache-2.0
#include "resources.h"

#include <string>
#include <string_view>
#include <vector>

#include "place.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

std::vector<std::string> CategoriesOf(const KindInfo& info) {
  if (info.kind == Kind::kService || info.kind == Kind::kPod) {
    return {"all"};
  }
  return HasOwnStatus(info.kind) ? std::vector<std::string>{"istio-io", "networking-istio-io"}
                                 : std::vector<std::string>{};
}

Resource ReviewOf(std::string_view group, std::string_view kind, std::string_view plural,
                  std::string_view singular) {
  return {.group = group,
          .versions = "v1",
          .kind = kind,
          .plural = plural,
          .singular = singular,
          .shorts = "",
          .namespaced = false,
          .verbs = {"create"},
          .categories = {}};
}

}  // namespace

std::vector<Resource> Resources() {
  std::vector<Resource> resources;
  for (const KindInfo& info : Kinds()) {
    resources.push_back({.group = info.group,
                         .versions = info.versions,
                         .kind = info.name,
                         .plural = info.plural,
                         .singular = info.singular,
                         .shorts = info.shorts,
                         .namespaced = info.namespaced,
                         .stored = true,
                         .has_status = HasStatus(info.kind),
                         .verbs = {"create", "delete", "deletecollection", "get", "list", "patch",
                                   "update", "watch"},
                         .categories = CategoriesOf(info)});
  }
  resources.push_back({.group = "",
                       .versions = "v1",
                       .kind = "Event",
                       .plural = "events",
                       .singular = "event",
                       .shorts = "ev",
                       .verbs = {"get", "list", "watch"},
                       .categories = {}});
  resources.push_back(ReviewOf("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews",
                               "selfsubjectreview"));
  resources.push_back(ReviewOf("authorization.k8s.io", "SelfSubjectAccessReview",
                               "selfsubjectaccessreviews", "selfsubjectaccessreview"));
  resources.push_back(ReviewOf("authorization.k8s.io", "SelfSubjectRulesReview",
                               "selfsubjectrulesreviews", "selfsubjectrulesreview"));
  return resources;
}

std::vector<std::string> StatusVerbs() {
  return {"get", "patch", "update"};
}

bool OnlyReads(std::string_view verb) {
  return verb == "get" || verb == "list" || verb == "watch";
}

}  // namespace vsplit
