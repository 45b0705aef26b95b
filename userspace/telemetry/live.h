// SPDX-License-Identifier: Apache-2.0
// What the tables and the store say about what is in force.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vsplit/address.h"
#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {

// outbound|80|safe|reviews.default.svc.cluster.local
struct ClusterName {
  std::string_view port, subset, host;
};
ClusterName TakeApart(std::string_view name);

// "default/safe-1": the Pod that has the address and has not ended; empty: there is none.
std::string WorkloadOf(const Live& live, const IpAddress& ip);

// What the rules say about this port of the host; null: not served.
const ResolvedPort* PortOf(const Live& live, const HostName& host, std::uint16_t port);

Counts CountsOf(const Live& live, std::uint32_t counter);
Counts CountsOfEndpoint(const Live& live, std::uint32_t endpoint);
void Add(Counts& sum, const Counts& counts);

}  // namespace vsplit
