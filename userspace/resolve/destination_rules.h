// SPDX-License-Identifier: Apache-2.0
// R11: which DestinationRules count for a host, and what they say about its subsets and ports.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

// The DestinationRules that are merged into one for this host of a service in this namespace, the
// first to count first: of the client's namespace, else of the service's, else of the root
// namespace; of these the ones with the most specific host, and of these the ones for the client.
std::vector<ObjectPtr> MergedRules(const Scene& scene, const HostName& host, const std::string& ns);

// The first definition counts; null when there is none. Valid as long as the rules.
const Subset* FindSubset(const std::vector<ObjectPtr>& merged, std::string_view name);

// The load balancer for one service port of a subset (null: of the whole host).
Algorithm AlgorithmFor(const std::vector<ObjectPtr>& merged, const Subset* subset,
                       std::uint16_t port);

// A verdict for every part of every DestinationRule about the host. `obstacle`: why none of them
// counts; empty if there is no such reason.
void JudgeDestinationRules(const Scene& scene, const HostName& host, const std::string& ns,
                           const std::string& obstacle, std::vector<Verdict>& verdicts);

}  // namespace vsplit::resolve
