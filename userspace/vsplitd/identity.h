// SPDX-License-Identifier: Apache-2.0
// What new objects get from the outside world.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {

// Random UUIDs, version 4 of RFC 9562.
Result<std::vector<std::string>> RandomUids(std::size_t count);
// Five letters and digits that make a metadata.generateName unique, of Kubernetes' alphabet.
Result<std::string> RandomSuffix();
// The present time, RFC 3339, UTC, whole seconds: "2024-10-10T07:03:57Z".
std::string Now();
// The same with microseconds, as Kubernetes' MicroTime: "2024-10-10T07:03:57.000000Z".
std::string NowInMicroseconds();

}  // namespace vsplit
