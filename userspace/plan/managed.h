// SPDX-License-Identifier: Apache-2.0
// How the settings of a cluster become a row of `policies` and a state, and back.
#pragma once

#include <cstdint>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"

namespace vsplit {

// A plain cluster needs none. Without row numbers: first_group and turn are 0.
policy_value PolicyRow(const ImageCluster& cluster, bool v4);
// Without first, hash_first.
group_value GroupRowOf(const EndpointGroup& group, Algorithm algorithm);

// The agent's part. Without the number of endpoints; all zero for a cluster that never ejects.
cluster_state StateOf(const ClusterSettings& settings);
cluster_state AgentsPart(const cluster_state& state);
bool SameState(const cluster_state& left, const cluster_state& right);

// Those that count against max_percent: unready ones too.
std::uint32_t EndpointsOf(const std::vector<EndpointGroup>& groups);

// The settings that make this row and this state.
ClusterSettings SettingsOf(const policy_value& policy, const cluster_state& state);

// Rows of `hash_rows` that a group of such a cluster has; 0 for one that has none.
std::uint32_t HashRows(const policy_value& policy, const group_value& group);

// The table of a group: `size` slots, a prime, each the place of one of the endpoints. Google's
// Maglev (Eisenbud and others, NSDI 2016, section 3.4), weighted as Envoy does
// (maglev_lb.cc): in each round an endpoint takes its next slot as often as its weight says.
std::vector<hash_row> MaglevTable(const std::vector<Endpoint>& endpoints, std::uint32_t size);

}  // namespace vsplit
