// SPDX-License-Identifier: Apache-2.0
#include "vsplit/reaper.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <unordered_map>
#include <utility>
#include <vector>

#include "netns.h"
#include "sockets.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using Wanted = std::unordered_map<std::uint64_t, const SteeredConnection*>;  // by cookie

void Sooner(std::optional<std::chrono::nanoseconds>& next,
            const std::optional<std::chrono::nanoseconds>& other) {
  if (other) {
    next = std::min(next.value_or(*other), *other);
  }
}

// What can be due at all; and when what cannot be due yet may be.
Wanted WantedOf(const std::vector<SteeredConnection>& connections, std::chrono::nanoseconds now,
                Reaped& reaped) {
  Wanted wanted;
  for (const SteeredConnection& connection : connections) {
    const auto age = std::chrono::duration_cast<std::chrono::milliseconds>(now - connection.since);
    const Judgement at_most = Judge(connection, now, age);  // no socket is idle longer than it is
    if (at_most.limit != Outlived::kNothing) {
      wanted.emplace(connection.cookie, &connection);
    } else {
      Sooner(reaped.next, at_most.next);
    }
  }
  return wanted;
}

// The sockets of one namespace, which is the present one.
Result<void> ReapHere(Wanted& wanted, std::chrono::nanoseconds now, Reaped& reaped) {
  const Result<SocketDiag> diag = SocketDiag::Open();
  if (!diag) {
    return tl::unexpected<Error>(diag.error());
  }
  std::vector<std::pair<TcpSocket, Outlived>> due;
  Result<void> listed = diag->List([&](const TcpSocket& socket) {
    const auto found = wanted.find(socket.cookie);
    if (found == wanted.end()) {
      return;
    }
    const Judgement judgement = Judge(*found->second, now, socket.idle);
    if (judgement.limit == Outlived::kNothing) {
      Sooner(reaped.next, judgement.next);
    } else {
      due.emplace_back(socket, judgement.limit);
    }
    wanted.erase(found);
  });
  for (const auto& [socket, limit] : due) {
    const Result<bool> ended = diag->Destroy(socket);
    if (!ended) {
      return tl::unexpected<Error>(ended.error());
    }
    reaped.idle += *ended && limit == Outlived::kIdleTimeout ? 1 : 0;
    reaped.expired += *ended && limit == Outlived::kMaxDuration ? 1 : 0;
  }
  return listed;
}

}  // namespace

Reaped Reap(const std::string& cgroup, const std::vector<SteeredConnection>& connections,
            std::chrono::nanoseconds now) {
  Reaped reaped;
  Wanted wanted = WantedOf(connections, now, reaped);
  if (wanted.empty()) {
    return reaped;
  }
  Namespaces namespaces = NamespacesBelow(cgroup);
  reaped.trouble = std::move(namespaces.trouble);
  for (const Descriptor& netns : namespaces.all) {
    if (wanted.empty()) {
      break;
    }
    const Result<void> done = RunInside(netns, [&] { return ReapHere(wanted, now, reaped); });
    if (!done && reaped.trouble.empty()) {
      reaped.trouble = done.error().message;
    }
  }
  return reaped;
}

}  // namespace vsplit
