// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "failure.h"
#include "kubeconfig.h"
#include "listener.h"
#include "monitor.h"
#include "peer.h"
#include "port.h"
#include "private_file.h"
#include "socket_file.h"
#include "tls.h"
#include "tokens.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using Local = boost::asio::local::stream_protocol;
using Tcp = boost::asio::ip::tcp;
using TlsStream = boost::beast::ssl_stream<boost::beast::tcp_stream>;
using LocalListener = Listener<Local, boost::beast::basic_stream<Local>>;
using TlsListener = Listener<Tcp, TlsStream>;

constexpr mode_t kKubeconfigMode = S_IRUSR | S_IWUSR | S_IRGRP;

}  // namespace

struct Server::State {
  State(boost::asio::io_context& its_loop, ServerOptions its_options)
      : loop(its_loop), options(std::move(its_options)) {}

  void Wake() const {
    local->Wake();
    if (kube) {
      kube->Wake();
    }
  }

  void Stop() const {
    local->Stop();
    ::unlink(options.socket.c_str());
    if (kube) {
      kube->Stop();
      ::unlink(kubeconfig.c_str());
    }
    if (monitor.stop) {
      monitor.stop();
    }
  }

  boost::asio::io_context& loop;
  ServerOptions options;
  std::shared_ptr<const Backend> backend;
  std::shared_ptr<LocalListener> local;
  std::shared_ptr<TlsListener> kube;  // null: there is none
  std::shared_ptr<Tokens> tokens;     // of its users
  std::string kubeconfig;             // the file
  std::string open_config;            // the same without a token
  Monitor monitor;                    // its `stop` is empty: there is none
};

namespace {

tl::unexpected<Error> NotForKubectl() {
  return Fail("this agent does not serve kubectl; `vsplit status` says why",
              Error::Reason::kNotFound);
}

}  // namespace

// `state` does not keep itself alive by its backend.
std::shared_ptr<const Backend> Server::WithAccess(Backend backend, std::weak_ptr<State> state) {
  backend.issue_token = [state](const std::string& user) -> Result<AccessToken> {
    const auto server = state.lock();
    return server && server->tokens ? server->tokens->Issue(user) : NotForKubectl();
  };
  backend.kubeconfig = [state]() -> Result<std::string> {
    const auto server = state.lock();
    return server && server->kube ? Result<std::string>(server->open_config) : NotForKubectl();
  };
  return std::make_shared<const Backend>(std::move(backend));
}

Result<Server> Server::Listen(boost::asio::io_context& loop, const ServerOptions& options,
                              Backend backend) {
  const Result<int> file = ListenOnFile(options.socket, options.group);
  if (!file) {
    return tl::unexpected<Error>(file.error());
  }
  Local::acceptor acceptor(loop);
  boost::system::error_code error;
  acceptor.assign(Local(), *file, error);
  if (error) {
    ::close(*file);
    return Fail("listen on \"" + options.socket + "\": " + error.message());
  }
  auto state = std::make_shared<State>(loop, options);
  state->backend = WithAccess(std::move(backend), state);
  state->local = std::make_shared<LocalListener>(
      std::move(acceptor), options,
      [](Local::socket socket) { return boost::beast::basic_stream<Local>(std::move(socket)); },
      [backend = state->backend](const Request& request) { return Answer(request, *backend); },
      [](int socket, std::string_view /*authorization*/) { return PeerOf(socket); });
  state->local->Accept();
  // Later, when what is behind the change is in force as well.
  state->backend->on_change([weak = std::weak_ptr<State>(state)] {
    if (const auto changed = weak.lock()) {
      boost::asio::post(changed->loop, [weak] {
        if (const auto waking = weak.lock()) {
          waking->Wake();
        }
      });
    }
  });
  return Server(std::move(state));
}

Result<std::string> Server::ListenForKubectl(const KubeOptions& options) {
  ::unlink(options.kubeconfig.c_str());  // of an agent before this one: its token is void
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(options.address, error);
  if (error) {
    return Fail("\"" + options.address + "\" is no IP address", Error::Reason::kInvalid);
  }
  const Result<Identity> identity = FindIdentity(options.identity, address.to_string());
  if (!identity) {
    return tl::unexpected<Error>(identity.error());
  }
  Result<boost::asio::ssl::context> made = MakeTlsContext(*identity);
  const Result<std::string> token = MakeToken();
  if (!made || !token) {
    return tl::unexpected<Error>(made ? token.error() : made.error());
  }
  Result<Tcp::acceptor> acceptor = ListenOnPort(state_->loop, address, options.port);
  if (!acceptor) {
    return tl::unexpected<Error>(acceptor.error());
  }
  std::string url = UrlOf("https", *acceptor);
  if (const Result<void> written =
          WritePrivateFile(options.kubeconfig, KubeconfigText(url, identity->certificate, *token),
                           kKubeconfigMode, state_->options.group);
      !written) {
    return tl::unexpected<Error>(written.error());
  }
  const auto context = std::make_shared<boost::asio::ssl::context>(*std::move(made));
  state_->kubeconfig = options.kubeconfig;
  state_->open_config = KubeconfigText(url, identity->certificate, "");
  state_->tokens = std::make_shared<Tokens>(*token, options.token_lifetime, options.clock);
  state_->kube = std::make_shared<TlsListener>(
      *std::move(acceptor), state_->options,
      [context](Tcp::socket socket) {
        return TlsStream(boost::beast::tcp_stream(std::move(socket)), *context);
      },
      [backend = state_->backend](const Request& request) { return Answer(request, *backend); },
      [tokens = state_->tokens](int /*socket*/, std::string_view authorization) {
        return tokens->UserOf(authorization);
      });
  state_->kube->Accept();
  return url;
}

Result<std::string> Server::ListenForMetrics(const MetricsOptions& options) {
  Result<Monitor> monitor =
      ListenForMonitors(state_->loop, options, state_->options, state_->backend);
  if (!monitor) {
    return tl::unexpected<Error>(monitor.error());
  }
  state_->monitor = *std::move(monitor);
  return state_->monitor.url;
}

Server::Server(std::shared_ptr<State> state) : state_(std::move(state)) {}
Server::Server(Server&&) noexcept = default;
Server& Server::operator=(Server&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
// NOLINTNEXTLINE(bugprone-exception-escape): cancelling a timer throws by its signature alone
Server::~Server() {
  if (state_) {
    state_->Stop();
  }
}

}  // namespace vsplit
