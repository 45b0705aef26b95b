// SPDX-License-Identifier: Apache-2.0
// What the tables and the store say about what is in force.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vsplit/address.h"
#include "vsplit/image.h"
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

// What the rules say about the port that is dialled there: a port has several parts where rules are
// about subnets. Null: the host has no such port.
const ResolvedPort* PortOf(const ResolvedHost& host, const Frontend& frontend);

Counts CountsOf(const Live& live, std::uint32_t counter);
Counts CountsOfEndpoint(const Live& live, std::uint32_t endpoint);
void Add(Counts& sum, const Counts& counts);

}  // namespace vsplit
