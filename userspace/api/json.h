// SPDX-License-Identifier: Apache-2.0
// JSON whose fields stay in the order in which they were given.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vsplit {

using Json = nlohmann::ordered_json;

// One line and its end. Bytes that are no UTF-8 become U+FFFD.
inline std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace vsplit
