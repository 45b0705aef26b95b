// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {

// What deleting the object is: its end, or, while it has finalizers, its deletionTimestamp.
Write DeletionOf(const Object& live, const std::string& now);

}  // namespace vsplit
