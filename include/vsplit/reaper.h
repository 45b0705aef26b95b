// SPDX-License-Identifier: Apache-2.0
// Ends connections that were steered and have outlived their limits: idleTimeout and
// maxConnectionDuration of Istio's connectionPool.tcp. Which ones is pure; ending them is the
// kernel's SOCK_DESTROY (sock_diag(7)), which leaves the application with ECONNABORTED. It is asked
// for in the network namespace of each pod: a BPF iterator sees no other sockets than those of its
// opener's namespace either, ends them by the same function of the kernel, and needs more for it:
// CAP_PERFMON, a kernel of 6.5, and its offsets (bpf/README.md).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace vsplit {

// A connection with limits. Nothing else is ever ended.
struct SteeredConnection {
  std::uint64_t cookie = 0;                  // of the socket
  std::chrono::nanoseconds since{};          // CLOCK_MONOTONIC, when it was steered
  std::chrono::milliseconds idle_timeout{};  // without a byte either way; 0: none
  std::chrono::milliseconds max_duration{};  // 0: none
};

enum class Outlived { kNothing, kIdleTimeout, kMaxDuration };

struct Judgement {
  Outlived limit = Outlived::kNothing;
  // CLOCK_MONOTONIC, when the next limit can be reached; nothing: none ever.
  std::optional<std::chrono::nanoseconds> next;

  bool operator==(const Judgement&) const = default;
};

// `idle` is since the last byte, or since the connection was made.
Judgement Judge(const SteeredConnection& connection, std::chrono::nanoseconds now,
                std::chrono::milliseconds idle);

struct Reaped {
  std::uint64_t idle = 0, expired = 0;  // connections ended by idleTimeout, maxConnectionDuration
  // When to look again; nothing: no connection that was given has limits.
  std::optional<std::chrono::nanoseconds> next;
  // Why some could not be looked at or ended; empty: nothing was in the way.
  std::string trouble;
};

// Looks at the sockets of these connections, in the namespaces of all processes below the cgroup,
// and ends those that have outlived a limit. Enters the namespaces, which takes CAP_SYS_ADMIN, on
// the calling thread, and is back in its own when it returns.
Reaped Reap(const std::string& cgroup, const std::vector<SteeredConnection>& connections,
            std::chrono::nanoseconds now);

}  // namespace vsplit
