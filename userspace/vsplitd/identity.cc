// SPDX-License-Identifier: Apache-2.0
#include "identity.h"

#include <fmt/chrono.h>
#include <fmt/core.h>
#include <sys/random.h>
#include <sys/types.h>

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kUidBytes = 16;

std::string UidOf(std::span<std::uint8_t> bytes) {
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);  // version 4
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);  // variant of RFC 9562
  std::string uid;
  for (std::size_t i = 0; i < kUidBytes; ++i) {
    uid += fmt::format("{}{:02x}", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", bytes[i]);
  }
  return uid;
}

Result<std::vector<std::uint8_t>> RandomBytes(std::size_t count) {
  std::vector<std::uint8_t> bytes(count);
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got < 0 && errno != EINTR) {
      return FailErrno("read random numbers");
    }
    filled += got < 0 ? 0 : static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace

Result<std::string> RandomSuffix() {
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  constexpr std::size_t kLetters = 5;
  const Result<std::vector<std::uint8_t>> random = RandomBytes(kLetters);
  if (!random) {
    return tl::unexpected<Error>(random.error());
  }
  std::string suffix;
  for (const std::uint8_t byte : *random) {
    suffix += kAlphabet[byte % kAlphabet.size()];
  }
  return suffix;
}

Result<std::vector<std::string>> RandomUids(std::size_t count) {
  Result<std::vector<std::uint8_t>> random = RandomBytes(count * kUidBytes);
  if (!random) {
    return tl::unexpected<Error>(random.error());
  }
  std::vector<std::uint8_t>& bytes = *random;
  std::vector<std::string> uids;
  uids.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    uids.push_back(UidOf(std::span(bytes).subspan(i * kUidBytes, kUidBytes)));
  }
  return uids;
}

std::string Now() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
}

std::string NowInMicroseconds() {
  const auto now = std::chrono::system_clock::now();
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(second)),
                     std::chrono::duration_cast<std::chrono::microseconds>(now - second).count());
}

}  // namespace vsplit
