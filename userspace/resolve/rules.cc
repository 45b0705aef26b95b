// SPDX-License-Identifier: Apache-2.0
#include "rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "candidates.h"
#include "chains.h"
#include "clusters.h"
#include "court.h"
#include "delegates.h"
#include "matches.h"
#include "scene.h"
#include "subnets.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {
namespace {

constexpr const char* kPolicyAnnotation = "vsplit.io/policy";
constexpr int kAddressBits = 128;
constexpr std::array kLists{RuleList::kHttp, RuleList::kTls, RuleList::kTcp};

// Puts the pieces of a port together again that the same rule decides.
class Choosing {
 public:
  void Give(const Piece& piece, Choice choice) {
    const auto [place, first] =
        places_.try_emplace({choice.rule.rule.get(), choice.untouched}, choices_.size());
    if (first) {
      choices_.push_back(std::move(choice));
    }
    choices_[place->second].addresses.push_back(piece.addresses);
  }

  std::vector<Choice> Take() { return std::move(choices_); }

 private:
  std::vector<Choice> choices_;
  std::map<std::pair<const Rule*, std::string>, std::size_t> places_;
};

std::vector<std::vector<IpPrefix>> SubnetsOf(const std::vector<Chain>& chains) {
  std::vector<std::vector<IpPrefix>> subnets;
  subnets.reserve(chains.size());
  for (const Chain& chain : chains) {
    subnets.push_back(chain.subnets);
  }
  return subnets;
}

}  // namespace

std::vector<RuleRef> Court::AllRules() const {
  std::vector<RuleRef> rules;
  for (std::size_t candidate = 0; candidate < candidates_.size(); ++candidate) {
    for (const RuleList list : kLists) {
      for (std::size_t i = 0; i < candidates_[candidate].RulesIn(list).size(); ++i) {
        rules.push_back({.candidate = candidate, .list = list, .index = i});
      }
    }
  }
  return rules;
}

std::vector<RuleRef> Court::Surviving(RuleList list, std::size_t port) const {
  std::vector<RuleRef> rules = AllRules();
  std::erase_if(rules,
                [&](const RuleRef& ref) { return ref.list != list || !Survives(ref, port); });
  return rules;
}

bool Court::HasRuleFor(std::size_t candidate, RuleList list, std::size_t port) const {
  for (std::size_t i = 0; i < candidates_[candidate].RulesIn(list).size(); ++i) {
    if (Survives({.candidate = candidate, .list = list, .index = i}, port)) {
      return true;
    }
  }
  return false;
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
    if (HasRuleFor(i, RuleList::kTcp, port)) {
      return true;
    }
  }
  return false;
}

// R5: the most specific host first, whatever the age; of those with the same exact host the first
// one that has a rule for the port and client. A wildcard does not step in, neither for an exact
// host nor for another VirtualService with the same wildcard. One that has only narrower hosts is
// about other virtual hosts of Envoy.
std::size_t Court::HttpWinner(std::size_t port) const {
  const auto rank = [this](std::size_t i) {
    const HostName& pattern = candidates_[i].pattern;
    return std::pair(pattern == host_, pattern.size());
  };
  std::size_t best = candidates_.size();
  for (std::size_t i = 0; i < candidates_.size(); ++i) {
    if (!Counts(i, port) || candidates_[i].pattern.empty()) {
      continue;
    }
    const bool steps_in = !IsWildcard(host_) && best != candidates_.size() &&
                          candidates_[i].pattern == host_ && candidates_[best].pattern == host_ &&
                          !HasRuleFor(best, RuleList::kHttp, port) &&
                          HasRuleFor(i, RuleList::kHttp, port);
    if (best == candidates_.size() || rank(i) > rank(best) || steps_in) {
      best = i;
    }
  }
  return best;
}

std::string Court::PlaceOf(const RuleRef& ref, std::size_t from) const {
  const ListedRule& rule = RuleAt(ref);
  return rule.path + (ref.candidate == from ? "" : " of " + ToString(rule.object->key));
}

// Why a rule that survives is not known to match, or cannot be carried out; empty when it can.
std::string Court::Uncertainty(const RuleRef& ref, std::size_t port) const {
  const Rule& rule = *RuleAt(ref).rule;
  if (ref.list == RuleList::kHttp && FitAt(ref, port) == Fit::kPerhaps) {
    return fmt::format("needs the request: {}", Conditions(rule, Fit::kPerhaps));
  }
  // A delegate's rule may have a route and the answer of its root, which then counts.
  const bool answers =
      std::ranges::find(rule.request_fields, "directResponse") != rule.request_fields.end();
  if (rule.routes.empty() || answers) {
    return ref.list == RuleList::kHttp
               ? fmt::format("needs the request: {}", Join(rule.request_fields))
               : "has no route";
  }
  return HasWeight(rule) ? "" : "no destination has a weight";
}

Choice Court::ChoiceOf(const RuleRef& ref) const {
  return {.rule = RuleAt(ref), .owner = candidates_[ref.candidate].object};
}

// The first rule that survives decides. If it depends on what is not known when a connection is
// made, a later rule must not take its place: the port is left to the plain service.
Choice Court::DecideHttp(std::size_t port, const std::vector<IpPrefix>& addresses) {
  const std::size_t winner = HttpWinner(port);
  Choice choice;
  const RuleRef* first = nullptr;
  const std::vector<RuleRef> rules = Surviving(RuleList::kHttp, port);
  for (const RuleRef& ref : rules) {
    if (ref.candidate != winner) {
      const bool same = candidates_[ref.candidate].pattern == candidates_[winner].pattern;
      Refuse(port, ref,
             fmt::format("shadowed by {}, whose host is {}", NameOf(winner),
                         same ? "the same" : "more specific"));
    } else if (first != nullptr) {
      const std::string place = PlaceOf(*first, ref.candidate);
      Refuse(port, ref,
             choice.rule.rule != nullptr
                 ? fmt::format("unreachable after {}", place)
                 : fmt::format("{} comes first and cannot be decided at connect()", place));
    } else if (const std::string uncertainty = Uncertainty(ref, port); !uncertainty.empty()) {
      first = &ref;
      Refuse(port, ref, uncertainty);
    } else {
      first = &ref;
      choice = ChoiceOf(ref);
      Accept(port, ref);
    }
  }
  choice.addresses = addresses;
  return choice;
}

std::vector<Choice> Court::DecideTcp(std::size_t port, const std::vector<IpPrefix>& addresses) {
  const std::vector<RuleRef> refs = Surviving(RuleList::kTcp, port);
  std::vector<const Rule*> rules;
  rules.reserve(refs.size());
  for (const RuleRef& ref : refs) {
    rules.push_back(RuleAt(ref).rule.get());
  }
  const std::vector<Chain> chains = TcpChains(scene_, rules, ports_[port].number);
  Choosing choices;
  std::set<std::size_t> accepted;
  for (const Piece& piece : Divide(addresses, SubnetsOf(chains))) {
    Choice choice;
    if (!piece.chains.empty()) {
      const std::size_t rule = chains[piece.chains.front()].rule;
      choice = Uncertainty(refs[rule], port).empty() ? ChoiceOf(refs[rule]) : Choice{};
      accepted.insert(rule);
    }
    choices.Give(piece, std::move(choice));
  }
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (i >= chains.size()) {
      Refuse(
          port, refs[i],
          fmt::format("unreachable after {}", PlaceOf(refs[chains.size() - 1], refs[i].candidate)));
    } else if (const std::string why = Uncertainty(refs[i], port); !why.empty()) {
      Refuse(port, refs[i], why);
    } else if (accepted.contains(i)) {
      Accept(port, refs[i]);
    } else {
      Refuse(port, refs[i], "no address of the port is left to its destinationSubnets");
    }
  }
  return choices.Take();
}

// A connection is taken for one whose hello names the host that was dialled.
std::vector<Choice> Court::DecideTls(std::size_t port) {
  std::vector<RuleRef> refs = Surviving(RuleList::kTls, port);
  std::erase_if(refs, [this](const RuleRef& ref) { return RuleAt(ref).rule->routes.empty(); });
  std::vector<const Rule*> rules;
  rules.reserve(refs.size());
  for (const RuleRef& ref : refs) {
    rules.push_back(RuleAt(ref).rule.get());
  }
  const std::vector<Chain> chains = TlsChains(scene_, rules, ports_[port].number);
  Choosing choices;
  std::set<std::size_t> accepted;
  bool unknown = false;
  for (const Piece& piece : Divide(ports_[port].addresses, SubnetsOf(chains))) {
    Choice choice;
    const Sni sni = ChainForHost(chains, piece.chains, host_);
    if (sni.chain && !sni.is_divided) {
      const std::size_t rule = chains[*sni.chain].rule;
      choice = Uncertainty(refs[rule], port).empty() ? ChoiceOf(refs[rule]) : Choice{};
      accepted.insert(rule);
    } else if (!sni.chain && !chains.empty()) {
      choice.untouched =
          fmt::format("tls rules count here, and none of their sniHosts covers {}", host_);
    }
    unknown = unknown || sni.is_divided;
    choices.Give(piece, std::move(choice));
  }
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (const std::string why = Uncertainty(refs[i], port); !why.empty()) {
      Refuse(port, refs[i], why);
    } else if (accepted.contains(i)) {
      Accept(port, refs[i]);
    } else {
      Refuse(port, refs[i],
             unknown ? "needs the request: sniHosts"
                     : fmt::format("another rule is for {}, and the server name that a "
                                   "connection asks for is not known at connect()",
                                   host_));
    }
  }
  return choices.Take();
}

std::vector<Choice> Court::Decide(std::size_t port) {
  const DialledPort& dialled = ports_[port];
  if (dialled.protocol == PortProtocol::kUdp) {
    return {};
  }
  if (!dialled.untouched.empty()) {
    return {Choice{.addresses = dialled.addresses, .untouched = dialled.untouched}};
  }
  if (dialled.protocol == PortProtocol::kTls) {
    return DecideTls(port);
  }
  if (ReadsTcp(port)) {
    return DecideTcp(port, dialled.addresses);
  }
  if (dialled.protocol == PortProtocol::kHttp ||
      scene_.options.undeclared == UndeclaredPorts::kHttp) {
    return {DecideHttp(port, dialled.addresses)};
  }
  return DecideSniffed(port);
}

// Istio looks at the bytes only where a single address is dialled; for a subnet it reads tcp rules
// alone.
std::vector<Choice> Court::DecideSniffed(std::size_t port) {
  std::vector<IpPrefix> singles;
  std::vector<IpPrefix> subnets;
  std::ranges::partition_copy(ports_[port].addresses, std::back_inserter(singles),
                              std::back_inserter(subnets),
                              [](const IpPrefix& prefix) { return prefix.bits == kAddressBits; });
  std::vector<Choice> choices;
  if (!subnets.empty()) {
    choices = DecideTcp(port, subnets);
  }
  if (!singles.empty() || subnets.empty()) {
    choices.push_back(DecideHttp(port, singles));
  }
  return choices;
}

Choices ChooseRules(const Scene& scene, const HostName& host, const std::string& service,
                    const std::vector<DialledPort>& ports) {
  Court court(scene, host, service, ports);
  Choices choices;
  for (std::size_t port = 0; port < ports.size(); ++port) {
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
      for (const ListedRule& rule : candidate.RulesIn(list)) {
        verdicts.push_back({.kind = Verdict::Kind::kNotEnforced,
                            .object = rule.object->key,
                            .path = rule.path,
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
