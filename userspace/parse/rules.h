// SPDX-License-Identifier: Apache-2.0
// The rules of a VirtualService.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "document.h"
#include "fields.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

void ReadHttpRules(const At& at, std::vector<Rule>& out);
void ReadTcpRules(const At& at, std::vector<Rule>& out);
void ReadTlsRules(const At& at, std::vector<Rule>& out);

// Each is "mesh", a host name, or namespace/name.
void ReadGateways(const At& at, std::vector<std::string>& out);

// Whether a map has a field that is neither null nor an empty list.
bool Has(const Node& node, std::string_view field);

}  // namespace vsplit::parse
