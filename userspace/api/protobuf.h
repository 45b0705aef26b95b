// SPDX-License-Identifier: Apache-2.0
// Reads the few messages that kubectl sends as protobuf whatever it is answered.
#pragma once

#include <span>
#include <string_view>

#include "json.h"
#include "vsplit/result.h"

namespace vsplit {

// A field whose value is a text, or a message if `below` names its fields.
struct ProtoField {
  unsigned number;
  const char* name;
  std::span<const ProtoField> below = {};
};

// The named fields of the message as a map; others are passed over. As deep as `fields` is.
Result<Json> ReadProto(std::string_view message, std::span<const ProtoField> fields);

// What lies in a runtime.Unknown of Kubernetes, behind its magic number.
Result<std::string_view> OpenProto(std::string_view body);

}  // namespace vsplit
