// SPDX-License-Identifier: Apache-2.0
// Who means what by a host when workloads come and go. Two clients for whom the same questions have
// the same answers are asked the same questions, so that each client has exactly one known answer,
// or none.
#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/resolve.h"

namespace vsplit {
namespace {

// The known answer of the client, or null.
const AskedOf* AnswerOf(const HostMeaning& meaning, const Client& client) {
  const auto found = std::ranges::find_if(
      meaning.asked, [&client](const AskedOf& answer) { return answer.asked.HoldsFor(client); });
  return found == meaning.asked.end() ? nullptr : &*found;
}

// What an answer that nobody has says of frontends and dependencies would have to go.
bool IsNeeded(const HostMeaning& meaning, const AskedOf& answer,
              const std::vector<Workload>& workloads) {
  return &answer == &meaning.asked.front() ||
         std::ranges::any_of(workloads, [&answer](const Workload& workload) {
           return answer.asked.HoldsFor(workload.client);
         });
}

// The verdicts of a source are those of its first workload's answer.
bool HasOneAnswer(const HostMeaning& meaning, std::size_t source) {
  return std::ranges::count(meaning.asked, source, &AskedOf::source) == 1;
}

// By name, from which source to which.
using Moves = std::map<std::string, std::pair<std::size_t, std::size_t>>;

HostMeaning Move(const HostMeaning& before, const Moves& moves) {
  HostMeaning meaning = before;
  for (const auto& [name, move] : moves) {
    const auto& [from, to] = move;
    if (from > 0) {
      std::erase(meaning.sources[from - 1].workloads, name);
    }
    if (to > 0) {
      meaning.sources[to - 1].workloads.push_back(name);
    }
  }
  for (SourceMeaning& source : meaning.sources) {
    std::ranges::sort(source.workloads);
  }
  std::vector<std::size_t> order;  // old indexes of the sources in their new order
  for (std::size_t i = 0; i < meaning.sources.size(); ++i) {
    order.push_back(i);
  }
  std::ranges::sort(order, {}, [&](std::size_t i) { return meaning.sources[i].workloads.front(); });
  std::vector<SourceMeaning> sources;
  std::vector<std::size_t> places(order.size() + 1);  // new by old, both from 1
  for (const std::size_t i : order) {
    sources.push_back(std::move(meaning.sources[i]));
    places[i + 1] = sources.size();
    for (Verdict& verdict : sources.back().host.verdicts) {
      verdict.sources = sources.back().workloads;
    }
  }
  meaning.sources = std::move(sources);
  for (AskedOf& answer : meaning.asked) {
    answer.source = places[answer.source];
  }
  std::sort(meaning.asked.begin() + 1, meaning.asked.end());
  return meaning;
}

}  // namespace

WorkloadsChange ChangeOf(const std::vector<Workload>& before, const std::vector<Workload>& after) {
  WorkloadsChange change;
  const auto other_in = [](const std::vector<Workload>& some, const std::vector<Workload>& others,
                           std::vector<const Workload*>& found) {
    std::map<std::string_view, const Client*> clients;
    for (const Workload& other : others) {
      clients.emplace(other.name, &other.client);
    }
    for (const Workload& workload : some) {
      const auto same = clients.find(workload.name);
      if (same == clients.end() || *same->second != workload.client) {
        found.push_back(&workload);
      }
    }
  };
  other_in(before, after, change.gone);
  other_in(after, before, change.come);
  return change;
}

Followed FollowWorkloads(const HostMeaning& meaning, const WorkloadsChange& change,
                         const Client& anonymous, const std::vector<Workload>& after) {
  if (meaning.asked.empty()) {
    return {.known = true, .meaning = {}};
  }
  if (!meaning.asked.front().asked.HoldsFor(anonymous)) {
    return {};
  }
  Moves moves;
  for (const Workload* workload : change.gone) {
    const AskedOf* answer = AnswerOf(meaning, workload->client);
    if (answer == nullptr || !IsNeeded(meaning, *answer, after)) {
      return {};
    }
    moves[workload->name].first = answer->source;
  }
  for (const Workload* workload : change.come) {
    const AskedOf* answer = AnswerOf(meaning, workload->client);
    if (answer == nullptr) {
      return {};
    }
    moves[workload->name].second = answer->source;
  }
  std::erase_if(moves, [](const auto& move) { return move.second.first == move.second.second; });
  if (moves.empty()) {
    return {.known = true, .meaning = {}};
  }
  const bool clear = std::ranges::all_of(moves, [&meaning](const auto& move) {
    const auto& [from, to] = move.second;
    return (from == 0 || HasOneAnswer(meaning, from)) && (to == 0 || HasOneAnswer(meaning, to));
  });
  return clear ? Followed{.known = true, .meaning = Move(meaning, moves)} : Followed{};
}

}  // namespace vsplit
