// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "candidates.h"
#include "protocol.h"
#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {
namespace {

constexpr const char* kPolicyAnnotation = "vsplit.io/policy";
constexpr std::array kLists{RuleList::kHttp, RuleList::kTls, RuleList::kTcp};

// One rule of one candidate.
struct RuleRef {
  std::size_t candidate = 0;
  RuleList list = RuleList::kHttp;
  std::size_t index = 0;

  auto operator<=>(const RuleRef&) const = default;
};

std::string PathOf(const RuleRef& ref) {
  return fmt::format("spec.{}[{}]", WordOf(ref.list), ref.index);
}

// Decides port after port, and remembers for every rule what became of it there. Verdicts come out
// in the order of the candidates, their rules, and the ports.
class Court {
 public:
  Court(const Scene& scene, const HostName& host, const RegistryService& service)
      : scene_(scene),
        host_(host),
        service_(service),
        ports_(service.ports),
        candidates_(CandidatesFor(scene, host)) {}

  Choice Decide(std::size_t port);
  std::vector<Verdict> TakeVerdicts();

 private:
  const Rule& RuleAt(const RuleRef& ref) const {
    return RulesOf(*candidates_[ref.candidate].spec, ref.list)[ref.index];
  }
  std::string NameOf(std::size_t candidate) const {
    return ToString(candidates_[candidate].object->key);
  }
  Verdict Blank(const RuleRef& ref, std::uint16_t port) const {
    return {.kind = Verdict::Kind::kNotEnforced,
            .object = candidates_[ref.candidate].object->key,
            .path = PathOf(ref),
            .host = host_,
            .port = port};
  }
  bool HasRuleFor(std::size_t candidate, RuleList list, std::uint16_t port) const;
  std::vector<RuleRef> AllRules() const;
  bool ReadsTcp(std::size_t port) const;
  std::vector<RuleRef> HttpRules(std::size_t port);
  std::vector<RuleRef> TcpRules() const;
  Choice Scan(std::size_t port, const std::vector<RuleRef>& rules);
  void Accept(std::size_t port, const RuleRef& ref);
  void Refuse(std::size_t port, const RuleRef& ref, const std::string& reason);
  bool IsTwinOfTcp(std::size_t port) const;
  std::string Unread(std::size_t port, RuleList list) const;
  void JudgeUnread(const RuleRef& ref);

  const Scene& scene_;
  const HostName& host_;
  const RegistryService& service_;
  const std::vector<RegistryPort>& ports_;
  std::vector<Candidate> candidates_;
  // By rule and index of the port; indexes behind the last port are ports that do not exist.
  std::map<std::pair<RuleRef, std::size_t>, std::vector<Verdict>> verdicts_;
};

bool Court::HasRuleFor(std::size_t candidate, RuleList list, std::uint16_t port) const {
  return candidates_[candidate].excluded.empty() &&
         std::ranges::any_of(RulesOf(*candidates_[candidate].spec, list),
                             [port](const Rule& rule) { return Survives(rule, port); });
}

std::vector<RuleRef> Court::AllRules() const {
  std::vector<RuleRef> rules;
  for (std::size_t candidate = 0; candidate < candidates_.size(); ++candidate) {
    for (const RuleList list : kLists) {
      for (std::size_t i = 0; i < RulesOf(*candidates_[candidate].spec, list).size(); ++i) {
        rules.push_back({.candidate = candidate, .list = list, .index = i});
      }
    }
  }
  return rules;
}

// R1. Where nothing is declared Istio looks at the bytes of each connection; we cannot.
bool Court::ReadsTcp(std::size_t port) const {
  if (ports_[port].protocol != PortProtocol::kUndeclared) {
    return ports_[port].protocol == PortProtocol::kTcp;
  }
  if (scene_.options.undeclared != UndeclaredPorts::kAsWritten) {
    return scene_.options.undeclared == UndeclaredPorts::kTcp;
  }
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (HasRuleFor(i, RuleList::kTcp, ports_[port].number)) {
      return true;
    }
  }
  return false;
}

// R5: the most specific host first, whatever the age; of those with the same host the first one
// that has a rule for the port. When none has, the plain service: a wildcard does not step in.
std::vector<RuleRef> Court::HttpRules(std::size_t port) {
  const auto rank = [this](std::size_t i) {
    const HostName& pattern = candidates_[i].pattern;
    return std::pair(pattern == host_, pattern.size());
  };
  std::size_t best = candidates_.size();
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!candidates_[i].excluded.empty()) {
      continue;
    }
    const bool first = best == candidates_.size();
    const bool has_rule = HasRuleFor(i, RuleList::kHttp, ports_[port].number);
    if (first || rank(i) > rank(best) ||
        (rank(i) == rank(best) && has_rule &&
         !HasRuleFor(best, RuleList::kHttp, ports_[port].number))) {
      best = i;
    }
  }
  std::vector<RuleRef> rules;
  for (const RuleRef& ref : AllRules()) {
    if (ref.list != RuleList::kHttp || !candidates_[ref.candidate].excluded.empty()) {
      continue;
    }
    if (ref.candidate == best) {
      rules.push_back(ref);
    } else if (Survives(RuleAt(ref), ports_[port].number)) {
      Refuse(port, ref,
             fmt::format("shadowed by {}, whose host is {}", NameOf(best),
                         rank(best) > rank(ref.candidate) ? "more specific" : "the same"));
    }
  }
  return rules;
}

// R6: all of them are one list, in order of precedence.
std::vector<RuleRef> Court::TcpRules() const {
  std::vector<RuleRef> rules = AllRules();
  std::erase_if(rules, [this](const RuleRef& ref) {
    return ref.list != RuleList::kTcp || !candidates_[ref.candidate].excluded.empty();
  });
  return rules;
}

// The first rule that survives ends the scan. If it depends on what is not known when a connection
// is made, a later rule must not take its place: the port is left to the plain service.
Choice Court::Scan(std::size_t port, const std::vector<RuleRef>& rules) {
  const std::uint16_t number = ports_[port].number;
  Choice choice;
  const RuleRef* first = nullptr;
  for (const RuleRef& ref : rules) {
    if (!Survives(RuleAt(ref), number)) {
      continue;
    }
    if (first != nullptr) {
      const std::string place =
          PathOf(*first) +
          (first->candidate == ref.candidate ? "" : " of " + NameOf(first->candidate));
      Refuse(port, ref,
             choice.object != nullptr
                 ? fmt::format("unreachable after {}", place)
                 : fmt::format("{} comes first and cannot be decided at connect()", place));
      continue;
    }
    first = &ref;
    const std::string uncertainty = Uncertainty(RuleAt(ref), number);
    if (uncertainty.empty()) {
      choice = {
          .object = candidates_[ref.candidate].object, .rule = &RuleAt(ref), .path = PathOf(ref)};
      Accept(port, ref);
    } else {
      Refuse(port, ref, uncertainty);
    }
  }
  return choice;
}

void Court::Accept(std::size_t port, const RuleRef& ref) {
  Verdict verdict = Blank(ref, ports_[port].number);
  const bool http = ref.list == RuleList::kHttp;
  verdict.kind = http ? Verdict::Kind::kApproximated : Verdict::Kind::kEnforced;
  verdict.reason = http ? "per connection, not per request" : "";
  std::vector<Verdict>& verdicts = verdicts_[{ref, port}];
  verdicts.push_back(verdict);
  for (const std::string& field : RuleAt(ref).request_fields) {
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

Choice Court::Decide(std::size_t port) {
  switch (ports_[port].protocol) {
    case PortProtocol::kTls:
    case PortProtocol::kUdp:
      return {};
    case PortProtocol::kHttp:
    case PortProtocol::kTcp:
    case PortProtocol::kUndeclared:
      break;
  }
  return Scan(port, ReadsTcp(port) ? TcpRules() : HttpRules(port));
}

// Why rules of this list are not read on the port.
std::string Court::Unread(std::size_t port, RuleList list) const {
  const std::uint16_t number = ports_[port].number;
  const PortProtocol protocol = ports_[port].protocol;
  if (protocol == PortProtocol::kUdp) {
    return fmt::format("port {} is udp", number);
  }
  if (list == RuleList::kTls) {
    return "tls rules are not supported yet";
  }
  if (protocol == PortProtocol::kUndeclared) {
    return fmt::format("port {} declares no protocol and is read as {}", number,
                       ReadsTcp(port) ? "tcp" : "http");
  }
  return fmt::format("port {} is {}: {} rules do not count there", number, WordOf(protocol),
                     WordOf(list));
}

// A udp port with the number of a tcp port, whose verdict is the one that says something.
bool Court::IsTwinOfTcp(std::size_t port) const {
  return ports_[port].protocol == PortProtocol::kUdp &&
         std::ranges::any_of(ports_, [this, port](const RegistryPort& other) {
           return other.number == ports_[port].number && other.protocol != PortProtocol::kUdp;
         });
}

// A rule is told about a port that does not read its list if it names the port, or if no port reads
// it; a canary on the http port says nothing about the metrics port beside it.
void Court::JudgeUnread(const RuleRef& ref) {
  const Rule& rule = RuleAt(ref);
  const auto first = verdicts_.lower_bound({ref, 0});
  const bool read = first != verdicts_.end() && first->first.first == ref;
  bool judged = read;
  for (std::size_t port = 0; port < ports_.size(); ++port) {
    const std::uint16_t number = ports_[port].number;
    if (!verdicts_.contains({ref, port}) && !IsTwinOfTcp(port) && Survives(rule, number) &&
        (!read || Names(rule, number))) {
      Refuse(port, ref, Unread(port, ref.list));
      judged = true;
    }
  }
  std::size_t missing = ports_.size();
  for (const Match& match : rule.matches) {
    if (match.port &&
        std::ranges::find(ports_, *match.port, &RegistryPort::number) == ports_.end()) {
      Verdict verdict = Blank(ref, *match.port);
      verdict.reason =
          fmt::format("{} has no port {}", ToString(service_.object().key), *match.port);
      verdicts_[{ref, missing++}].push_back(verdict);
      judged = true;
    }
  }
  if (!judged) {
    Verdict verdict = Blank(ref, 0);
    verdict.reason = ports_.empty()
                         ? fmt::format("{} has no ports", ToString(service_.object().key))
                         : "its matches are bound to gateways only";
    verdicts_[{ref, missing}].push_back(verdict);
  }
}

std::vector<Verdict> Court::TakeVerdicts() {
  for (const RuleRef& ref : AllRules()) {
    if (candidates_[ref.candidate].excluded.empty()) {
      JudgeUnread(ref);
    } else {
      Verdict verdict = Blank(ref, 0);
      verdict.reason = candidates_[ref.candidate].excluded;
      verdicts_[{ref, 0}].push_back(verdict);
    }
  }
  std::vector<Verdict> all;
  for (auto& [place, verdicts] : verdicts_) {
    std::ranges::move(verdicts, std::back_inserter(all));
  }
  return all;
}

}  // namespace

Choices ChooseRules(const Scene& scene, const HostName& host, const RegistryService& service) {
  Court court(scene, host, service);
  Choices choices;
  for (std::size_t port = 0; port < service.ports.size(); ++port) {
    choices.ports.push_back(court.Decide(port));
  }
  choices.verdicts = court.TakeVerdicts();
  return choices;
}

std::vector<Verdict> RefuseRules(const Scene& scene, const HostName& host,
                                 const std::string& reason) {
  std::vector<Verdict> verdicts;
  for (const Candidate& candidate : CandidatesFor(scene, host)) {
    for (const RuleList list : kLists) {
      for (std::size_t i = 0; i < RulesOf(*candidate.spec, list).size(); ++i) {
        verdicts.push_back({.kind = Verdict::Kind::kNotEnforced,
                            .object = candidate.object->key,
                            .path = fmt::format("spec.{}[{}]", WordOf(list), i),
                            .host = host,
                            .reason = candidate.excluded.empty() ? reason : candidate.excluded});
      }
    }
  }
  return verdicts;
}

Policy PolicyOf(const Scene& scene, const ObjectPtr& object) {
  const auto found = object->annotations.find(kPolicyAnnotation);
  if (found == object->annotations.end()) {
    return scene.options.policy;
  }
  return found->second == ToString(Policy::kRandom) ? Policy::kRandom : Policy::kExact;
}

}  // namespace vsplit::resolve
