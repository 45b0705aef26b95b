// SPDX-License-Identifier: Apache-2.0
// JSON whose fields stay in the order in which they were given.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {

using Json = nlohmann::ordered_json;

// One line and its end. Bytes that are no UTF-8 become U+FFFD.
std::string Dump(const Json& json);

Json ToJson(const Verdict& verdict);
// The counts as fields; `refused` only for a cluster.
void AddCounts(Json& json, const Counts& counts, bool with_refused);
Json ToJson(const LiveRoute& route);

}  // namespace vsplit
