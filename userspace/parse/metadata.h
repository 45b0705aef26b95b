// SPDX-License-Identifier: Apache-2.0
// Kubernetes' ObjectMeta, as far as it is read.
#pragma once

#include <string>

#include "fields.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

// The object's key, labels and what else of its metadata it keeps. `root` is the whole document.
void ReadMetadata(const At& root, const KindInfo& info, const std::string& default_namespace,
                  Object& object);

// Notes annotations that Istio takes on no object of its kinds that a user writes.
void CheckAnnotations(const At& root);

}  // namespace vsplit::parse
