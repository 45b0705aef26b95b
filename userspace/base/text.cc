// SPDX-License-Identifier: Apache-2.0
#include "vsplit/text.h"

#include <fmt/core.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

namespace vsplit {

std::string UrlEncode(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("-._~").find(c) != std::string_view::npos;
    encoded += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return encoded;
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return lower;
}

std::optional<std::chrono::sys_seconds> ReadTime(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  constexpr int kParts = 6;
  // NOLINTNEXTLINE(cert-err34-c): checked by the count, and by the date
  if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d", &year, &month, &day, &hour, &minute,
                  &second) != kParts) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

std::string Age(std::chrono::seconds age) {
  const std::int64_t seconds = std::max<std::int64_t>(age.count(), 0);
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  constexpr std::int64_t kYear = 365 * kDay;
  // Two units up to here, one beyond.
  constexpr std::int64_t kExactMinutes = 10 * kMinute;
  constexpr std::int64_t kExactHours = 8 * kHour;
  constexpr std::int64_t kExactDays = 8 * kDay;
  constexpr std::int64_t kExactYears = 8 * kYear;
  const auto two = [seconds](std::int64_t large, char large_name, std::int64_t small,
                             char small_name) {
    const std::int64_t rest = seconds % large / small;
    return rest == 0 ? fmt::format("{}{}", seconds / large, large_name)
                     : fmt::format("{}{}{}{}", seconds / large, large_name, rest, small_name);
  };
  if (seconds < 2 * kMinute) {
    return fmt::format("{}s", seconds);
  }
  if (seconds < kExactMinutes) {
    return two(kMinute, 'm', 1, 's');
  }
  if (seconds < 3 * kHour) {
    return fmt::format("{}m", seconds / kMinute);
  }
  if (seconds < kExactHours) {
    return two(kHour, 'h', kMinute, 'm');
  }
  if (seconds < 2 * kDay) {
    return fmt::format("{}h", seconds / kHour);
  }
  if (seconds < kExactDays) {
    return two(kDay, 'd', kHour, 'h');
  }
  if (seconds < 2 * kYear) {
    return fmt::format("{}d", seconds / kDay);
  }
  return seconds < kExactYears ? two(kYear, 'y', kDay, 'd') : fmt::format("{}y", seconds / kYear);
}

}  // namespace vsplit
