// SPDX-License-Identifier: Apache-2.0
// A VirtualService's lists with the rules of its delegates in the places of those that name them,
// as istiod puts them together before anything else (model/virtualservice.go).
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "matches.h"
#include "scene.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {

struct ListedRule {
  std::shared_ptr<const Rule> rule;
  RuleList list = RuleList::kHttp;
  ObjectPtr object;     // that it is written in: short hosts are of its namespace
  std::string path;     // "spec.http[0]"
  std::string refused;  // why it is not there for Istio; empty: it is
};

// The rules of one list, in order. `object` is a VirtualService that has hosts of its own.
std::vector<ListedRule> RulesOf(const Scene& scene, const ObjectPtr& object, RuleList list);

}  // namespace vsplit::resolve
