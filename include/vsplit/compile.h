// SPDX-License-Identifier: Apache-2.0
// Meaning in, table image out: weights divided by their greatest common divisor, the stride of the
// exact policy, endpoints by address family.
#pragma once

#include <cstdint>
#include <vector>

#include "vsplit/image.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {

// The part of the image of one host. kInvalid when a route is more than the tables can hold; the
// message names host, port and limit.
Result<TableImage> Compile(const ResolvedHost& host);

// For two weights the smaller one, which makes the sequence perfectly even (a Beatty sequence); for
// more a number coprime to their sum with small partial quotients. The weights have no common
// divisor and none of them is 0.
std::uint32_t ChooseStride(const std::vector<std::uint32_t>& weights);

}  // namespace vsplit
