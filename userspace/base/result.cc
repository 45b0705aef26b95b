// SPDX-License-Identifier: Apache-2.0
#include "vsplit/result.h"

#include <fmt/core.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <vector>

namespace vsplit {

tl::unexpected<Error> FailErrno(std::string_view context) {
  return FailErrno(context, errno);
}

tl::unexpected<Error> FailErrno(std::string_view context, int error) {
  const std::error_code code(error < 0 ? -error : error, std::generic_category());
  return Fail(fmt::format("{}: {}", context, code.message()));
}

void Check(bool holds, std::string_view promise) {
  if (!holds) {
    fmt::print(stderr, "vsplit: broken promise: {}\n", promise);
    std::abort();
  }
}

std::string ToString(const Diagnostic& diagnostic) {
  std::string text;
  if (diagnostic.line > 0) {
    text += diagnostic.source.empty() ? "line " : diagnostic.source + ":";
    text += fmt::format("{}:{}: ", diagnostic.line, diagnostic.column);
  } else if (!diagnostic.source.empty()) {
    text += diagnostic.source + ": ";
  }
  if (diagnostic.severity == Diagnostic::Severity::kWarning) {
    text += "warning: ";
  }
  if (!diagnostic.object.empty()) {
    text += diagnostic.object + ": ";
  }
  if (!diagnostic.path.empty()) {
    text += diagnostic.path + ": ";
  }
  return text + diagnostic.message;
}

std::vector<std::string> WarningsOf(const Diagnostics& diagnostics) {
  std::vector<std::string> texts;
  for (Diagnostic diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kWarning) {
      diagnostic.severity = Diagnostic::Severity::kError;  // which ToString() leaves unsaid
      texts.push_back(ToString(diagnostic));
    }
  }
  return texts;
}

bool HasErrors(const Diagnostics& diagnostics) {
  return std::ranges::any_of(diagnostics, [](const Diagnostic& diagnostic) {
    return diagnostic.severity == Diagnostic::Severity::kError;
  });
}

}  // namespace vsplit
