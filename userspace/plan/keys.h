// SPDX-License-Identifier: Apache-2.0
// Keys and values of the tables <-> values of the image.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {

// NOLINTNEXTLINE(modernize-avoid-c-arrays): a field of the tables
inline SocketAddress AddressOf(const __u8 (&address)[16], __u16 port) {
  SocketAddress result;
  std::ranges::copy(address, result.ip.bytes.begin());
  result.port = port;
  return result;
}

// NOLINTNEXTLINE(modernize-avoid-c-arrays): a field of the tables
inline void CopyAddress(const SocketAddress& from, __u8 (&address)[16], __u16& port) {
  std::ranges::copy(from.ip.bytes, address);
  port = from.port;
}

inline Frontend FrontendOf(const frontend_value& value) {
  return {.address = AddressOf(value.address, value.port), .prefix = value.prefix};
}

// Where the search for a frontend begins.
inline std::uint32_t PlaceOf(const Frontend& frontend, std::uint32_t mask) {
  std::array<std::uint64_t, 2> halves{};
  std::memcpy(halves.data(), frontend.address.ip.bytes.data(), sizeof(halves));
  return frontend_place(halves[0], halves[1], frontend.address.port, mask);
}

}  // namespace vsplit
