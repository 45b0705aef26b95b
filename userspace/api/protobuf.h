// SPDX-License-Identifier: Apache-2.0
// Reads the few messages that kubectl sends as protobuf whatever it is answered.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/result.h"

namespace vsplit {

enum class ProtoType : std::uint8_t {
  kText,  // or a message, if `below` names its fields
  kNumber,
  kTruth,
  kEntry,        // of a map from text to text
  kIntOrString,  // Kubernetes' type of that name
  kIgnored,
};

struct ProtoField {
  unsigned number;
  const char* name;
  std::span<const ProtoField> below = {};
  ProtoType type = ProtoType::kText;
  bool repeated = false;
};

// What becomes of fields that the table does not name.
enum class ProtoRest : std::uint8_t { kPassedOver, kRefused };

// The named fields of the message as a map; as in JSON, what is empty or zero is not there. As deep
// as `fields` is.
Result<Json> ReadProto(std::string_view message, std::span<const ProtoField> fields,
                       ProtoRest rest = ProtoRest::kPassedOver);

// A runtime.Unknown of Kubernetes, behind its magic number.
struct ProtoEnvelope {
  std::string api_version;
  std::string kind;
  std::string_view raw;
};
Result<ProtoEnvelope> OpenProto(std::string_view body);

}  // namespace vsplit
