// SPDX-License-Identifier: Apache-2.0
// Accepts connections and gives each a session, as long as there are not too many.
#pragma once

#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>

#include "failure.h"
#include "session.h"
#include "vsplit/api.h"

namespace vsplit {

template <class Protocol, class Stream>
class Listener : public std::enable_shared_from_this<Listener<Protocol, Stream>> {
 public:
  using Socket = typename Protocol::socket;
  using Acceptor = typename Protocol::acceptor;
  using Wrap = std::function<Stream(Socket)>;
  using Answerer = typename Session<Stream>::Answerer;
  using Admits = typename Session<Stream>::Admits;

  Listener(Acceptor acceptor, const ServerOptions& options, Wrap wrap, Answerer answerer,
           Admits admits)
      : acceptor_(std::move(acceptor)),
        rest_(acceptor_.get_executor()),
        options_(options),
        wrap_(std::move(wrap)),
        answerer_(std::move(answerer)),
        admits_(std::move(admits)) {}

  void Accept() {
    acceptor_.async_accept(
        [self = this->shared_from_this()](boost::system::error_code error, Socket socket) {
          if (self->stopped_) {
            return;
          }
          if (error) {
            return self->Rest();
          }
          if (self->sessions_.size() < self->options_.connections) {
            self->Serve(std::move(socket));
          } else {
            self->TurnAway(std::move(socket));
          }
          self->Accept();
        });
  }

  // Objects have changed.
  void Wake() {
    for (const std::weak_ptr<Session<Stream>>& weak : sessions_) {
      if (const auto session = weak.lock()) {
        session->Wake();
      }
    }
  }

  void Stop() {
    stopped_ = true;
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    rest_.cancel();
    for (const std::weak_ptr<Session<Stream>>& weak : sessions_) {
      if (const auto session = weak.lock()) {
        session->Close();
      }
    }
  }

 private:
  // How long accepting rests when the process has no file descriptor left.
  static constexpr std::chrono::milliseconds kRest{100};

  void Rest() {
    rest_.expires_after(kRest);
    rest_.async_wait([self = this->shared_from_this()](boost::system::error_code ended) {
      if (!ended && !self->stopped_) {
        self->Accept();
      }
    });
  }

  void Serve(Socket socket) {
    const auto place = sessions_.insert(sessions_.end(), std::weak_ptr<Session<Stream>>());
    const auto session = std::make_shared<Session<Stream>>(
        wrap_(std::move(socket)), options_, answerer_, admits_, watches_,
        [self = this->shared_from_this(), place] { self->sessions_.erase(place); });
    *place = session;
    session->Run();
  }

  // One write without waiting, where no handshake comes first: a client that does not read is not
  // worth a session.
  void TurnAway(Socket socket) const {
    if constexpr (!Session<Stream>::kSecure) {
      const Response response = ToResponse({.code = 503,
                                            .reason = "ServiceUnavailable",
                                            .message = "there are too many connections already (" +
                                                       std::to_string(options_.connections) + ")"});
      const std::string text =
          "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
          "Content-Type: application/json\r\nContent-Length: " +
          std::to_string(response.body.size()) + "\r\n\r\n" + response.body;
      boost::system::error_code ignored;
      socket.non_blocking(true, ignored);
      socket.write_some(boost::asio::buffer(text), ignored);
    }
  }

  Acceptor acceptor_;
  boost::asio::steady_timer rest_;
  ServerOptions options_;
  Wrap wrap_;
  Answerer answerer_;
  Admits admits_;
  std::list<std::weak_ptr<Session<Stream>>> sessions_;
  std::shared_ptr<std::size_t> watches_ = std::make_shared<std::size_t>(0);
  bool stopped_ = false;
};

}  // namespace vsplit
