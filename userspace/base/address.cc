// SPDX-License-Identifier: Apache-2.0
#include "vsplit/address.h"

#include <arpa/inet.h>
#include <fmt/core.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace vsplit {
namespace {

constexpr std::array<std::uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

constexpr std::uint8_t kAddressBits = 128;
constexpr std::uint8_t kV4PrefixBits = 96;

std::optional<std::uint16_t> ParseNumber(std::string_view text) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

IpAddress FirstBitsOf(const IpAddress& address, std::uint8_t bits) {
  constexpr unsigned kByteBits = 8;
  IpAddress first;
  for (std::size_t byte = 0; byte < address.bytes.size(); ++byte) {
    const unsigned before = static_cast<unsigned>(byte) * kByteBits;
    const unsigned kept = bits <= before ? 0 : std::min(bits - before, kByteBits);
    const unsigned mask = 0xFF00u >> kept;
    first.bytes[byte] = static_cast<std::uint8_t>(address.bytes[byte] & mask & 0xFFu);
  }
  return first;
}

}  // namespace

bool IpAddress::is_v4() const {
  return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes.begin());
}

std::optional<IpAddress> ParseIpAddress(std::string_view text) {
  if (text.find('\0') != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string terminated(text);
  IpAddress address;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) {
    return address;
  }
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), address.bytes.begin());
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + kV4Prefix.size()) == 1) {
    return address;
  }
  return std::nullopt;
}

std::string ToString(const IpAddress& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = address.is_v4();
  const std::size_t skip = v4 ? kV4Prefix.size() : 0;
  inet_ntop(v4 ? AF_INET : AF_INET6, address.bytes.data() + skip, text.data(), text.size());
  return text.data();
}

bool IpPrefix::Contains(const IpAddress& other) const {
  return FirstBitsOf(other, bits) == address;
}

bool IpPrefix::Contains(const IpPrefix& other) const {
  return bits <= other.bits && Contains(other.address);
}

std::optional<IpPrefix> ParseIpPrefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view host = text.substr(0, slash);
  const std::optional<IpAddress> address = ParseIpAddress(host);
  if (!address) {
    return std::nullopt;
  }
  if (slash == std::string_view::npos) {
    return IpPrefix{*address};
  }
  const std::string_view length = text.substr(slash + 1);
  const std::optional<std::uint16_t> number = ParseNumber(length);
  const bool v4 = host.find(':') == std::string_view::npos;
  const unsigned skipped = v4 ? kV4PrefixBits : 0;
  const bool leading_zero = length.size() > 1 && length.front() == '0';
  if (!number || leading_zero || *number > kAddressBits - skipped) {
    return std::nullopt;
  }
  const auto bits = static_cast<std::uint8_t>(*number + skipped);
  return IpPrefix{FirstBitsOf(*address, bits), bits};
}

std::string ToString(const IpPrefix& prefix) {
  const bool v4 = prefix.address.is_v4() && prefix.bits >= kV4PrefixBits;
  return prefix.bits == kAddressBits ? ToString(prefix.address)
                                     : fmt::format("{}/{}", ToString(prefix.address),
                                                   prefix.bits - (v4 ? kV4PrefixBits : 0));
}

std::optional<SocketAddress> ParseSocketAddress(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) {
    host = host.substr(1, host.size() - 2);
  }
  const std::optional<IpAddress> ip = ParseIpAddress(host);
  const std::optional<std::uint16_t> port = ParseNumber(text.substr(colon + 1));
  if (!ip || !port || *port == 0 || bracketed != (host.find(':') != std::string_view::npos)) {
    return std::nullopt;
  }
  return SocketAddress{*ip, *port};
}

std::string ToString(const SocketAddress& address) {
  const std::string ip = ToString(address.ip);
  return address.ip.is_v4() ? fmt::format("{}:{}", ip, address.port)
                            : fmt::format("[{}]:{}", ip, address.port);
}

bool IsWildcard(std::string_view host) {
  return host.starts_with('*');
}

bool HostCovers(std::string_view pattern, std::string_view host) {
  if (!IsWildcard(pattern)) {
    return pattern == host;
  }
  if (IsWildcard(host)) {
    host.remove_prefix(1);
  }
  return host.ends_with(pattern.substr(1));
}

bool HostsOverlap(std::string_view one, std::string_view other) {
  return HostCovers(one, other) || HostCovers(other, one);
}

}  // namespace vsplit
