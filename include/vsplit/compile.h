// SPDX-License-Identifier: Apache-2.0
// Meaning in, table image out: weights divided by their greatest common divisor, the stride of the
// exact policy, endpoints by address family.
#pragma once

#include "vsplit/image.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {

// The part of the image of one host. kInvalid when a route is more than the tables can hold; the
// message names host, port and limit.
Result<TableImage> Compile(const ResolvedHost& host);

}  // namespace vsplit
