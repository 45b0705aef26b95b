// SPDX-License-Identifier: Apache-2.0
// Listening on a port of TCP.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <string>

#include "vsplit/result.h"

namespace vsplit {

// Port 0: any that is free. The error names address and port.
Result<boost::asio::ip::tcp::acceptor> ListenOnPort(boost::asio::io_context& loop,
                                                    const boost::asio::ip::address& address,
                                                    std::uint16_t port);

// Where a client on this machine finds the listener: "https://127.0.0.1:17643".
std::string UrlOf(const std::string& scheme, const boost::asio::ip::tcp::acceptor& acceptor);

}  // namespace vsplit
