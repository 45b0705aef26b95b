// SPDX-License-Identifier: Apache-2.0
// Services for the benchmarks, as YAML documents: number n is "service-<n>" in namespace default,
// with ten endpoints, half of its pods of version safe and half of version risky.
#pragma once

#include <string>

namespace vsplit::bench {

inline constexpr int kEndpoints = 10;  // of each service
inline constexpr char kClientNode[] = "client-node";

std::string ServiceOf(int service);
// Its first endpoint is ready or not. With more endpoints there is one that PodsOf does not have.
std::string SliceOf(int service, bool first_ready = true, int endpoints = kEndpoints);
std::string DestinationRuleOf(int service);
std::string VirtualServiceOf(int service, int risky = 10);  // of 100
// The same, but pods of team red get version risky only.
std::string VirtualServiceBySource(int service, int risky = 10);
std::string PodOf(int service, int endpoint);
std::string PodsOf(int service);
// A pod that is no endpoint, on kClientNode; every second one is of team red, the first among them.
std::string ClientPodOf(int pod);
// All of it but the pods.
std::string RulesOf(int service);

// The same objects of the services first ... last - 1, as one List in JSON.
std::string PodListOf(int first, int last);
std::string RuleListOf(int first, int last);

}  // namespace vsplit::bench
