// SPDX-License-Identifier: Apache-2.0
#include "channel.h"

#include <ares.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/descriptor_base.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/names.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::size_t kMappedPrefix = 12;  // bytes of ::ffff:0:0 before an IPv4 address

std::optional<IpAddress> AddressOf(const sockaddr* address) {
  IpAddress ip;
  if (address->sa_family == AF_INET) {
    ip.bytes[kMappedPrefix - 2] = ip.bytes[kMappedPrefix - 1] = 0xff;
    std::memcpy(ip.bytes.data() + kMappedPrefix,
                &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, sizeof(in_addr));
    return ip;
  }
  if (address->sa_family == AF_INET6) {
    std::memcpy(ip.bytes.data(), &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr,
                sizeof(in6_addr));
    return ip;
  }
  return std::nullopt;
}

// The server list of one channel, in c-ares' terms.
std::vector<ares_addr_port_node> ServersOf(const std::vector<SocketAddress>& servers) {
  std::vector<ares_addr_port_node> nodes(servers.size());
  for (std::size_t i = 0; i < servers.size(); ++i) {
    ares_addr_port_node& node = nodes[i];
    node.next = i + 1 < servers.size() ? &nodes[i + 1] : nullptr;
    node.udp_port = node.tcp_port = servers[i].port;
    if (servers[i].ip.is_v4()) {
      node.family = AF_INET;
      std::memcpy(&node.addr.addr4, servers[i].ip.bytes.data() + kMappedPrefix, sizeof(in_addr));
    } else {
      node.family = AF_INET6;
      std::memcpy(&node.addr.addr6, servers[i].ip.bytes.data(), sizeof(in6_addr));
    }
  }
  return nodes;
}

NameReply ReplyOf(int status, const ares_addrinfo* answer) {
  if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
    return {};
  }
  if (status != ARES_SUCCESS || answer == nullptr) {
    return {.failed = true, .trouble = ares_strerror(status)};
  }
  NameReply reply;
  std::optional<int> ttl;
  const auto shorten = [&ttl](int other) { ttl = std::min(ttl.value_or(other), other); };
  for (const ares_addrinfo_cname* alias = answer->cnames; alias != nullptr; alias = alias->next) {
    shorten(alias->ttl);
  }
  for (const ares_addrinfo_node* node = answer->nodes; node != nullptr; node = node->ai_next) {
    shorten(node->ai_ttl);
    if (const std::optional<IpAddress> ip = AddressOf(node->ai_addr)) {
      reply.addresses.push_back(*ip);
    }
  }
  reply.ttl = std::chrono::seconds(ttl.value_or(0));
  return reply;
}

tl::unexpected<Error> FailAres(int status) {
  return Fail(std::string("start resolving names: ") + ares_strerror(status));
}

}  // namespace

struct NameChannel::Question {
  NameChannel* channel;
  std::function<void(NameReply)> done;
};

// A socket of c-ares', which closes it; the descriptor is released before that.
struct NameChannel::Socket {
  Socket(boost::asio::io_context& loop, ares_socket_t fd) : descriptor(loop, fd) {}

  boost::asio::posix::stream_descriptor descriptor;
  bool reading = false, writing = false;             // wanted
  bool waiting_read = false, waiting_write = false;  // the loop waits
};

Result<std::unique_ptr<NameChannel>> NameChannel::Open(boost::asio::io_context& loop,
                                                       const NamesOptions& options) {
  if (const int status = ares_library_init(ARES_LIB_INIT_ALL); status != ARES_SUCCESS) {
    return FailAres(status);
  }
  std::unique_ptr<NameChannel> channel(new NameChannel(loop));
  ares_options ares{};
  ares.flags = ARES_FLAG_NOSEARCH;  // the search list of resolv.conf is this machine's, not a pod's
  ares.timeout = static_cast<int>(options.timeout.count());
  ares.tries = options.tries;
  ares.sock_state_cb = &NameChannel::SocketChanged;
  ares.sock_state_cb_data = channel.get();
  int status = ares_init_options(
      &channel->channel_, &ares,
      ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
  if (status == ARES_SUCCESS && !options.servers.empty()) {
    std::vector<ares_addr_port_node> servers = ServersOf(options.servers);
    status = ares_set_servers_ports(channel->channel_, servers.data());
  }
  if (status != ARES_SUCCESS) {
    return FailAres(status);
  }
  return channel;
}

NameChannel::~NameChannel() {
  closing_ = true;
  if (channel_ != nullptr) {
    ares_destroy(channel_);
  }
  ares_library_cleanup();
}

void NameChannel::Ask(const std::string& name, std::function<void(NameReply)> done) {
  const ares_addrinfo_hints hints{
      .ai_flags = ARES_AI_NOSORT, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
  // NOLINTNEXTLINE(cppcoreguidelines-owning-memory): c-ares holds it until Answered
  auto* question = new Question{.channel = this, .done = std::move(done)};
  ares_getaddrinfo(channel_, name.c_str(), nullptr, &hints, &NameChannel::Answered, question);
  SetTimer();
}

void NameChannel::Answered(void* question, int status, int /*timeouts*/, ares_addrinfo* answer) {
  const std::unique_ptr<Question> asked(static_cast<Question*>(question));
  const NameReply reply = ReplyOf(status, answer);
  ares_freeaddrinfo(answer);
  if (!asked->channel->closing_) {
    asked->done(reply);
  }
}

void NameChannel::SocketChanged(void* self, ares_socket_t fd, int readable, int writable) {
  static_cast<NameChannel*>(self)->Watch(fd, readable != 0, writable != 0);
}

void NameChannel::Watch(ares_socket_t fd, bool readable, bool writable) {
  std::shared_ptr<Socket>& socket = sockets_[fd];
  if (!readable && !writable) {
    if (socket != nullptr) {
      socket->reading = socket->writing = false;
      socket->descriptor.release();
    }
    sockets_.erase(fd);
    return;
  }
  if (socket == nullptr) {
    socket = std::make_shared<Socket>(loop_, fd);
  }
  socket->reading = readable;
  socket->writing = writable;
  Wait(socket, false);
  Wait(socket, true);
}

void NameChannel::Wait(const std::shared_ptr<Socket>& socket, bool write) {
  bool& waiting = write ? socket->waiting_write : socket->waiting_read;
  if (waiting || !(write ? socket->writing : socket->reading)) {
    return;
  }
  waiting = true;
  using Descriptor = boost::asio::posix::descriptor_base;
  // Once it is canceled the channel may be gone; the socket says so, being its own.
  socket->descriptor.async_wait(write ? Descriptor::wait_write : Descriptor::wait_read,
                                [this, socket, write](boost::system::error_code error) {
                                  (write ? socket->waiting_write : socket->waiting_read) = false;
                                  if (error || !(write ? socket->writing : socket->reading)) {
                                    return;
                                  }
                                  const ares_socket_t fd = socket->descriptor.native_handle();
                                  ares_process_fd(channel_, write ? ARES_SOCKET_BAD : fd,
                                                  write ? fd : ARES_SOCKET_BAD);
                                  Wait(socket, write);
                                  SetTimer();
                                });
}

void NameChannel::SetTimer() {
  timeval until{};
  const timeval* next = ares_timeout(channel_, nullptr, &until);
  if (next == nullptr) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::seconds(next->tv_sec) +
                       std::chrono::microseconds(next->tv_usec));
  timer_.async_wait([this, alive = std::weak_ptr<bool>(alive_)](boost::system::error_code error) {
    if (!error && !alive.expired()) {
      ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
      SetTimer();
    }
  });
}

}  // namespace vsplit
