// SPDX-License-Identifier: Apache-2.0
#include "log.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>

namespace vsplit {
namespace {

bool IsPlain(char c) {
  return c > ' ' && c != '"' && c != '\\' && c != '=' && c != '\x7f';
}

std::string Value(std::string_view value) {
  if (!value.empty() && std::ranges::all_of(value, IsPlain)) {
    return std::string(value);
  }
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '\n') {
      quoted += "\\n";
    } else if (c == '"' || c == '\\') {
      quoted += {'\\', c};
    } else {
      quoted += static_cast<unsigned char>(c) < ' ' || c == '\x7f' ? ' ' : c;
    }
  }
  return quoted + '"';
}

}  // namespace

std::string LogLine(Priority priority, std::string_view event, LogFields fields) {
  std::string line = fmt::format("<{}>event={}", static_cast<int>(priority), Value(event));
  for (const auto& [key, value] : fields) {
    line += fmt::format(" {}={}", key, Value(value));
  }
  return line;
}

void Log(Priority priority, std::string_view event, LogFields fields) {
  const std::string line = LogLine(priority, event, fields) + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
}

}  // namespace vsplit
