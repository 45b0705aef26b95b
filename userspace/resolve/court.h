// SPDX-License-Identifier: Apache-2.0
// The rules of all VirtualServices about a host, and what becomes of each on each port. The
// decision is in rules.cc, what is said of it in rule_verdicts.cc.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "candidates.h"
#include "delegates.h"
#include "matches.h"
#include "registry.h"
#include "rules.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

// One rule of one candidate.
struct RuleRef {
  std::size_t candidate = 0;
  RuleList list = RuleList::kHttp;
  std::size_t index = 0;

  auto operator<=>(const RuleRef&) const = default;
};

// Decides port after port, and remembers for every rule what became of it there. Verdicts come out
// in the order of the candidates, their rules, and the ports.
class Court {
 public:
  Court(const Scene& scene, const HostName& host, const std::string& service,
        const std::vector<DialledPort>& ports)
      : scene_(scene),
        host_(host),
        service_(service),
        registered_(*scene.registry.Find(scene, host)),
        ports_(ports),
        candidates_(CandidatesFor(scene, host)) {}

  std::vector<Choice> Decide(std::size_t port);
  std::vector<Verdict> TakeVerdicts();

 private:
  const ListedRule& RuleAt(const RuleRef& ref) const {
    return candidates_[ref.candidate].RulesIn(ref.list)[ref.index];
  }
  std::string NameOf(std::size_t candidate) const {
    return ToString(candidates_[candidate].object->key);
  }
  Fit FitAt(const RuleRef& ref, std::size_t port) const {
    return FitOf(scene_, *RuleAt(ref).rule, ref.list, ports_[port].number);
  }
  Verdict Blank(const RuleRef& ref, std::uint16_t port) const {
    return {.kind = Verdict::Kind::kNotEnforced,
            .object = RuleAt(ref).object->key,
            .path = RuleAt(ref).path,
            .host = host_,
            .port = port};
  }
  // Whether the client has the VirtualService on this port at all.
  bool Counts(std::size_t candidate, std::size_t port) const {
    const Candidate& it = candidates_[candidate];
    return it.excluded.empty() &&
           scene_.sight->SeesRules(it.object->key.ns, it.hosts, registered_, ports_[port].number,
                                   ports_[port].protocol == PortProtocol::kHttp);
  }
  // Whether it is an http rule for some of the names that the host, a wildcard, stands for.
  bool IsNarrower(const RuleRef& ref) const {
    return ref.list == RuleList::kHttp && candidates_[ref.candidate].pattern.empty();
  }
  bool Survives(const RuleRef& ref, std::size_t port) const {
    return Counts(ref.candidate, port) && !IsNarrower(ref) && RuleAt(ref).refused.empty() &&
           FitAt(ref, port) >= Fit::kPerhaps;
  }
  bool HasRuleFor(std::size_t candidate, RuleList list, std::size_t port) const;
  std::vector<RuleRef> AllRules() const;
  std::vector<RuleRef> Surviving(RuleList list, std::size_t port) const;
  bool ReadsTcp(std::size_t port) const;
  std::size_t HttpWinner(std::size_t port) const;
  Choice DecideHttp(std::size_t port, const std::vector<IpPrefix>& addresses);
  std::vector<Choice> DecideTcp(std::size_t port, const std::vector<IpPrefix>& addresses);
  std::vector<Choice> DecideSniffed(std::size_t port);
  std::vector<Choice> DecideTls(std::size_t port);
  std::string Uncertainty(const RuleRef& ref, std::size_t port) const;
  std::string PlaceOf(const RuleRef& ref, std::size_t from) const;
  Choice ChoiceOf(const RuleRef& ref) const;
  void Accept(std::size_t port, const RuleRef& ref);
  void Refuse(std::size_t port, const RuleRef& ref, const std::string& reason);
  bool IsTwinOfTcp(std::size_t port) const;
  std::string Unread(std::size_t port, const RuleRef& ref) const;
  void JudgeUnread(const RuleRef& ref);
  void JudgeMissingPorts(const RuleRef& ref);

  const Scene& scene_;
  const HostName& host_;
  const std::string& service_;
  const RegistryService& registered_;  // what the client finds under the host
  const std::vector<DialledPort>& ports_;
  std::vector<Candidate> candidates_;
  // By rule and index of the port; indexes behind the last port are ports that do not exist.
  std::map<std::pair<RuleRef, std::size_t>, std::vector<Verdict>> verdicts_;
};

}  // namespace vsplit::resolve
