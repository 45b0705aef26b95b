// SPDX-License-Identifier: Apache-2.0
// sock_diag(7): the TCP sockets of the present network namespace.
#pragma once

#include <linux/inet_diag.h>

#include <chrono>
#include <cstdint>
#include <functional>

#include "netns.h"
#include "vsplit/result.h"

namespace vsplit {

struct TcpSocket {
  std::uint64_t cookie = 0;
  std::chrono::milliseconds idle{};  // since the last byte either way, or since it was made
  std::uint8_t family = 0;
  inet_diag_sockid id{};
};

class SocketDiag {
 public:
  static Result<SocketDiag> Open();

  // Calls `visit` for each socket that is connected.
  Result<void> List(const std::function<void(const TcpSocket&)>& visit) const;
  // False: it is gone already.
  Result<bool> Destroy(const TcpSocket& socket) const;

 private:
  explicit SocketDiag(Descriptor socket) : socket_(std::move(socket)) {}
  Result<void> ListFamily(std::uint8_t family,
                          const std::function<void(const TcpSocket&)>& visit) const;
  Descriptor socket_;
};

}  // namespace vsplit
