// SPDX-License-Identifier: Apache-2.0
// The checks, each of which adds what it finds.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "registry.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::analyze {

using Findings = std::vector<Finding>;

// "default/a, default/b" with a separator like ", ": of many the first ones, and how many more.
// Every one of them gets the finding that names them.
std::string ListOf(const std::set<ObjectKey>& objects, std::string_view separator);

void CheckDestinations(const Store& store, const Registry& registry, Findings& out);
void CheckMeshHosts(const Store& store, Findings& out);
void CheckPortNames(const Store& store, Findings& out);
void CheckServiceEntries(const Store& store, Findings& out);
void CheckSubsets(const Store& store, const Registry& registry, Findings& out);
void CheckReach(const Store& store, Findings& out);
void CheckHiding(const Store& store, const std::string& root_namespace, Findings& out);
void CheckVerdicts(const Store& store, const ResolveOptions& options, const Clients& clients,
                   Findings& out);

}  // namespace vsplit::analyze
