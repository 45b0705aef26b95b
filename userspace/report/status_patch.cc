// SPDX-License-Identifier: Apache-2.0
#include "status_patch.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "vsplit/json.h"
#include "vsplit/kubernetes.h"

namespace vsplit::report {
namespace {

constexpr const char* kWhen = "lastTransitionTime";

// What somebody reads of a condition, and its time. A generation may be a number or a text.
bool IsSame(const Json& held, const Json& wanted) {
  constexpr std::array kFields = {"/status", "/reason", "/message", "/observedGeneration"};
  return std::ranges::all_of(
      kFields, [&](const char* field) { return TextAt(held, field) == TextAt(wanted, field); });
}

const Json* FindType(const Json& conditions, const std::string& type) {
  const auto found = std::ranges::find_if(
      conditions, [&type](const Json& one) { return TextAt(one, "/type") == type; });
  return found == conditions.end() ? nullptr : &*found;
}

}  // namespace

std::optional<std::string> StatusPatch(const ServerObject& held, const std::string& wanted,
                                       const std::string& now) {
  const Json before = Json::parse(held.status.str(), nullptr, false);
  Json status = Json::parse(wanted, nullptr, false);
  const Json& held_conditions = ItemsAt(before, "/conditions");
  bool same = TextAt(before, "/observedGeneration") == TextAt(status, "/observedGeneration");
  Json conditions = Json::array();
  for (const Json& other : held_conditions) {
    if (other.is_object() &&
        FindType(ItemsAt(status, "/conditions"), TextAt(other, "/type")) == nullptr) {
      conditions.push_back(other);
    }
  }
  for (Json& condition : status["conditions"]) {
    const Json* const known = FindType(held_conditions, TextAt(condition, "/type"));
    same = same && known != nullptr && IsSame(*known, condition);
    if (known != nullptr) {
      const bool stays = TextAt(*known, "/status") == TextAt(condition, "/status");
      const std::string since = TextAt(*known, "/lastTransitionTime");
      condition[kWhen] = stays && !since.empty() ? since : now;
    }
    conditions.push_back(std::move(condition));
  }
  if (same) {
    return std::nullopt;
  }
  status["conditions"] = std::move(conditions);
  return Json{{"metadata", {{"resourceVersion", held.resource_version}}},
              {"status", std::move(status)}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace vsplit::report
