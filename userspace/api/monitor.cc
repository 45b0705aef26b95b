// SPDX-License-Identifier: Apache-2.0
#include "monitor.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/system/error_code.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "failure.h"
#include "listener.h"
#include "port.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using Tcp = boost::asio::ip::tcp;
using PlainListener = Listener<Tcp, boost::beast::tcp_stream>;

constexpr std::array<std::string_view, 4> kPaths = {"/healthz", "/livez", "/metrics", "/readyz"};

Response AnswerMonitor(Request request, const Backend& backend) {
  request.local = false;  // of TCP nobody says who the client is
  request.target.resize(std::min(request.target.find('?'), request.target.size()));
  if (std::ranges::find(kPaths, request.target) == kPaths.end()) {
    return ToResponse(NoSuchPath().value());
  }
  return Answer(request, backend);
}

}  // namespace

Result<Monitor> ListenForMonitors(boost::asio::io_context& loop, const MetricsOptions& options,
                                  ServerOptions bounds, std::shared_ptr<const Backend> backend) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(options.address, error);
  if (error) {
    return Fail("\"" + options.address + "\" is no IP address", Error::Reason::kInvalid);
  }
  Result<Tcp::acceptor> acceptor = ListenOnPort(loop, address, options.port);
  if (!acceptor) {
    return tl::unexpected<Error>(acceptor.error());
  }
  std::string url = UrlOf("http", *acceptor);
  bounds.body_bytes = 0;
  const auto listener = std::make_shared<PlainListener>(
      *std::move(acceptor), bounds,
      [](Tcp::socket socket) { return boost::beast::tcp_stream(std::move(socket)); },
      [backend = std::move(backend)](const Request& request) {
        return AnswerMonitor(request, *backend);
      },
      [](int /*socket*/, std::string_view /*authorization*/) {
        return std::string("system:anonymous");
      });
  listener->Accept();
  return Monitor{.url = std::move(url), .stop = [listener] { listener->Stop(); }};
}

}  // namespace vsplit
