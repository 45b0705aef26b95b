// SPDX-License-Identifier: Apache-2.0
// One connection: requests in, answers out, one after the other, until it is closed or too slow.
// The stream is any that Beast can read and that lies on a basic_stream, whose clock ends it.
#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/ssl/stream_base.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "failure.h"
#include "request.h"
#include "vsplit/api.h"

namespace vsplit {

// Of all Warning headers of one answer, as in the Kubernetes API: clients bound their headers.
inline constexpr std::size_t kWarningBytes = std::size_t{4} << 10;

template <class Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
 public:
  using Answerer = std::function<Response(const Request&)>;
  // Whether clients have to shake hands before they ask.
  static constexpr bool kSecure = requires(Stream stream) { stream.next_layer().socket(); };

  // Who asks, by the socket and the Authorization header, before any of the body is read. Nothing:
  // nobody who is known.
  using Admits =
      std::function<std::optional<std::string>(int socket, std::string_view authorization)>;

  // `ended` is called once, when the session is destroyed.
  Session(Stream stream, const ServerOptions& options, Answerer answerer, Admits admits,
          std::shared_ptr<std::size_t> watches, std::function<void()> ended)
      : stream_(std::move(stream)),
        timer_(boost::beast::get_lowest_layer(stream_).get_executor()),
        options_(options),
        answerer_(std::move(answerer)),
        admits_(std::move(admits)),
        watches_(std::move(watches)),
        ended_(std::move(ended)),
        buffer_(options.header_bytes + kBuffer) {}
  ~Session() {
    *watches_ -= source_ ? 1 : 0;
    ended_();
  }
  Session(const Session&) = delete;
  Session(Session&&) = delete;
  Session& operator=(const Session&) = delete;
  Session& operator=(Session&&) = delete;

  void Run() {
    if constexpr (kSecure) {
      Limit(options_.handshake);
      stream_.async_handshake(boost::asio::ssl::stream_base::server,
                              [self = this->shared_from_this()](ErrorCode error) {
                                if (!error) {
                                  self->AwaitRequest(self->options_.handshake);
                                }
                              });
    } else {
      AwaitRequest(options_.idle);
    }
  }
  // Operations under way end with an error, and with them the session.
  void Close() {
    gone_ = true;
    boost::beast::error_code ignored;
    boost::beast::get_lowest_layer(stream_).socket().close(ignored);
    timer_.cancel();
  }
  // Objects have changed.
  void Wake() {
    if (waiting_) {
      timer_.cancel();
    }
  }

 private:
  using ErrorCode = boost::beast::error_code;
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Answer = boost::beast::http::response<boost::beast::http::string_body>;
  using Header = boost::beast::http::response_serializer<boost::beast::http::string_body>;
  static constexpr unsigned kHttp11 = 11;
  static constexpr std::size_t kBuffer = 64u << 10;
  static constexpr unsigned kUnauthorized = 401;
  static constexpr std::size_t kDrain = 4u << 20;  // of a refused body, before closing

  auto Then(void (Session::*next)(ErrorCode, std::size_t)) {
    return boost::beast::bind_front_handler(next, this->shared_from_this());
  }

  static std::string_view AuthorizationOf(const auto& message) {
    const auto value = message[boost::beast::http::field::authorization];
    return {value.data(), value.size()};
  }

  void Limit(std::chrono::milliseconds time) {
    boost::beast::get_lowest_layer(stream_).expires_after(time);
  }

  // The first byte of a request may be as late as `patience`; the rest of it has `request`.
  void AwaitRequest(std::chrono::milliseconds patience) {
    parser_ = std::make_unique<Parser>();
    parser_->header_limit(static_cast<std::uint32_t>(options_.header_bytes));
    parser_->body_limit(options_.body_bytes);
    Limit(patience);
    boost::beast::http::async_read_some(stream_, buffer_, *parser_, Then(&Session::ReadHeader));
  }

  void ReadHeader(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return Refuse(error);
    }
    if (user_ || !kSecure) {
      Limit(options_.request);
    }
    if (parser_->is_header_done()) {
      return ReadBody({}, 0);
    }
    boost::beast::http::async_read_header(stream_, buffer_, *parser_, Then(&Session::ReadBody));
  }

  void ReadBody(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return Refuse(error);
    }
    user_ = admits_(boost::beast::get_lowest_layer(stream_).socket().native_handle(),
                    AuthorizationOf(parser_->get()));
    if (!user_) {
      return Send(Status(kUnauthorized, "Unauthorized", "Unauthorized"), false);
    }
    Limit(options_.request);
    const auto expect = parser_->get().find(boost::beast::http::field::expect);
    if (!parser_->is_done() && expect != parser_->get().end()) {
      if (!boost::beast::iequals(expect->value(), "100-continue")) {
        return Send(Status(417, "ExpectationFailed", "the only expectation is 100-continue"),
                    false);
      }
      return boost::asio::async_write(stream_, boost::asio::buffer(kContinue),
                                      Then(&Session::ReadRest));
    }
    ReadRest({}, 0);
  }

  void ReadRest(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return Refuse(error);
    }
    if (parser_->is_done()) {
      return AnswerRequest({}, 0);
    }
    boost::beast::http::async_read(stream_, buffer_, *parser_, Then(&Session::AnswerRequest));
  }

  void AnswerRequest(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return Refuse(error);
    }
    auto message = parser_->release();
    const bool keep_alive = message.keep_alive();
    http_version_ = message.version();
    std::string body = std::move(message.body());
    Request request = ToRequest(message, std::move(body));
    request.user = *user_;
    request.local = !kSecure;
    Send(answerer_(request), keep_alive);
  }

  // Answers what is no HTTP or too large; a client that is gone or too slow gets nothing.
  void Refuse(ErrorCode error) {
    namespace http = boost::beast::http;
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
      Send(Status(431, "RequestHeaderFieldsTooLarge",
                  "the header is larger than " + std::to_string(options_.header_bytes) + " bytes"),
           false);
    } else if (error == http::error::body_limit) {
      Send(Status(413, "RequestEntityTooLarge",
                  "the body is larger than " + std::to_string(options_.body_bytes) + " bytes"),
           false);
    } else if (error != http::error::end_of_stream && error != http::error::partial_message &&
               error.category() == make_error_code(http::error::bad_method).category()) {
      Send(Status(400, "BadRequest", "malformed HTTP request: " + error.message()), false);
    }
  }

  static Response Status(unsigned code, std::string reason, std::string message) {
    return ToResponse({.code = code, .reason = std::move(reason), .message = std::move(message)});
  }

  void Send(Response response, bool keep_alive) {
    if (response.stream) {
      return BeginStream(std::move(response));
    }
    SetAnswer(response, keep_alive);
    answer_->body() = std::move(response.body);
    answer_->prepare_payload();
    boost::beast::http::async_write(stream_, *answer_, Then(&Session::AfterAnswer));
  }

  // Sets the header, and the time that writing it may take.
  void SetAnswer(const Response& response, bool keep_alive) {
    namespace http = boost::beast::http;
    answer_ = std::make_unique<Answer>(static_cast<http::status>(response.status), http_version_);
    answer_->set(http::field::server, "vsplitd");
    answer_->set(http::field::content_type, response.content_type);
    answer_->set(http::field::cache_control, "no-cache, private");
    if (!response.allow.empty()) {
      answer_->set(http::field::allow, response.allow);
    }
    for (const auto& [name, value] : response.headers) {
      answer_->set(name, value);
    }
    std::size_t bytes = 0;
    for (const std::string& warning : response.warnings) {
      bytes += warning.size();
      if (bytes <= kWarningBytes) {
        answer_->insert(http::field::warning, WarningHeader(warning));
      }
    }
    answer_->keep_alive(keep_alive);
    Limit(options_.request);
  }

  // A stream takes its connection with it when it ends: there is no way back from reading on, which
  // tells that the client is gone, to reading requests.
  void BeginStream(Response response) {
    if (http_version_ < kHttp11) {
      return Send(Status(400, "BadRequest", "watches need HTTP/1.1"), false);
    }
    if (*watches_ >= options_.watches) {
      Response refusal =
          Status(429, "TooManyRequests",
                 "there are too many watches already (" + std::to_string(options_.watches) + ")");
      refusal.headers.emplace_back("Retry-After", "5");
      return Send(std::move(refusal), true);
    }
    ++*watches_;
    source_ = std::move(response.stream);
    boost::beast::get_lowest_layer(stream_).expires_never();
    AwaitEnd({}, 0);
    SetAnswer(response, false);
    answer_->chunked(true);
    header_ = std::make_unique<Header>(*answer_);
    boost::beast::http::async_write_header(stream_, *header_, Then(&Session::SendPiece));
  }

  // What the client says meanwhile means nothing, but that it is there.
  void AwaitEnd(ErrorCode error, std::size_t bytes) {
    drained_ += bytes;
    if (error || drained_ > kDrain) {
      return Close();
    }
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(kBuffer / 2), Then(&Session::AwaitEnd));
  }

  void SendPiece(ErrorCode error, std::size_t /*bytes*/) {
    if (error || gone_) {
      return Close();
    }
    piece_ = source_->Take(vsplit::Stream::Clock::now());
    if (!piece_.empty()) {
      Limit(options_.request);
      boost::asio::async_write(stream_, boost::beast::http::make_chunk(boost::asio::buffer(piece_)),
                               Then(&Session::SendPiece));
    } else if (source_->ended()) {
      Limit(options_.request);
      boost::asio::async_write(
          stream_, boost::beast::http::make_chunk_last(),
          [self = this->shared_from_this()](ErrorCode, std::size_t) { self->Close(); });
    } else {
      waiting_ = true;
      timer_.expires_at(source_->due());
      timer_.async_wait([self = this->shared_from_this()](ErrorCode) {
        self->waiting_ = false;
        self->SendPiece({}, 0);
      });
    }
  }

  void AfterAnswer(ErrorCode error, std::size_t /*bytes*/) {
    if (error) {
      return;
    }
    const bool keep_alive = answer_->keep_alive();
    answer_.reset();
    if (keep_alive) {
      return AwaitRequest(options_.idle);
    }
    boost::beast::get_lowest_layer(stream_).socket().shutdown(
        boost::asio::socket_base::shutdown_send, error);
    buffer_.clear();
    Drain({}, 0);
  }

  // Reads on until the client has seen the answer and closes: closing first would make its writing
  // fail before it reads.
  void Drain(ErrorCode error, std::size_t bytes) {
    drained_ += bytes;
    if (!error && drained_ < kDrain) {
      boost::beast::get_lowest_layer(stream_).async_read_some(buffer_.prepare(kBuffer / 2),
                                                              Then(&Session::Drain));
    }
  }

  static constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

  Stream stream_;
  boost::asio::steady_timer timer_;
  ServerOptions options_;
  Answerer answerer_;
  Admits admits_;
  std::optional<std::string> user_;       // of the last request
  std::shared_ptr<std::size_t> watches_;  // of all sessions of the listener
  std::function<void()> ended_;
  boost::beast::flat_buffer buffer_;
  std::unique_ptr<Parser> parser_;  // of the request that is being read
  std::unique_ptr<Answer> answer_;  // that is being written
  unsigned http_version_ = 11;
  std::size_t drained_ = 0;
  // Of a stream: where it comes from, its header, what is being written.
  std::shared_ptr<vsplit::Stream> source_;
  std::unique_ptr<Header> header_;
  std::string piece_;
  bool waiting_ = false;
  bool gone_ = false;
};

}  // namespace vsplit
