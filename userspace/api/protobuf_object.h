// SPDX-License-Identifier: Apache-2.0
// What kubectl sends as protobuf: the objects that `kubectl create namespace` and `kubectl create
// service` make, and the options of some deletions.
#pragma once

#include <string_view>

#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

bool HasProto(Kind kind);

// The document of such an object, its kind as the body says. Fails on a field that is not known: an
// object is not stored without a part of what was said of it.
Result<Json> ReadProtoObject(Kind kind, std::string_view body);

// The body of a DELETE, of `kubectl drain` for instance.
Result<Json> ReadProtoDeleteOptions(std::string_view body);

}  // namespace vsplit
