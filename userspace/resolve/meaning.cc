// SPDX-License-Identifier: Apache-2.0
// What a host means for everyone, and for those for whom it means something else.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

// One answer, with what it depended on. Several may be the same answer to other questions.
struct Outcome {
  Asked asked;
  ResolvedHost host;
};

// The outcome that the client has; resolved only when no earlier one holds for it.
std::size_t OutcomeFor(std::vector<Outcome>& outcomes, const Client& client, auto resolve) {
  const auto known = std::ranges::find_if(
      outcomes, [&client](const Outcome& outcome) { return outcome.asked.HoldsFor(client); });
  if (known != outcomes.end()) {
    return static_cast<std::size_t>(known - outcomes.begin());
  }
  Outcome outcome;
  outcome.host = resolve(client, outcome.asked);
  outcomes.push_back(std::move(outcome));
  return outcomes.size() - 1;
}

// Whether connections of both end the same way; verdicts and what was looked at may differ.
bool SameMeaning(const ResolvedHost& left, const ResolvedHost& right) {
  return left.ports == right.ports;
}

void Merge(const Dependencies& more, Dependencies& all) {
  all.hosts.insert(more.hosts.begin(), more.hosts.end());
  all.pods.insert(more.pods.begin(), more.pods.end());
  all.pod_ips.insert(more.pod_ips.begin(), more.pod_ips.end());
  all.names.insert(more.names.begin(), more.names.end());
  all.sidecars = all.sidecars || more.sidecars;
}

// Where some answer has a frontend.
using Frontends = std::map<std::pair<std::uint16_t, IpPrefix>, const ResolvedPort*>;

Frontends FrontendsOf(const std::vector<ResolvedPort>& ports) {
  Frontends frontends;
  for (const ResolvedPort& port : ports) {
    for (const IpPrefix& prefix : port.addresses) {
      frontends.emplace(std::pair(port.port, prefix), &port);
    }
  }
  return frontends;
}

// The port that holds for these addresses: the one with the longest prefix around them, or null.
ResolvedPort* PortAround(std::vector<ResolvedPort>& ports, std::uint16_t number,
                         const IpPrefix& prefix) {
  ResolvedPort* found = nullptr;
  int longest = -1;
  for (ResolvedPort& port : ports) {
    for (const IpPrefix& outer : port.addresses) {
      if (port.port == number && outer.bits > longest && outer.Contains(prefix)) {
        longest = outer.bits;
        found = &port;
      }
    }
  }
  return found;
}

// Gives an answer the frontends that only other clients have: the kernel finds a frontend before it
// asks who connects.
void Complete(const Frontends& all, ResolvedHost& host) {
  const Frontends own = FrontendsOf(host.ports);
  std::vector<ResolvedPort> missing;
  std::vector<std::pair<ResolvedPort*, IpPrefix>> added;
  for (const auto& [place, port] : all) {
    const auto& [number, prefix] = place;
    if (own.contains(place)) {
      continue;
    }
    if (ResolvedPort* around = PortAround(host.ports, number, prefix)) {
      added.emplace_back(around, prefix);
      continue;
    }
    if (missing.empty() || missing.back().port != number) {
      missing.push_back({.port = number,
                         .name = port->name,
                         .protocol = port->protocol,
                         .rule_object = {.kind = Kind::kVirtualService}});
      const std::string why = host.host + " is not visible to this client";
      if (host.registry_only) {
        missing.back().clusters.push_back(resolve::BlackHole(why));
      } else {
        missing.back().untouched = why;
      }
    }
    missing.back().addresses.push_back(prefix);
  }
  for (const auto& [port, prefix] : added) {
    port->addresses.push_back(prefix);
    std::ranges::sort(port->addresses);
  }
  std::ranges::move(missing, std::back_inserter(host.ports));
}

void CompleteAll(std::vector<Outcome>& outcomes) {
  if (outcomes.size() < 2) {
    return;
  }
  std::vector<ResolvedPort> ports;
  for (const Outcome& outcome : outcomes) {
    ports.insert(ports.end(), outcome.host.ports.begin(), outcome.host.ports.end());
  }
  const Frontends all = FrontendsOf(ports);
  for (Outcome& outcome : outcomes) {
    Complete(all, outcome.host);
  }
}

bool IsForOthers(const Verdict& verdict) {
  return verdict.reason.starts_with(resolve::kForOtherClients);
}

// The index of the source that has this meaning, which may be new.
std::size_t SourceFor(std::vector<SourceMeaning>& sources, const ResolvedHost& host) {
  const auto same = std::ranges::find_if(
      sources, [&host](const SourceMeaning& source) { return SameMeaning(source.host, host); });
  const auto index = static_cast<std::size_t>(same - sources.begin());
  if (same == sources.end()) {
    sources.push_back({.host = host});
  }
  return index;
}

// `sources` of each outcome: which one of the meaning it became.
std::vector<AskedOf> AskedOfAll(std::vector<Outcome>& outcomes,
                                const std::vector<std::size_t>& sources) {
  std::vector<AskedOf> asked;
  if (outcomes.size() == 1 && outcomes.front().asked == Asked{}) {
    return asked;
  }
  for (std::size_t i = 0; i < outcomes.size(); ++i) {
    asked.push_back({.source = sources[i], .asked = std::move(outcomes[i].asked)});
  }
  std::sort(asked.begin() + 1, asked.end());
  return asked;
}

}  // namespace

HostMeaning ResolveAll(const Store& store, const HostName& host, const ResolveOptions& options,
                       const Client& anonymous, const std::vector<Workload>& workloads) {
  const auto resolve = [&](const Client& client, Asked& asked) {
    return Resolve(store, host, options, client, &asked);
  };
  std::vector<Outcome> outcomes;
  OutcomeFor(outcomes, anonymous, resolve);
  HostMeaning meaning{.asks = outcomes.front().asked.tells_pods_apart()};
  std::vector<std::size_t> found;
  found.reserve(workloads.size());
  for (const Workload& workload : workloads) {
    found.push_back(OutcomeFor(outcomes, workload.client, resolve));
  }
  CompleteAll(outcomes);
  std::vector<std::size_t> sources(outcomes.size());
  for (std::size_t i = 0; i < workloads.size(); ++i) {
    const ResolvedHost& host_found = outcomes[found[i]].host;
    if (!SameMeaning(host_found, outcomes.front().host)) {
      const std::size_t source = SourceFor(meaning.sources, host_found);
      meaning.sources[source].workloads.push_back(workloads[i].name);
      sources[found[i]] = source + 1;
    }
  }
  meaning.asked = AskedOfAll(outcomes, sources);
  meaning.everyone = std::move(outcomes.front().host);
  for (std::size_t i = 1; i < outcomes.size(); ++i) {
    Merge(outcomes[i].host.dependencies, meaning.everyone.dependencies);
  }
  for (SourceMeaning& source : meaning.sources) {
    std::ranges::sort(source.workloads);
    for (Verdict& verdict : source.host.verdicts) {
      verdict.sources = source.workloads;
    }
  }
  return meaning;
}

std::vector<Verdict> HostMeaning::verdicts() const {
  std::vector<Verdict> all = everyone.verdicts;
  std::vector<Verdict> of_everyone = sources.empty() ? std::vector<Verdict>() : all;
  std::ranges::sort(of_everyone);
  for (const SourceMeaning& source : sources) {
    for (const Verdict& verdict : source.host.verdicts) {
      Verdict plain = verdict;
      plain.sources.clear();
      if (!std::ranges::binary_search(of_everyone, plain)) {
        all.push_back(verdict);
      }
    }
  }
  // That a rule is not for somebody says nothing once it is known for whom it is.
  std::set<std::pair<ObjectKey, std::string>> known;
  for (const Verdict& verdict : all) {
    if (!IsForOthers(verdict)) {
      known.emplace(verdict.object, verdict.path);
    }
  }
  std::erase_if(all, [&known](const Verdict& verdict) {
    return IsForOthers(verdict) && known.contains({verdict.object, verdict.path});
  });
  return all;
}

}  // namespace vsplit
