// SPDX-License-Identifier: Apache-2.0
// What happens to objects, as it happens.
#pragma once

#include "call.h"
#include "failure.h"
#include "place.h"
#include "vsplit/api.h"

namespace vsplit {

// Whether the parameter `watch` asks for it; 400 if it is neither true nor false.
Outcome<bool> AsksToWatch(const Call& call);

// A stream of events, one JSON text a line, from the resourceVersion given: ADDED, MODIFIED,
// DELETED, BOOKMARK, ERROR. The backend outlives it.
Outcome<Response> Watch(const Call& call, const Place& place);

}  // namespace vsplit
