// SPDX-License-Identifier: Apache-2.0
// What a DestinationRule says of the connections to a host or subset.
#pragma once

#include <string_view>

#include "fields.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

void ReadLoadBalancer(const At& at, LoadBalancer& out);
void ReadTrafficPolicy(const At& at, TrafficPolicy& out);

// What Istio's webhook finds in a trafficPolicy and in those of its ports; `ns` is the rule's.
void CheckTrafficPolicy(const At& policy, std::string_view ns);

}  // namespace vsplit::parse
