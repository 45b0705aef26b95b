// SPDX-License-Identifier: Apache-2.0
// Reading the agent's JSON answers without surprises: what is absent or of another type reads as
// empty, so that an older or newer agent never breaks the command line.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace vsplit {

using Json = nlohmann::ordered_json;

// `path` is a JSON pointer, "/metadata/name". A number or boolean reads as its JSON text.
std::string TextAt(const Json& json, const char* path);
double NumberAt(const Json& json, const char* path);
std::int64_t IntegerAt(const Json& json, const char* path);
bool TruthAt(const Json& json, const char* path);
// The list or map there, else an empty list.
const Json& ItemsAt(const Json& json, const char* path);

}  // namespace vsplit
