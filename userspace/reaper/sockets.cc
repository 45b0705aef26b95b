// SPDX-License-Identifier: Apache-2.0
#include "sockets.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <netinet/in.h>  // NOLINT(misc-include-cleaner): IPPROTO_TCP
#include <sys/socket.h>
#include <sys/types.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <tl/expected.hpp>
#include <utility>

#include "netns.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kBuffer = 64u << 10;
constexpr std::uint32_t StateBit(int state) {
  return 1u << static_cast<unsigned>(state);
}
// Those in which a connection is open for the application (linux/tcp_states.h).
constexpr std::uint32_t kConnected = StateBit(1) /* ESTABLISHED */ | StateBit(4) /* FIN_WAIT1 */ |
                                     StateBit(5) /* FIN_WAIT2 */ | StateBit(8) /* CLOSE_WAIT */;

struct Request {
  nlmsghdr header{};
  inet_diag_req_v2 body{};
};

Result<void> Send(const Descriptor& socket, const Request& request) {
  if (::send(socket.get(), &request, sizeof(request), 0) != sizeof(request)) {
    return FailErrno("ask for sockets");
  }
  return {};
}

TcpSocket SocketOf(const nlmsghdr& header, const inet_diag_msg& message) {
  TcpSocket socket{.family = message.idiag_family, .id = message.id};
  socket.cookie =
      static_cast<std::uint64_t>(message.id.idiag_cookie[1]) << 32 | message.id.idiag_cookie[0];
  auto left = static_cast<int>(header.nlmsg_len - NLMSG_LENGTH(sizeof(message)));
  for (const auto* attribute = reinterpret_cast<const rtattr*>(&message + 1);
       RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == INET_DIAG_INFO) {
      tcp_info info{};  // an older kernel gives less of it
      std::memcpy(&info, RTA_DATA(attribute), std::min(sizeof(info), RTA_PAYLOAD(attribute)));
      socket.idle =
          std::chrono::milliseconds(std::min(info.tcpi_last_data_sent, info.tcpi_last_data_recv));
    }
  }
  return socket;
}

// The number of an error or acknowledgement; 0 for success.
int ErrorOf(const nlmsghdr& header) {
  return -reinterpret_cast<const nlmsgerr*>(NLMSG_DATA(&header))->error;
}

// The kernel loads what answers when it is first asked.
tl::unexpected<Error> FailList(int error) {
  return error == ENOENT
             ? Fail("list sockets: the kernel has no tcp_diag, and could not load the module")
             : FailErrno("list sockets", error);
}

}  // namespace

Result<SocketDiag> SocketDiag::Open() {
  Descriptor socket(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (socket.get() < 0) {
    return FailErrno("open a sock_diag socket");
  }
  return SocketDiag(std::move(socket));
}

Result<void> SocketDiag::List(const std::function<void(const TcpSocket&)>& visit) const {
  for (const int family : {AF_INET, AF_INET6}) {
    if (Result<void> listed = ListFamily(static_cast<std::uint8_t>(family), visit); !listed) {
      return listed;
    }
  }
  return {};
}

Result<void> SocketDiag::ListFamily(std::uint8_t family,
                                    const std::function<void(const TcpSocket&)>& visit) const {
  const Request request{.header = {.nlmsg_len = sizeof(Request),
                                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
                        .body = {.sdiag_family = family,
                                 .sdiag_protocol = IPPROTO_TCP,
                                 .idiag_ext = 1u << (INET_DIAG_INFO - 1),
                                 .idiag_states = kConnected}};
  if (Result<void> sent = Send(socket_, request); !sent) {
    return sent;
  }
  alignas(nlmsghdr) std::array<char, kBuffer> buffer{};
  while (true) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) {
      continue;
    }
    if (size < 0) {
      return FailErrno("list sockets");
    }
    auto left = static_cast<std::uint32_t>(size);
    for (const auto* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
         NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE) {
        return {};
      }
      if (header->nlmsg_type == NLMSG_ERROR) {
        return FailList(ErrorOf(*header));
      }
      visit(SocketOf(*header, *reinterpret_cast<const inet_diag_msg*>(NLMSG_DATA(header))));
    }
  }
}

Result<bool> SocketDiag::Destroy(const TcpSocket& socket) const {
  const Request request{
      .header = {.nlmsg_len = sizeof(Request),
                 .nlmsg_type = SOCK_DESTROY,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      .body = {.sdiag_family = socket.family, .sdiag_protocol = IPPROTO_TCP, .id = socket.id}};
  if (Result<void> sent = Send(socket_, request); !sent) {
    return tl::unexpected<Error>(sent.error());
  }
  alignas(nlmsghdr) std::array<char, kBuffer> buffer{};
  ssize_t size = -1;
  do {
    size = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  } while (size < 0 && errno == EINTR);
  if (size < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(nlmsgerr)))) {
    return FailErrno("end a connection");
  }
  const int error = ErrorOf(*reinterpret_cast<const nlmsghdr*>(buffer.data()));
  if (error == 0 || error == ENOENT) {
    return error == 0;
  }
  if (error == EOPNOTSUPP) {
    return Fail("end a connection: the kernel is built without CONFIG_INET_DIAG_DESTROY");
  }
  return FailErrno("end a connection (CAP_NET_ADMIN)", error);
}

}  // namespace vsplit
