// SPDX-License-Identifier: Apache-2.0
// What the agent says about a rule, as one line.
#pragma once

#include <string>

#include "vsplit/json.h"

namespace vsplit {

// " (from default/web-1 and 3 more)"; empty: it is about everyone else.
std::string SourcesText(const Json& verdict);

// "VirtualService default/reviews: spec.http[0]: reviews.default.svc.cluster.local:80:
// approximated: weights count connections, not requests"
std::string VerdictText(const Json& verdict);

}  // namespace vsplit
