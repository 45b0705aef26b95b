// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

constexpr std::size_t kNamed = 10;  // rules in one message

struct Condition {
  const char* type;
  bool holds;
  std::string reason;   // one word
  std::string message;  // for people
};

Json ToJson(const Condition& condition, std::int64_t generation) {
  return {{"type", condition.type},
          {"status", condition.holds ? "True" : "False"},
          {"reason", condition.reason},
          {"message", condition.message},
          {"observedGeneration", generation}};
}

Condition Programmed(const std::vector<Verdict>& verdicts) {
  if (verdicts.empty()) {
    return {"Programmed", false, "Unused", "no host that is served is made of it"};
  }
  return {"Programmed", true, "Programmed", "compiled into the tables in force"};
}

// What the first of them say, without the object itself in front.
std::string Named(const std::vector<const Verdict*>& verdicts) {
  std::string text;
  for (std::size_t i = 0; i < std::min(verdicts.size(), kNamed); ++i) {
    const std::string object = ToString(verdicts[i]->object) + ": ";
    text += (text.empty() ? "" : "; ") + ToString(*verdicts[i]).substr(object.size());
  }
  return verdicts.size() <= kNamed
             ? text
             : text + "; and " + std::to_string(verdicts.size() - kNamed) + " more";
}

Condition Enforced(const std::vector<Verdict>& verdicts) {
  std::vector<const Verdict*> others;  // that are not enforced as written
  std::size_t lost = 0;
  for (const Verdict& verdict : verdicts) {
    if (verdict.kind != Verdict::Kind::kEnforced) {
      others.push_back(&verdict);
      lost += verdict.kind == Verdict::Kind::kNotEnforced ? 1 : 0;
    }
  }
  if (verdicts.empty()) {
    return {"Enforced", false, "Unused", "no host that is served is made of it"};
  }
  if (others.empty()) {
    return {"Enforced", true, "Enforced", "every rule, as written"};
  }
  std::stable_partition(others.begin(), others.end(), [](const Verdict* verdict) {
    return verdict->kind == Verdict::Kind::kNotEnforced;
  });
  const char* reason = lost == verdicts.size() ? "NotEnforced"
                       : lost > 0              ? "PartlyEnforced"
                                               : "Approximated";
  return {"Enforced", lost == 0, reason, Named(others)};
}

}  // namespace

std::string ObjectStatusJson(const Object& object, const std::vector<Verdict>& verdicts) {
  const std::int64_t generation = object.version.generation;
  const Condition accepted{"Accepted", true, "Accepted", "valid"};
  return Dump({{"observedGeneration", generation},
               {"conditions",
                Json::array({ToJson(accepted, generation), ToJson(Programmed(verdicts), generation),
                             ToJson(Enforced(verdicts), generation)})}});
}

}  // namespace vsplit
