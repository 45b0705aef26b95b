// SPDX-License-Identifier: Apache-2.0
// Addresses as the kernel tables hold them.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vsplit {

// A fully qualified host name in lower case, without a trailing dot.
using HostName = std::string;

// "*", "*.x", "*-x": a host that stands for all whose name ends so, at any depth. As in Istio
// (pkg/config/host/name.go), a test on the text alone.
bool IsWildcard(std::string_view host);
// Whether a host, possibly a wildcard, covers a full name or a wildcard that is no wider: SubsetOf
// of Istio's host.Name.
bool HostCovers(std::string_view pattern, std::string_view host);
// Whether one of them covers the other: Matches of Istio's host.Name.
bool HostsOverlap(std::string_view one, std::string_view other);

// IPv4 and IPv6 alike: 16 bytes in network order, IPv4 as ::ffff:a.b.c.d. Orders IPv4 by value.
struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};

  bool is_v4() const;
  auto operator<=>(const IpAddress&) const = default;
};

// Strict: dotted quads and RFC 4291 text, no zone, no port. "::ffff:1.2.3.4" is IPv4.
std::optional<IpAddress> ParseIpAddress(std::string_view text);
std::string ToString(const IpAddress& address);  // "10.96.0.7", "fd00::7"

// All addresses that begin with the same bits. The bits after them are 0.
struct IpPrefix {
  IpAddress address;
  std::uint8_t bits = 128;  // of the 16 bytes: 96 + n for an IPv4 prefix of n bits

  bool Contains(const IpAddress& other) const;
  bool Contains(const IpPrefix& other) const;  // all of its addresses
  auto operator<=>(const IpPrefix&) const = default;
};

// "10.0.0.0/8", "fd00::/8", or an address alone. Bits after the prefix are cut off.
std::optional<IpPrefix> ParseIpPrefix(std::string_view text);
std::string ToString(const IpPrefix& prefix);  // "10.0.0.0/8"; an address alone without its length

struct SocketAddress {
  IpAddress ip;
  std::uint16_t port = 0;

  auto operator<=>(const SocketAddress&) const = default;
};

std::optional<SocketAddress> ParseSocketAddress(std::string_view text);
std::string ToString(const SocketAddress& address);  // "10.96.0.7:80", "[fd00::7]:80"

}  // namespace vsplit
