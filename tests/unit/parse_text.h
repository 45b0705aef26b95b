// SPDX-License-Identifier: Apache-2.0
// What the tests of `parse` share: text in, problems as text out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {

// All problems, one a line.
inline std::string Problems(std::string_view text, const ParseOptions& options = {}) {
  std::string lines;
  for (const Diagnostic& diagnostic : Parse(text, options).diagnostics) {
    lines += ToString(diagnostic) + "\n";
  }
  return lines;
}

inline std::string Problems(std::string_view text, const ParseLimits& limits) {
  ParseOptions options;
  options.limits = limits;
  return Problems(text, options);
}

// The only object of a text without problems.
inline Object OneObject(std::string_view text) {
  ParseResult result = Parse(text);
  for (const Diagnostic& diagnostic : result.diagnostics) {
    ADD_FAILURE() << ToString(diagnostic);
  }
  EXPECT_EQ(result.objects.size(), 1u);
  return result.objects.empty() ? Object{} : std::move(result.objects.front());
}

template <class T>
T OneSpec(std::string_view text) {
  const Object object = OneObject(text);
  const T* spec = object.spec.Find<T>();
  EXPECT_NE(spec, nullptr);
  return spec == nullptr ? T{} : *spec;
}

// A VirtualService with this below `spec:`, which is line 4.
inline std::string VirtualServiceWith(std::string_view spec) {
  return "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec:\n" +
         std::string(spec);
}

inline std::string DestinationRuleWith(std::string_view spec) {
  return "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\nspec:\n" +
         std::string(spec);
}

inline std::string ServiceWith(std::string_view spec) {
  return "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n" + std::string(spec);
}

}  // namespace vsplit
