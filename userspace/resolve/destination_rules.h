// SPDX-License-Identifier: Apache-2.0
// R11: which DestinationRules count for a host and client.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

// The DestinationRules that are merged into one for this host of a service in this namespace, the
// first to count first: of the client's namespace, else of the service's, else of the root
// namespace; of these the ones with the most specific host, and of these the ones for the client.
std::vector<ObjectPtr> MergedRules(const Scene& scene, const HostName& host, const std::string& ns);

// The first definition counts; null when there is none. Valid as long as the rules.
const Subset* FindSubset(const std::vector<ObjectPtr>& merged, std::string_view name);

// Why this rule about the host is not among the merged ones; empty when it is.
std::string WhyLeftOut(const Scene& scene, const ObjectPtr& object,
                       const std::vector<ObjectPtr>& merged, const std::string& ns);

}  // namespace vsplit::resolve
