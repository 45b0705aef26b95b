// SPDX-License-Identifier: Apache-2.0
// The types of what nothing is read from.
#pragma once

#include <string_view>

#include "fields.h"

namespace vsplit::parse {

// The fields of a message: `name:type`, with "!" in front if it is required. A type is one of
// kTypes in schema.cc, a message, a list of them ("*string"), a map with free keys to them
// ("%string"), the names of an enumeration separated by "|", or an integer of a range ("1-600").
struct MessageType {
  std::string_view name;
  std::string_view fields;
  std::string_view one_of;  // fields that exclude each other
};

struct FieldType {
  std::string_view name;
  std::string_view type;
  bool required;
};

FieldType SplitField(std::string_view text);
// Null: no message that nothing is read from has this name.
const MessageType* FindMessage(std::string_view name);

// Notes unknown fields and values of the wrong type of an Istio message ("HTTPRetry"), of a list of
// them ("*HTTPMirrorPolicy") or of a map with free keys to them ("%StringMatch"), deep down.
void CheckMessage(const At& at, std::string_view type);

// A reader for a field that no part of the object is made of.
template <class T, const std::string_view& type>
void Named(const At& at, T& /*out*/) {
  CheckMessage(at, type);
}

}  // namespace vsplit::parse
