// SPDX-License-Identifier: Apache-2.0
// Meaning in, table image out: weights divided by their greatest common divisor, the stride of the
// exact policy, endpoints by address family, routes of sources beside everyone's.
#pragma once

#include "vsplit/image.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {

// The part of the image of one host: its frontends. kInvalid when a route is more than the tables
// can hold; the message names host, port and limit.
Result<TableImage> Compile(const HostMeaning& host);

}  // namespace vsplit
