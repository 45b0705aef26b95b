// SPDX-License-Identifier: Apache-2.0
// RFC 6902, with bounds that hold whatever a client sends.
#pragma once

#include "json.h"
#include "vsplit/result.h"

namespace vsplit {

// Applies one operation after the other. The error says which one fails and why; the document is
// then of no use.
Result<void> ApplyJsonPatch(Json& document, const Json& patch);

}  // namespace vsplit
