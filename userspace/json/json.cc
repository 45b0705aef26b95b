// SPDX-License-Identifier: Apache-2.0
#include "vsplit/json.h"

#include <cstdint>
#include <string>

namespace vsplit {
namespace {

const Json& At(const Json& json, const char* path) {
  static const Json nothing;
  const Json::json_pointer pointer(path);
  return json.contains(pointer) ? json.at(pointer) : nothing;
}

}  // namespace

std::string TextAt(const Json& json, const char* path) {
  const Json& value = At(json, path);
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_number() || value.is_boolean() ? value.dump() : std::string();
}

double NumberAt(const Json& json, const char* path) {
  const Json& value = At(json, path);
  return value.is_number() ? value.get<double>() : 0;
}

std::int64_t IntegerAt(const Json& json, const char* path) {
  const Json& value = At(json, path);
  return value.is_number() ? value.get<std::int64_t>() : 0;
}

bool TruthAt(const Json& json, const char* path) {
  const Json& value = At(json, path);
  return value.is_boolean() && value.get<bool>();
}

const Json& ItemsAt(const Json& json, const char* path) {
  static const Json empty_list = Json::array();
  const Json& value = At(json, path);
  return value.is_structured() ? value : empty_list;
}

}  // namespace vsplit
