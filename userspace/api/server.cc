// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <list>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "failure.h"
#include "session.h"
#include "socket_file.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using Local = boost::asio::local::stream_protocol;
using LocalSession = Session<boost::beast::basic_stream<Local>>;

// How long accepting rests when the process has no file descriptor left.
constexpr std::chrono::milliseconds kRest{100};

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  State(boost::asio::io_context& loop, ServerOptions server_options, Backend server_backend)
      : acceptor(loop),
        rest(loop),
        options(std::move(server_options)),
        backend(std::move(server_backend)) {}

  void Accept();
  void Serve(Local::socket socket);
  void TurnAway(Local::socket socket) const;
  void Stop();

  Local::acceptor acceptor;
  boost::asio::steady_timer rest;
  ServerOptions options;
  Backend backend;
  std::list<std::weak_ptr<LocalSession>> sessions;
  bool stopped = false;
};

void Server::State::Accept() {
  acceptor.async_accept(
      [self = shared_from_this()](boost::system::error_code error, Local::socket socket) {
        if (self->stopped) {
          return;
        }
        if (error) {
          self->rest.expires_after(kRest);
          self->rest.async_wait([self](boost::system::error_code ended) {
            if (!ended && !self->stopped) {
              self->Accept();
            }
          });
          return;
        }
        if (self->sessions.size() < self->options.connections) {
          self->Serve(std::move(socket));
        } else {
          self->TurnAway(std::move(socket));
        }
        self->Accept();
      });
}

void Server::State::Serve(Local::socket socket) {
  const auto place = sessions.insert(sessions.end(), std::weak_ptr<LocalSession>());
  const auto session = std::make_shared<LocalSession>(
      LocalSession::StreamType(std::move(socket)), options,
      [self = shared_from_this()](const Request& request) {
        return Answer(request, self->backend);
      },
      [self = shared_from_this(), place] { self->sessions.erase(place); });
  *place = session;
  session->Run();
}

// One write without waiting: a client that does not read is not worth a session.
void Server::State::TurnAway(Local::socket socket) const {
  const Response response = ToResponse({.code = 503,
                                        .reason = "ServiceUnavailable",
                                        .message = "there are too many connections already (" +
                                                   std::to_string(options.connections) + ")"});
  const std::string text =
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: " +
      std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
  boost::system::error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(boost::asio::buffer(text), ignored);
}

void Server::State::Stop() {
  stopped = true;
  boost::system::error_code ignored;
  acceptor.close(ignored);
  for (const std::weak_ptr<LocalSession>& weak : sessions) {
    if (const auto session = weak.lock()) {
      session->Close();
    }
  }
  ::unlink(options.socket.c_str());
}

Result<Server> Server::Listen(boost::asio::io_context& loop, const ServerOptions& options,
                              Backend backend) {
  const Result<int> listener = ListenOnFile(options.socket, options.group);
  if (!listener) {
    return tl::unexpected<Error>(listener.error());
  }
  auto state = std::make_shared<State>(loop, options, std::move(backend));
  boost::system::error_code error;
  state->acceptor.assign(Local(), *listener, error);
  if (error) {
    ::close(*listener);
    return Fail("listen on \"" + options.socket + "\": " + error.message());
  }
  state->Accept();
  return Server(std::move(state));
}

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
Server::~Server() {
  if (state_) {
    state_->Stop();
  }
}

}  // namespace vsplit
