// SPDX-License-Identifier: Apache-2.0
#include "transfer.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <functional>
#include <ios>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

#include "vsplit/kubernetes.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace ssl = boost::asio::ssl;
using ErrorCode = boost::system::error_code;
using tcp = boost::asio::ip::tcp;
using Message = http::request<http::string_body>;

constexpr unsigned kHttp11 = 11;
constexpr std::size_t kPiece = 64u << 10;
constexpr std::size_t kTokenBytes = 64u << 10;

bool IsAddress(const std::string& host) {
  ErrorCode error;
  asio::ip::make_address(host, error);
  return !error;
}

Result<std::string> ReadToken(const ApiServer& server) {
  if (server.token_file.empty()) {
    return server.token;
  }
  std::ifstream file(server.token_file);
  std::string token(kTokenBytes, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  while (!token.empty() && (token.back() == '\n' || token.back() == ' ')) {
    token.pop_back();
  }
  if (token.empty()) {
    return Fail("there is no token in " + server.token_file);
  }
  return token;
}

Result<ssl::context> MakeContext(const ApiServer& server) {
  ssl::context context(ssl::context::tls_client);
  ErrorCode error;
  ::SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_2_VERSION);
  context.set_verify_mode(ssl::verify_peer, error);
  if (server.ca.empty()) {
    context.set_default_verify_paths(error);
  } else {
    context.add_certificate_authority(asio::buffer(server.ca), error);
  }
  if (error) {
    return Fail("read the certificate authority: " + error.message());
  }
  if (!server.certificate.empty()) {
    context.use_certificate_chain(asio::buffer(server.certificate), error);
    if (!error) {
      context.use_private_key(asio::buffer(server.key), ssl::context::pem, error);
    }
    if (error) {
      return Fail("read the client's certificate and key: " + error.message());
    }
  }
  return context;
}

// "Retry-After: 5"; a date, which Kubernetes never sends, counts as nothing.
std::chrono::milliseconds SecondsOf(std::string_view text) {
  unsigned seconds = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  constexpr unsigned kMost = 600;
  return error == std::errc{} ? std::chrono::seconds(std::min(seconds, kMost))
                              : std::chrono::milliseconds(0);
}

// The operations under way own this; the Transfer that the caller holds can only stop it.
template <class Stream>
class Exchange : public std::enable_shared_from_this<Exchange<Stream>> {
 public:
  template <class... Arguments>
  Exchange(asio::io_context& loop, const KubernetesOptions& options, TransferHandlers handlers,
           Message request, Arguments&... arguments)
      : resolver_(loop),
        stream_(loop, arguments...),
        options_(options),
        handlers_(std::move(handlers)),
        request_(std::move(request)) {}

  Stream& stream() { return stream_; }
  const KubernetesOptions& options() const { return options_; }

  // False: the connection is closed.
  bool Again(Message request, TransferHandlers handlers) {
    if (!beast::get_lowest_layer(stream_).socket().is_open()) {
      return false;
    }
    handlers_ = std::move(handlers);
    request_ = std::move(request);
    Ask({});
    return true;
  }

  void Run() {
    Limit(options_.connect);
    const std::string& host = options_.server.host;
    if (IsAddress(host)) {
      const auto port = static_cast<unsigned short>(std::stoul(options_.server.port));
      return beast::get_lowest_layer(stream_).async_connect(
          tcp::endpoint(asio::ip::make_address(host), port), Then(&Exchange::Secure));
    }
    resolver_.async_resolve(host, options_.server.port, Then(&Exchange::Connect));
  }

  void Stop() {
    handlers_ = {};
    ErrorCode ignored;
    beast::get_lowest_layer(stream_).socket().close(ignored);
  }

 private:
  static constexpr bool kSecure = !std::is_same_v<Stream, beast::tcp_stream>;

  template <class... Arguments>
  auto Then(void (Exchange::*next)(ErrorCode, Arguments...)) {
    return beast::bind_front_handler(next, this->shared_from_this());
  }

  void Limit(std::chrono::milliseconds time) {
    beast::get_lowest_layer(stream_).expires_after(time);
  }

  void Connect(ErrorCode error, tcp::resolver::results_type results) {
    if (error) {
      return End("resolve " + options_.server.host + ": " + error.message());
    }
    if (!handlers_.end) {
      return;  // stopped
    }
    Limit(options_.connect);
    beast::get_lowest_layer(stream_).async_connect(
        results, beast::bind_front_handler(&Exchange::SecureAny, this->shared_from_this()));
  }
  void SecureAny(ErrorCode error, const tcp::endpoint& /*endpoint*/) { Secure(error); }

  void Secure(ErrorCode error) {
    if (error) {
      return End("connect: " + error.message());
    }
    if constexpr (kSecure) {
      stream_.async_handshake(ssl::stream_base::client, Then(&Exchange::Ask));
    } else {
      Ask({});
    }
  }

  void Ask(ErrorCode error) {
    if (error) {
      return End("TLS: " + error.message());
    }
    Limit(options_.connect);
    http::async_write(stream_, request_, Then(&Exchange::ReadHead));
  }

  void ReadHead(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return End("write: " + error.message());
    }
    Limit(options_.silence);
    parser_.emplace();
    // A watch has no end; whoever takes the pieces bounds lines and documents.
    parser_->body_limit(std::numeric_limits<std::uint64_t>::max());
    http::async_read_header(stream_, buffer_, *parser_, Then(&Exchange::TakeHead));
  }

  void TakeHead(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return End("read: " + error.message());
    }
    if (handlers_.head) {
      const auto& head = parser_->get();
      handlers_.head(head.result_int(), SecondsOf({head[http::field::retry_after].data(),
                                                   head[http::field::retry_after].size()}));
    }
    ReadPiece();
  }

  void ReadPiece() {
    if (!handlers_.body) {
      return;  // stopped
    }
    if (parser_->is_done()) {
      return End("", request_.keep_alive() && parser_->keep_alive());
    }
    Limit(options_.silence);
    parser_->get().body().data = piece_.data();
    parser_->get().body().size = piece_.size();
    http::async_read_some(stream_, buffer_, *parser_, Then(&Exchange::TakePiece));
  }

  void TakePiece(ErrorCode error, std::size_t /*bytes*/) {
    const std::size_t bytes = piece_.size() - parser_->get().body().size;
    if (bytes > 0 && handlers_.body && !handlers_.body({piece_.data(), bytes})) {
      return End("");
    }
    if (error == beast::error::timeout) {
      const auto seconds = options_.silence.count() / 1000;
      return Close(
          {.trouble = "nothing has come for " + std::to_string(seconds) + " s", .silent = true});
    }
    if (error && error != http::error::need_buffer) {
      return End("read: " + error.message());
    }
    ReadPiece();
  }

  void End(std::string trouble, bool keep = false) { Close({.trouble = std::move(trouble)}, keep); }

  void Close(TransferEnd how, bool keep = false) {
    const std::function<void(TransferEnd)> end = std::move(handlers_.end);
    handlers_ = {};
    if (keep) {
      beast::get_lowest_layer(stream_).expires_never();
    } else {
      Stop();
    }
    if (end) {
      end(std::move(how));
    }
  }

  tcp::resolver resolver_;
  Stream stream_;
  KubernetesOptions options_;
  TransferHandlers handlers_;
  Message request_;
  std::optional<http::response_parser<http::buffer_body>> parser_;  // of the present answer
  beast::flat_buffer buffer_{kPiece};
  std::array<char, kPiece> piece_{};
};

Result<Message> MakeMessage(const KubernetesOptions& options, const ApiRequest& request,
                            bool keep) {
  const ApiServer& server = options.server;
  const Result<std::string> token = ReadToken(server);
  if (!token) {
    return tl::unexpected<Error>(token.error());
  }
  Message message(http::string_to_verb(request.method), request.target, kHttp11);
  const bool v6 = server.host.find(':') != std::string::npos;
  message.set(http::field::host, (v6 ? "[" + server.host + "]" : server.host) + ":" + server.port);
  message.set(http::field::user_agent, options.user_agent);
  message.set(http::field::accept, "application/json");
  message.keep_alive(keep);
  if (!token->empty()) {
    message.set(http::field::authorization, "Bearer " + *token);
  }
  if (!request.content_type.empty()) {
    message.set(http::field::content_type, request.content_type);
    message.body() = request.body;
    message.prepare_payload();
  }
  return message;
}

template <class Stream>
class Running : public Transfer {
 public:
  explicit Running(std::shared_ptr<Exchange<Stream>> exchange) : exchange_(std::move(exchange)) {
    exchange_->Run();
  }
  ~Running() override { exchange_->Stop(); }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  Running(Running&&) = delete;
  Running& operator=(Running&&) = delete;

  bool Again(const ApiRequest& request, TransferHandlers handlers) override {
    Result<Message> message = MakeMessage(exchange_->options(), request, true);
    return message && exchange_->Again(*std::move(message), std::move(handlers));
  }

 private:
  std::shared_ptr<Exchange<Stream>> exchange_;
};

}  // namespace

Result<std::unique_ptr<Transfer>> Transfer::Start(asio::io_context& loop,
                                                  const KubernetesOptions& options,
                                                  const ApiRequest& request,
                                                  TransferHandlers handlers,
                                                  Connection connection) {
  Result<Message> message = MakeMessage(options, request, connection == Connection::kKept);
  if (!message) {
    return tl::unexpected<Error>(message.error());
  }
  if (!options.server.tls) {
    return std::make_unique<Running<beast::tcp_stream>>(
        std::make_shared<Exchange<beast::tcp_stream>>(loop, options, std::move(handlers),
                                                      *std::move(message)));
  }
  using Secure = ssl::stream<beast::tcp_stream>;
  Result<ssl::context> context = MakeContext(options.server);
  if (!context) {
    return tl::unexpected<Error>(context.error());
  }
  // OpenSSL counts who uses a context: the stream keeps it.
  auto exchange = std::make_shared<Exchange<Secure>>(loop, options, std::move(handlers),
                                                     *std::move(message), *context);
  const std::string& name =
      options.server.server_name.empty() ? options.server.host : options.server.server_name;
  if (!IsAddress(name) &&
      ::SSL_set_tlsext_host_name(exchange->stream().native_handle(), name.c_str()) != 1) {
    return Fail("\"" + name + "\" is no name for TLS");
  }
  exchange->stream().set_verify_callback(ssl::host_name_verification(name));
  return std::make_unique<Running<Secure>>(std::move(exchange));
}

}  // namespace vsplit::kubernetes
