// SPDX-License-Identifier: Apache-2.0
#include "exposition.h"

#include <fmt/core.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace vsplit {
namespace {

std::string Escape(std::string_view value) {
  std::string escaped;
  for (const char c : value) {
    if (c == '\n') {
      escaped += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') {
      escaped += '\\';
    }
    escaped += c;
  }
  return escaped;
}

}  // namespace

void Exposition::Family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::Begin(std::string_view suffix, const MetricLabels& labels) {
  text_ += family_;
  text_ += suffix;
  char separator = '{';
  for (const auto& [name, value] : labels) {
    text_ += separator;
    text_ += name;
    text_ += "=\"" + Escape(value) + '"';
    separator = ',';
  }
  text_ += labels.empty() ? " " : "} ";
}

void Exposition::Signed(const MetricLabels& labels, std::int64_t value) {
  Begin("", labels);
  text_ += fmt::format("{}\n", value);
}

void Exposition::Add(std::string_view suffix, const MetricLabels& labels, std::uint64_t value) {
  Begin(suffix, labels);
  text_ += fmt::format("{}\n", value);
}

void Exposition::Add(std::string_view suffix, const MetricLabels& labels, double value) {
  Begin(suffix, labels);
  text_ += fmt::format("{}\n", value);
}

}  // namespace vsplit
