// SPDX-License-Identifier: Apache-2.0
// RFC 6902, with bounds that hold whatever a client sends.
#pragma once

#include <cstddef>

#include "json.h"
#include "vsplit/result.h"

namespace vsplit {

struct JsonPatchLimits {
  std::size_t operations = 10'000;
  std::size_t copied_bytes = std::size_t{3} << 20;  // by "copy" operations, in all
  std::size_t depth = 64;                           // of maps and lists
};

// Applies one operation after the other. The error says which one fails and why; the document is
// then of no use.
Result<void> ApplyJsonPatch(Json& document, const Json& patch, const JsonPatchLimits& limits = {});

// Nesting of maps and lists: 0 for a scalar.
std::size_t DepthOf(const Json& value);

}  // namespace vsplit
