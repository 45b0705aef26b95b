// SPDX-License-Identifier: Apache-2.0
// Addresses of the tables <-> addresses of the image.
#pragma once

#include <algorithm>

#include "vsplit/address.h"
#include "vsplit/schema.h"

namespace vsplit {

inline SocketAddress AddressOf(const __u8 (&address)[16], __u16 port) {
  SocketAddress result;
  std::ranges::copy(address, result.ip.bytes.begin());
  result.port = port;
  return result;
}

inline void CopyAddress(const SocketAddress& from, __u8 (&address)[16], __u16& port) {
  std::ranges::copy(from.ip.bytes, address);
  port = from.port;
}

}  // namespace vsplit
