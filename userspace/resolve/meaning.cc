// SPDX-License-Identifier: Apache-2.0
// What a host means for everyone, and for those for whom it means something else.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

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

SourceMeaning& SourceFor(std::vector<SourceMeaning>& sources, const ResolvedHost& host) {
  const auto same = std::ranges::find_if(
      sources, [&host](const SourceMeaning& source) { return SameMeaning(source.host, host); });
  return same != sources.end() ? *same : sources.emplace_back(SourceMeaning{.host = host});
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
  for (const Workload& workload : workloads) {
    const std::size_t outcome = OutcomeFor(outcomes, workload.client, resolve);
    if (!SameMeaning(outcomes[outcome].host, outcomes.front().host)) {
      SourceFor(meaning.sources, outcomes[outcome].host).workloads.push_back(workload.name);
    }
  }
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
  for (const SourceMeaning& source : sources) {
    for (const Verdict& verdict : source.host.verdicts) {
      Verdict plain = verdict;
      plain.sources.clear();
      if (std::ranges::find(everyone.verdicts, plain) == everyone.verdicts.end()) {
        all.push_back(verdict);
      }
    }
  }
  return all;
}

}  // namespace vsplit
