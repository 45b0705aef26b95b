// SPDX-License-Identifier: Apache-2.0
// Plain text tables and the units people read, as kubectl prints them.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vsplit {

using Row = std::vector<std::string>;

// Columns as wide as their widest cell, three blanks between them, no trailing blanks.
class Table {
 public:
  explicit Table(Row header) { Add(std::move(header)); }
  void Add(Row row) { rows_.push_back(std::move(row)); }
  // Every line with `indent` blanks in front.
  std::string Text(std::size_t indent = 0) const;

 private:
  std::vector<Row> rows_;
};

// Characters, not bytes, of UTF-8 text.
std::size_t Width(std::string_view text);

// "90.0 %"; "-" for nothing out of nothing.
std::string Percent(double part, double whole);
std::string Bytes(double bytes);  // "0 B", "1.5 KiB"

// Of a creationTimestamp (RFC 3339, UTC); "<unknown>" for any other text.
std::string AgeOf(const std::string& timestamp, std::chrono::system_clock::time_point now);

}  // namespace vsplit
