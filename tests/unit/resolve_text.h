// SPDX-License-Identifier: Apache-2.0
// Stores out of YAML text, for the tests of resolve.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

inline std::vector<Object> ObjectsOf(std::string_view yaml) {
  ParseResult parsed = Parse(yaml, {.format = TextFormat::kYaml});
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      ADD_FAILURE() << ToString(diagnostic);
    }
  }
  return std::move(parsed.objects);
}

// All of the same age.
inline Store StoreOf(std::string_view yaml) {
  Store store;
  store.Load(ObjectsOf(yaml), 1);
  return store;
}

}  // namespace vsplit
