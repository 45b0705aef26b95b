// SPDX-License-Identifier: Apache-2.0
// Services for the benchmarks, as YAML documents: number n is "service-<n>" in namespace default,
// with ten endpoints, half of its pods of version safe and half of version risky.
#pragma once

#include <string>

namespace vsplit::bench {

inline constexpr int kEndpoints = 10;  // of each service

std::string ServiceOf(int service);
// Its first endpoint is ready or not.
std::string SliceOf(int service, bool first_ready = true);
std::string DestinationRuleOf(int service);
std::string VirtualServiceOf(int service, int risky = 10);  // of 100
std::string PodsOf(int service);
// All of it but the pods.
std::string RulesOf(int service);

}  // namespace vsplit::bench
