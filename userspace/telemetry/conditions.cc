// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

constexpr std::size_t kNamed = 10;  // rules in one message

// Types of conditions.
constexpr const char* kAccepted = "Accepted";
constexpr const char* kProgrammed = "Programmed";
constexpr const char* kEnforced = "Enforced";

struct Condition {
  const char* type;
  bool holds;
  std::string reason;   // one word
  std::string message;  // for people
};

Json ToJson(const Condition& condition, const Version& version, const ConditionTimes& since) {
  const auto time = since.find(condition.type);
  return {
      {"type", condition.type},
      {"status", condition.holds ? "True" : "False"},
      {"reason", condition.reason},
      {"message", condition.message},
      {"lastTransitionTime", time == since.end() ? version.creation_timestamp.str() : time->second},
      {"observedGeneration", version.generation}};
}

Condition Programmed(const VerdictTally& tally) {
  if (tally.all == 0) {
    return {kProgrammed, false, "Unused", "no host that is served is made of it"};
  }
  return {kProgrammed, true, "Programmed", "compiled into the tables in force"};
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

Condition Enforced(const std::vector<Verdict>& verdicts, const VerdictTally& tally) {
  std::vector<const Verdict*> others;  // that are not enforced as written
  for (const Verdict& verdict : verdicts) {
    if (verdict.kind != Verdict::Kind::kEnforced) {
      others.push_back(&verdict);
    }
  }
  if (verdicts.empty()) {
    return {kEnforced, false, "Unused", "no host that is served is made of it"};
  }
  if (others.empty()) {
    return {kEnforced, true, "Enforced", "every rule, as written"};
  }
  std::stable_partition(others.begin(), others.end(), [](const Verdict* verdict) {
    return verdict->kind == Verdict::Kind::kNotEnforced;
  });
  if (tally.lost == 0) {
    return {kEnforced, true, "Approximated", Named(others)};
  }
  const char* reason = tally.lost == tally.all ? "NotEnforced" : "PartlyEnforced";
  return {kEnforced, false, reason, Named(others)};
}

std::string StatusJson(const Version& version, const std::vector<Condition>& conditions,
                       const ConditionTimes& since) {
  Json list = Json::array();
  for (const Condition& condition : conditions) {
    list.push_back(ToJson(condition, version, since));
  }
  return Dump({{"observedGeneration", version.generation}, {"conditions", std::move(list)}});
}

}  // namespace

void VerdictTally::Add(const Verdict& verdict) {
  ++all;
  lost += verdict.kind == Verdict::Kind::kNotEnforced ? 1 : 0;
}

void VerdictTally::Remove(const Verdict& verdict) {
  --all;
  lost -= verdict.kind == Verdict::Kind::kNotEnforced ? 1 : 0;
}

std::map<std::string, bool> ConditionsOf(const VerdictTally& tally) {
  return {{kAccepted, true},
          {kProgrammed, tally.all > 0},
          {kEnforced, tally.all > 0 && tally.lost == 0}};
}

std::string ObjectStatusJson(const Object& object, const std::vector<Verdict>& verdicts,
                             const ConditionTimes& since) {
  VerdictTally tally;
  std::ranges::for_each(verdicts, [&tally](const Verdict& verdict) { tally.Add(verdict); });
  return StatusJson(
      object.version,
      {{kAccepted, true, "Accepted", "valid"}, Programmed(tally), Enforced(verdicts, tally)},
      since);
}

std::string UnprogrammedStatusJson(const Version& version, bool accepted,
                                   const std::string& message) {
  const std::string reason = accepted ? "Failed" : "Invalid";
  const Condition valid = {kAccepted, true, "Accepted", "valid"};
  return StatusJson(version,
                    {accepted ? valid : Condition{kAccepted, false, reason, message},
                     {kProgrammed, false, reason, message},
                     {kEnforced, false, reason, message}},
                    {});
}

}  // namespace vsplit
