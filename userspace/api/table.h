// SPDX-License-Identifier: Apache-2.0
// Objects as the rows that `kubectl get` prints.
#pragma once

#include <string>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {

// The columnDefinitions of a Table of meta.k8s.io; what is shown with -o wide only has priority 1.
Json ColumnsOf(Kind kind);
// One cell for each of them. `now` is RFC 3339, in UTC.
Json CellsOf(Kind kind, const Json& object, const std::string& now);

// "5s", "3m7s", "2d4h", as kubectl says ages; "<unknown>" if one of the times is none.
std::string AgeOf(const std::string& since, const std::string& now);

}  // namespace vsplit
