// SPDX-License-Identifier: Apache-2.0
// What a cluster is made of and how one of its endpoints is chosen: the values that resolve.h fills
// in, image.h carries and the kernel runs. Passive data. Meaning: Istio's DestinationRule
// (destination_rule.proto) as Envoy carries it out.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/boxed.h"
#include "vsplit/interned_string.h"

namespace vsplit {

// Where something runs. Empty parts are unknown, and match everything that is unknown too.
struct Locality {
  std::string region, zone, subzone;

  auto operator<=>(const Locality&) const = default;
};
std::string ToString(const Locality& locality);  // "eu/eu-a/rack1", trailing empty parts left out

enum class Algorithm : std::uint8_t {  // ALGORITHM_*
  kLeastRequest,
  kRoundRobin,
  kRandom,
  kMaglev,       // consistent hash of the source address
  kPassthrough,  // the address that was dialled
};
std::string ToString(Algorithm algorithm);  // "least_request", "round_robin", "random", ...

struct Endpoint {
  SocketAddress address;     // all zero as long as `name` is not resolved
  InternedString name;       // a DNS name, where the object gives one; else empty
  std::uint32_t weight = 1;  // >= 1

  auto operator<=>(const Endpoint&) const = default;
};

// Endpoints among which the algorithm chooses. First the priority is drawn by health (Envoy's
// overprovisioning factor of 1.4), then the group within it by weight, then the endpoint.
struct EndpointGroup {
  std::uint32_t priority = 0;  // 0 first; without gaps over the groups of a cluster
  std::uint32_t weight = 1;    // among the groups of its priority
  std::string locality;        // for people: "eu/eu-a"; empty when localities are not told apart
  std::vector<Endpoint> endpoints;  // ready ones, sorted, each address once
  std::uint32_t unready = 0;        // get nothing, but count as unhealthy

  bool operator==(const EndpointGroup&) const = default;
};

// outlierDetection, reduced to what a failed connect() means.
struct Ejection {
  std::uint32_t failures = 0;  // consecutive ones that eject, >= 1
  std::string field;           // that gave the number: "consecutive5xxErrors", ...
  std::chrono::milliseconds interval{10'000};
  std::chrono::milliseconds base{30'000};  // times the number of ejections
  std::chrono::milliseconds max{300'000};  // at most
  std::uint32_t max_percent = 10;          // of the cluster's endpoints, ejected at one time

  bool operator==(const Ejection&) const = default;
};

struct Keepalive {  // 0: the kernel's own value
  std::uint32_t time_s = 0, interval_s = 0, probes = 0;

  bool operator==(const Keepalive&) const = default;
};

struct SlowStart {
  std::chrono::milliseconds duration{};
  std::uint32_t minimum_percent = 10;
  double aggression = 1;

  bool operator==(const SlowStart&) const = default;
};

struct ClusterSettings {
  Algorithm algorithm = Algorithm::kLeastRequest;
  std::uint32_t maglev_size = 65537;  // kMaglev; a prime
  std::uint16_t port = 0;             // kPassthrough: to this port; 0: to the one dialled
  std::uint32_t panic_percent = 0;    // minHealthPercent; 0: never
  Boxed<Ejection> ejection;
  Boxed<SlowStart> warmup;
  std::optional<std::uint32_t> max_connections;  // per source pod
  std::optional<std::chrono::milliseconds> connect_timeout;
  Boxed<Keepalive> keepalive;

  bool operator==(const ClusterSettings&) const = default;
};

}  // namespace vsplit
