// SPDX-License-Identifier: Apache-2.0
// What must hold of resolve and compile, whatever the objects.
#pragma once

#include <cstddef>
#include <string>

#include "vsplit/store.h"

namespace vsplit {

// The first of these that does not hold, as a sentence; empty when all do:
// a second answer is the same; a client of whom the same holds gets the same answer; the image is
// well formed; a host whose answer says nothing of a change does not change. `seed` chooses one
// object of each kind that is taken away for the last one. The store is as before.
std::string WhatDoesNotHold(Store& store, std::size_t seed);

}  // namespace vsplit
