// SPDX-License-Identifier: Apache-2.0
// What an unquoted YAML scalar means to kubectl: the rules of sigs.k8s.io/yaml/goyaml.v2 resolve.go
// (YAML 1.1 with the numbers of Go).
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "document.h"

namespace vsplit::parse {

namespace {

constexpr std::array<std::string_view, 11> kTrue = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                                    "True", "TRUE", "on",  "On",  "ON"};
constexpr std::array<std::string_view, 11> kFalse = {"n",     "N",     "no",  "No",  "NO", "false",
                                                     "False", "FALSE", "off", "Off", "OFF"};
constexpr std::array<std::string_view, 4> kNull = {"~", "null", "Null", "NULL"};
constexpr std::array<std::string_view, 12> kNoNumber = {".nan",  ".NaN",  ".NAN",  ".inf",
                                                        ".Inf",  ".INF",  "+.inf", "+.Inf",
                                                        "+.INF", "-.inf", "-.Inf", "-.INF"};

bool IsDigit(char character) {
  return character >= '0' && character <= '9';
}

// The base of a number with Go's prefixes, which are removed.
int TakeBase(std::string_view& digits) {
  if (digits.size() < 2 || digits[0] != '0') {
    return 10;
  }
  const char mark = digits[1];
  if (mark == 'x' || mark == 'X') {
    digits.remove_prefix(2);
    return 16;
  }
  if (mark == 'b' || mark == 'B') {
    digits.remove_prefix(2);
    return 2;
  }
  if (mark == 'o' || mark == 'O') {
    digits.remove_prefix(2);
    return 8;
  }
  digits.remove_prefix(1);
  return 8;
}

std::optional<std::string> ReadWholeNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  const int base = TakeBase(text);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  constexpr std::uint64_t kLowest = std::uint64_t{1} << 63u;
  if (negative && value > kLowest) {
    return std::nullopt;
  }
  return fmt::format("{}{}", negative && value != 0 ? "-" : "", value);
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool IsFloat(std::string_view text) {
  std::size_t at = 0;
  const auto digits = [&text, &at] {
    const std::size_t from = at;
    while (at < text.size() && IsDigit(text[at])) {
      ++at;
    }
    return at - from;
  };
  const auto take = [&text, &at](std::string_view any) {
    const bool there = at < text.size() && any.find(text[at]) != std::string_view::npos;
    at += there ? 1 : 0;
    return there;
  };
  take("+-");
  const std::size_t before = digits();
  const std::size_t after = take(".") ? digits() : 0;
  if (before + after == 0) {
    return false;
  }
  if (take("eE")) {
    take("+-");
    if (digits() == 0) {
      return false;
    }
  }
  return at == text.size();
}

Scalar ReadFloat(std::string_view text) {
  if (text.starts_with('+')) {
    text.remove_prefix(1);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) {
    return {.kind = Node::Kind::kFloat, .text = ""};
  }
  std::array<char, 64> buffer{};
  const auto written = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {.kind = Node::Kind::kFloat, .text = std::string(buffer.data(), written.ptr)};
}

Scalar ReadNumber(std::string_view written) {
  std::string plain;
  std::ranges::copy_if(written, std::back_inserter(plain),
                       [](char character) { return character != '_'; });
  if (auto whole = ReadWholeNumber(plain)) {
    return {.kind = Node::Kind::kInteger, .text = std::move(*whole)};
  }
  if (IsFloat(plain)) {
    return ReadFloat(plain);
  }
  return {.kind = Node::Kind::kString, .text = std::string(written)};
}

}  // namespace

Scalar ResolvePlainScalar(std::string_view written) {
  if (written.empty()) {
    return {.kind = Node::Kind::kNull, .text = "null"};
  }
  const char front = written.front();
  if (IsDigit(front) || front == '+' || front == '-' || front == '.') {
    if (std::ranges::find(kNoNumber, written) != kNoNumber.end()) {
      return {.kind = Node::Kind::kFloat, .text = ""};
    }
    return ReadNumber(written);
  }
  if (std::string_view("yYnNtTfFoO~").find(front) == std::string_view::npos) {
    return {.kind = Node::Kind::kString, .text = std::string(written)};
  }
  if (std::ranges::find(kTrue, written) != kTrue.end()) {
    return {.kind = Node::Kind::kBool, .text = "true"};
  }
  if (std::ranges::find(kFalse, written) != kFalse.end()) {
    return {.kind = Node::Kind::kBool, .text = "false"};
  }
  if (std::ranges::find(kNull, written) != kNull.end()) {
    return {.kind = Node::Kind::kNull, .text = "null"};
  }
  return {.kind = Node::Kind::kString, .text = std::string(written)};
}

}  // namespace vsplit::parse
