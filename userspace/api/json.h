// SPDX-License-Identifier: Apache-2.0
// JSON as the API writes it.
#pragma once

#include <string>

#include "vsplit/json.h"

namespace vsplit {

// The text of a field; empty if it is none, or absent.
inline std::string StringIn(const Json& map, const char* field) {
  const auto found = map.find(field);
  return found != map.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// On one line. Bytes that are no UTF-8 become U+FFFD.
inline std::string DumpValue(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// One line and its end.
inline std::string Dump(const Json& json) {
  return DumpValue(json) + "\n";
}

}  // namespace vsplit
