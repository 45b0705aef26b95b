// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "candidates.h"
#include "court.h"
#include "matches.h"
#include "protocol.h"
#include "rules.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {
namespace {

std::string ForOthers(const std::string& what) {
  return std::string(kForOtherClients) + what;
}

}  // namespace

void Court::Accept(std::size_t port, const RuleRef& ref) {
  Verdict verdict = Blank(ref, ports_[port].number);
  verdict.kind = Verdict::Kind::kApproximated;
  if (ref.list == RuleList::kHttp) {
    verdict.reason = "per connection, not per request";
  } else if (ref.list == RuleList::kTls) {
    verdict.reason = fmt::format("as if every client asked for {} in its TLS hello", host_);
  } else {
    verdict.kind = Verdict::Kind::kEnforced;
  }
  std::vector<Verdict>& verdicts = verdicts_[{ref, port}];
  verdicts.push_back(verdict);
  for (const std::string& field : RuleAt(ref).rule->request_fields) {
    verdicts.push_back(Blank(ref, ports_[port].number));
    verdicts.back().path += "." + field;
    verdicts.back().reason = "needs the request";
  }
}

void Court::Refuse(std::size_t port, const RuleRef& ref, const std::string& reason) {
  Verdict verdict = Blank(ref, ports_[port].number);
  verdict.reason = reason;
  verdicts_[{ref, port}].push_back(verdict);
}

// Why a rule does not count on a port that its matches allow.
std::string Court::Unread(std::size_t port, const RuleRef& ref) const {
  const DialledPort& dialled = ports_[port];
  if (!dialled.untouched.empty()) {
    return dialled.untouched;
  }
  if (dialled.protocol == PortProtocol::kUdp) {
    return fmt::format("port {} is udp", dialled.number);
  }
  const bool tcp = ReadsTcp(port);
  const RuleList plain = tcp ? RuleList::kTcp : RuleList::kHttp;
  if (ref.list != (dialled.protocol == PortProtocol::kTls ? RuleList::kTls : plain)) {
    return dialled.protocol == PortProtocol::kUndeclared
               ? fmt::format("port {} declares no protocol and is read as {}", dialled.number,
                             tcp ? "tcp" : "http")
               : fmt::format("port {} is {}: {} rules do not count there", dialled.number,
                             WordOf(dialled.protocol), WordOf(ref.list));
  }
  if (!Counts(ref.candidate, port)) {
    return ForOthers(fmt::format("not imported by {}", scene_.sight->name()));
  }
  if (IsNarrower(ref)) {
    return fmt::format("needs the request: only its Host header tells {} from others of {}",
                       Join(candidates_[ref.candidate].hosts), host_);
  }
  if (FitAt(ref, port) == Fit::kOtherClients) {
    return ForOthers(Conditions(*RuleAt(ref).rule, Fit::kOtherClients));
  }
  return "has no route";
}

// A udp port with the number of a tcp port, whose verdict is the one that says something.
bool Court::IsTwinOfTcp(std::size_t port) const {
  return ports_[port].protocol == PortProtocol::kUdp &&
         std::ranges::any_of(ports_, [this, port](const DialledPort& other) {
           return other.number == ports_[port].number && other.protocol != PortProtocol::kUdp;
         });
}

void Court::JudgeMissingPorts(const RuleRef& ref) {
  std::size_t missing = ports_.size();
  for (const Match& match : RuleAt(ref).rule->matches) {
    if (match.port &&
        std::ranges::find(ports_, *match.port, &DialledPort::number) == ports_.end()) {
      Verdict verdict = Blank(ref, *match.port);
      verdict.reason = fmt::format("{} has no port {}", service_, *match.port);
      verdicts_[{ref, missing++}].push_back(verdict);
    }
  }
}

// A rule is told about a port that does not read its list if it names the port, or if no port reads
// it; a canary on the http port says nothing about the metrics port beside it.
void Court::JudgeUnread(const RuleRef& ref) {
  const Rule& rule = *RuleAt(ref).rule;
  const auto judged = [&] {
    const auto first = verdicts_.lower_bound({ref, 0});
    return first != verdicts_.end() && first->first.first == ref;
  };
  const bool read = judged();
  for (std::size_t port = 0; port < ports_.size(); ++port) {
    if (!verdicts_.contains({ref, port}) && !IsTwinOfTcp(port) &&
        FitAt(ref, port) != Fit::kElsewhere && (!read || Names(rule, ports_[port].number))) {
      Refuse(port, ref, Unread(port, ref));
    }
  }
  JudgeMissingPorts(ref);
  if (!judged()) {
    Verdict verdict = Blank(ref, 0);
    verdict.reason = ports_.empty() ? fmt::format("{} has no ports", service_)
                                    : "its matches are bound to gateways only";
    verdicts_[{ref, ports_.size()}].push_back(verdict);
  }
}

std::vector<Verdict> Court::TakeVerdicts() {
  for (const RuleRef& ref : AllRules()) {
    const Candidate& candidate = candidates_[ref.candidate];
    if (candidate.excluded.empty() && RuleAt(ref).refused.empty()) {
      JudgeUnread(ref);
      continue;
    }
    Verdict verdict = Blank(ref, 0);
    if (candidate.excluded.empty()) {
      verdict.reason = RuleAt(ref).refused;
    } else {
      verdict.reason = candidate.for_others ? ForOthers(candidate.excluded) : candidate.excluded;
    }
    verdicts_[{ref, 0}].push_back(verdict);
  }
  std::vector<Verdict> all;
  for (auto& [place, verdicts] : verdicts_) {
    std::ranges::move(verdicts, std::back_inserter(all));
  }
  return all;
}

}  // namespace vsplit::resolve
