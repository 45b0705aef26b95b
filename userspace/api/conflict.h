// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "failure.h"
#include "managed_fields.h"

namespace vsplit {

// 409 in the words of Kubernetes, a cause for each conflict.
Failure ConflictFailure(const std::vector<ApplyConflict>& conflicts);

}  // namespace vsplit
