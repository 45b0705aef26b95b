// SPDX-License-Identifier: Apache-2.0
// Whether a written object says anything new.
#pragma once

#include "vsplit/objects.h"

namespace vsplit {

enum class Difference {
  kNone,      // but for what the server itself puts into metadata
  kMetadata,  // labels, annotations, the status of a kind that has its meaning there
  kSpec,      // anything outside of metadata and status: the generation grows
};

// Both have the same key.
Difference Compare(const Object& before, const Object& after);

}  // namespace vsplit
