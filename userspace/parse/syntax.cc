// SPDX-License-Identifier: Apache-2.0
#include "syntax.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace vsplit::parse {

namespace {

constexpr std::size_t kLabelSize = 63;
constexpr std::size_t kSubdomainSize = 253;
constexpr std::size_t kFqdnSize = 255;
constexpr std::size_t kPortNameSize = 15;

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}
bool IsLower(char c) {
  return c >= 'a' && c <= 'z';
}
bool IsAlphanumeric(char c) {
  return IsDigit(c) || IsLower(c) || (c >= 'A' && c <= 'Z');
}

// What stands before the next separator, which is removed with it.
std::string_view TakePart(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

// The labels of a host name; with `wildcard` the first one may be "*", "*x" or "*-x".
bool IsDomain(std::string_view text, bool wildcard) {
  if (text.empty() || text.size() > kFqdnSize) {
    return false;
  }
  if (text.ends_with('.')) {
    text.remove_suffix(1);
  }
  const bool whole_dots = !text.empty() && !text.ends_with('.');
  std::string_view last;
  const bool single = wildcard && text.find('.') == std::string_view::npos;  // may be a number
  for (bool first = true; !text.empty(); first = false) {
    last = TakePart(text, '.');
    std::string_view label = last;
    if (first && wildcard && label.starts_with('*')) {
      label.remove_prefix(label.starts_with("*-") ? 2 : 1);
      if (label.empty()) {
        continue;
      }
    }
    if (!IsHostLabel(label)) {
      return false;
    }
  }
  return whole_dots && (single || !std::ranges::all_of(last, IsDigit));
}

// Letters to insert, remove or change to make one text the other.
std::size_t Distance(std::string_view from, std::string_view to) {
  std::vector<std::size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < to.size(); ++j) {
      const std::size_t change = diagonal + (from[i] == to[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, diagonal + 1, change});
    }
  }
  return row.back();
}

}  // namespace

bool IsDnsLabel(std::string_view text) {
  const auto edge = [](char c) { return IsLower(c) || IsDigit(c); };
  return !text.empty() && text.size() <= kLabelSize && edge(text.front()) && edge(text.back()) &&
         std::ranges::all_of(text, [&edge](char c) { return edge(c) || c == '-'; });
}

bool IsServiceName(std::string_view text) {
  return IsDnsLabel(text) && IsLower(text.front());
}

bool IsDnsSubdomain(std::string_view text) {
  if (text.empty() || text.size() > kSubdomainSize || text.ends_with('.')) {
    return false;
  }
  while (!text.empty()) {
    if (!IsDnsLabel(TakePart(text, '.'))) {
      return false;
    }
  }
  return true;
}

bool IsHostLabel(std::string_view text) {
  return !text.empty() && text.size() <= kLabelSize && IsAlphanumeric(text.front()) &&
         IsAlphanumeric(text.back()) &&
         std::ranges::all_of(text, [](char c) { return IsAlphanumeric(c) || c == '-'; });
}

bool IsPortName(std::string_view text) {
  return IsDnsLabel(text) && text.size() <= kPortNameSize && std::ranges::any_of(text, IsLower) &&
         text.find("--") == std::string_view::npos;
}

bool IsWildcardDomain(std::string_view text) {
  return IsDomain(text, true);
}

bool IsFqdn(std::string_view text) {
  return IsDomain(text, false);
}

bool IsLabelText(std::string_view text) {
  return text.empty() || (IsAlphanumeric(text.front()) && IsAlphanumeric(text.back()) &&
                          std::ranges::all_of(text, [](char c) {
                            return IsAlphanumeric(c) || c == '-' || c == '_' || c == '.';
                          }));
}

bool IsLabelValue(std::string_view text) {
  return text.size() <= kLabelSize && IsLabelText(text);
}

bool IsLabelKey(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    if (!IsDnsSubdomain(text.substr(0, slash))) {
      return false;
    }
    text.remove_prefix(slash + 1);
  }
  return !text.empty() && IsLabelValue(text);
}

bool IsHostLabelKey(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    std::string_view prefix = text.substr(0, slash);
    if (prefix.empty() || prefix.size() > kSubdomainSize || prefix.ends_with('.')) {
      return false;
    }
    while (!prefix.empty()) {
      if (!IsHostLabel(TakePart(prefix, '.'))) {
        return false;
      }
    }
    text.remove_prefix(slash + 1);
  }
  return !text.empty() && IsLabelValue(text);
}

std::optional<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  struct Unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr std::array<Unit, 7> kUnits = {{{"ns", 1},
                                           {"us", 1e3},
                                           {"\xC2\xB5s", 1e3},
                                           {"ms", 1e6},
                                           {"s", 1e9},
                                           {"m", 6e10},
                                           {"h", 3.6e12}}};
  constexpr double kLongest = 9.2e18;  // ns, as in Go
  const bool negative = text.starts_with('-');
  if (negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  if (text == "0") {
    return std::chrono::nanoseconds(0);
  }
  double total = 0;
  bool any = false;
  while (!text.empty()) {
    if (!IsDigit(text.front()) && text.front() != '.') {
      return std::nullopt;
    }
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc()) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t letters = std::min(text.find_first_of("0123456789."), text.size());
    const auto* const unit = std::ranges::find(kUnits, text.substr(0, letters), &Unit::name);
    if (unit == kUnits.end()) {
      return std::nullopt;
    }
    text.remove_prefix(letters);
    total += std::round(number * unit->nanoseconds);
    any = true;
  }
  if (!any || total > kLongest) {
    return std::nullopt;
  }
  return std::chrono::nanoseconds(static_cast<std::int64_t>(negative ? -total : total));
}

std::string_view Nearest(std::string_view text, const std::vector<std::string_view>& candidates) {
  constexpr std::size_t kLongestName = 64;  // keeps the price of a hint small
  std::string_view nearest;
  std::size_t least = std::max<std::size_t>(1, text.size() / 3) + 1;
  if (text.size() > kLongestName) {
    return {};
  }
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = Distance(text, candidate);
    if (distance < least && distance < candidate.size()) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

}  // namespace vsplit::parse
