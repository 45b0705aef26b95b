// SPDX-License-Identifier: Apache-2.0
// What must hold of every table image, whatever it was made from.
#pragma once

#include <string>

#include "vsplit/image.h"

namespace vsplit {

// The first invariant of image.h that does not hold, as a sentence; empty when all do.
std::string WhatIsWrong(const TableImage& image);

}  // namespace vsplit
