// SPDX-License-Identifier: Apache-2.0
// Any objects: what properties.h says holds of them. Seeds: tests/oracle/generate.py --lists.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "properties.h"
#include "vsplit/outcome.h"
#include "vsplit/parse.h"
#include "vsplit/store.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t limit);

namespace {

using Json = nlohmann::json;

// ---- mutation: objects stay objects most of the time -------------------------------------------

void Collect(Json& json, std::vector<Json*>& values) {
  for (Json& value : json) {
    values.push_back(&value);
    if (value.is_structured()) {
      Collect(value, values);
    }
  }
}

template <class Random>
void Mutate(Json& objects, Random& random) {
  std::vector<Json*> values;
  Collect(objects, values);
  if (values.empty()) {
    return;
  }
  const auto any = [&]() -> Json& { return *values[random() % values.size()]; };
  Json& victim = any();
  switch (random() % 5) {
    case 0:  // a value from elsewhere
      victim = Json(any());
      break;
    case 1:  // a scalar from elsewhere
      if (const Json& other = any(); other.is_primitive() && victim.is_primitive()) {
        victim = Json(other);
      }
      break;
    case 2:  // one element or field less
      if (victim.is_array() && !victim.empty()) {
        victim.erase(random() % victim.size());
      } else if (victim.is_object() && !victim.empty()) {
        victim.erase(std::next(victim.begin(), static_cast<int>(random() % victim.size())));
      }
      break;
    case 3:  // one element twice
      if (victim.is_array() && !victim.empty()) {
        victim.push_back(Json(victim[random() % victim.size()]));
      }
      break;
    default:  // another number
      if (victim.is_number()) {
        victim = random() % 2 == 0 ? random() % 4 : random();
      }
  }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* bytes, std::size_t size,
                                               std::size_t limit, unsigned seed) {
  std::minstd_rand random(seed);
  Json objects = Json::parse(bytes, bytes + size, nullptr, false);
  if (!objects.is_structured() || random() % 16 == 0) {
    return LLVMFuzzerMutate(bytes, size, limit);
  }
  Mutate(objects, random);
  const std::string text = objects.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > limit) {
    return size;
  }
  std::memcpy(bytes, text.data(), text.size());
  return text.size();
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  vsplit::Store store = vsplit::StoreOf(vsplit::Parse(text).objects);
  const std::string wrong = vsplit::WhatDoesNotHold(store, size);
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    std::abort();
  }
  return 0;
}
