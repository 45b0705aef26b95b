// SPDX-License-Identifier: Apache-2.0
// c-ares on an Asio loop: questions in, answers out. It owns its sockets; the loop waits for them.
#pragma once

#include <ares.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/names.h"
#include "vsplit/result.h"

namespace vsplit {

// What became of one question.
struct NameReply {
  bool failed = false;
  std::string trouble;               // when it failed
  std::vector<IpAddress> addresses;  // as they came
  std::chrono::seconds ttl{};        // the least of all records, aliases included; 0: none
};

class NameChannel {
 public:
  static Result<std::unique_ptr<NameChannel>> Open(boost::asio::io_context& loop,
                                                   const NamesOptions& options);
  // Questions under way are dropped; `done` is not called for them.
  ~NameChannel();
  NameChannel(const NameChannel&) = delete;
  NameChannel(NameChannel&&) = delete;
  NameChannel& operator=(const NameChannel&) = delete;
  NameChannel& operator=(NameChannel&&) = delete;

  // `done` may be called before this returns (/etc/hosts).
  void Ask(const std::string& name, std::function<void(NameReply)> done);

 private:
  struct Question;
  struct Socket;

  explicit NameChannel(boost::asio::io_context& loop) : loop_(loop), timer_(loop) {}

  static void SocketChanged(void* self, ares_socket_t fd, int readable, int writable);
  static void Answered(void* question, int status, int timeouts, ares_addrinfo* answer);

  void Watch(ares_socket_t fd, bool readable, bool writable);
  void Wait(const std::shared_ptr<Socket>& socket, bool write);
  void SetTimer();

  boost::asio::io_context& loop_;
  boost::asio::steady_timer timer_;
  ares_channel channel_ = nullptr;
  std::map<ares_socket_t, std::shared_ptr<Socket>> sockets_;
  bool closing_ = false;
  // For what the loop still holds when this is gone.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace vsplit
