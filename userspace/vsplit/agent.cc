// SPDX-License-Identifier: Apache-2.0
#include "agent.h"

#include <fmt/core.h>
#include <sys/un.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>  // IWYU pragma: keep
#include <boost/beast/http/status.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/verb.hpp>
#include <boost/beast/http/write.hpp>  // IWYU pragma: keep
#include <boost/none.hpp>
#include <boost/system/error_code.hpp>
#include <cctype>
#include <cerrno>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

namespace http = boost::beast::http;
using Socket = boost::asio::local::stream_protocol::socket;

constexpr unsigned kHttp11 = 11;

Error Unreachable(const std::string& socket, const boost::system::error_code& code) {
  const bool forbidden = code.value() == EACCES || code.value() == EPERM;
  return {.message = fmt::format(
              "error: cannot reach the agent at {}: {}; {}", socket, code.message(),
              forbidden ? "are you root or in the group vsplit?" : "is vsplitd running?")};
}

http::request<http::string_body> MakeRequest(const AgentRequest& request) {
  http::request<http::string_body> message(http::string_to_verb(request.method), request.target,
                                           kHttp11);
  message.set(http::field::host, "vsplit");
  message.set(http::field::user_agent, "vsplit/" VSPLIT_VERSION);
  message.set(http::field::accept, request.accept);
  message.keep_alive(false);
  if (!request.body.empty()) {
    // The agent tells YAML from JSON by looking at the text.
    message.set(http::field::content_type, "application/yaml");
    message.body() = request.body;
  }
  message.prepare_payload();
  return message;
}

// "Forbidden" for an answer without a Status; Kubernetes' word for it where there is one.
std::string ReasonOfStatus(unsigned status) {
  const auto text = http::obsolete_reason(static_cast<http::status>(status));
  std::string word;
  for (const char c : std::string_view(text.data(), text.size())) {
    if (std::isalpha(static_cast<unsigned char>(c)) != 0) {
      word += c;
    }
  }
  return word;
}

}  // namespace

Result<std::string> Agent::Call(const AgentRequest& request) const {
  boost::asio::io_context context;
  Socket socket(context);
  boost::system::error_code code;
  if (socket_.size() >= sizeof(sockaddr_un::sun_path)) {
    return Fail(
        fmt::format("error: cannot reach the agent at {}: the path of a Unix socket has at "
                    "most {} characters",
                    socket_, sizeof(sockaddr_un::sun_path) - 1));
  }
  socket.connect(boost::asio::local::stream_protocol::endpoint(socket_), code);
  if (code) {
    return tl::unexpected<Error>(Unreachable(socket_, code));
  }
  // An agent that refuses a request early answers while we are still writing: the answer is what
  // counts, if there is one.
  // NOLINTNEXTLINE(misc-include-cleaner): defined in impl/write.hpp
  http::write(socket, MakeRequest(request), code);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(boost::none);
  // NOLINTNEXTLINE(misc-include-cleaner): defined in impl/read.hpp
  http::read(socket, buffer, parser, code);
  if (code) {
    return Fail(fmt::format("error: the agent at {} did not answer: {}", socket_, code.message()));
  }
  const unsigned status = parser.get().result_int();
  if (status >= 400) {
    return tl::unexpected<Error>(RefusalOf(status, parser.get().body()));
  }
  return std::move(parser.get().body());
}

Result<Json> Agent::CallJson(const AgentRequest& request) const {
  Result<std::string> body = Call(request);
  if (!body) {
    return tl::unexpected<Error>(body.error());
  }
  Json json = Json::parse(*body, nullptr, false);
  if (json.is_discarded()) {
    return Fail(fmt::format("error: the agent at {} answered {} with something that is not JSON",
                            socket_, request.target));
  }
  return json;
}

Error RefusalOf(unsigned status, const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  std::string reason = ReasonOfStatus(status);
  std::string message = body;
  if (json.is_object() && json.contains("message")) {
    message = TextAt(json, "/message");
    if (const std::string given = TextAt(json, "/reason"); !given.empty()) {
      reason = given;
    }
  }
  while (!message.empty() && message.back() == '\n') {
    message.pop_back();
  }
  constexpr unsigned kUnavailable = 503;  // nothing was to be changed
  if (status != kUnavailable && message.find('\n') != std::string::npos) {
    message = "nothing was changed because of all of these:\n" + message;
  }
  const Error::Reason kind = status == 404 ? Error::Reason::kNotFound : Error::Reason::kInvalid;
  return {.message = fmt::format("Error from server ({}): {}", reason, message), .reason = kind};
}

}  // namespace vsplit
