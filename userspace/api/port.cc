// SPDX-License-Identifier: Apache-2.0
#include "port.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/socket_base.hpp>
#include <boost/system/error_code.hpp>
#include <cstdint>
#include <string>

#include "vsplit/result.h"

namespace vsplit {

using Tcp = boost::asio::ip::tcp;

Result<Tcp::acceptor> ListenOnPort(boost::asio::io_context& loop,
                                   const boost::asio::ip::address& address, std::uint16_t port) {
  Tcp::acceptor acceptor(loop);
  const Tcp::endpoint endpoint(address, port);
  boost::system::error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (!error) {
    acceptor.set_option(boost::asio::socket_base::reuse_address(true), error);
  }
  if (!error) {
    acceptor.bind(endpoint, error);
  }
  if (!error) {
    acceptor.listen(boost::asio::socket_base::max_listen_connections, error);
  }
  if (error) {
    return Fail("listen on " + address.to_string() + " port " + std::to_string(port) + ": " +
                error.message());
  }
  return acceptor;
}

std::string UrlOf(const std::string& scheme, const Tcp::acceptor& acceptor) {
  boost::system::error_code ignored;
  const Tcp::endpoint endpoint = acceptor.local_endpoint(ignored);
  const boost::asio::ip::address address = endpoint.address();
  std::string host = address.to_string();
  if (address.is_unspecified()) {
    host = address.is_v4() ? "127.0.0.1" : "::1";
  }
  return scheme + "://" + (address.is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace vsplit
