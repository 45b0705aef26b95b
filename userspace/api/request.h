// SPDX-License-Identifier: Apache-2.0
// What of an HTTP request is answered.
#pragma once

#include <boost/beast/http/field.hpp>
#include <boost/beast/http/message.hpp>
#include <string>
#include <utility>

#include "vsplit/api.h"

namespace vsplit {

// Without who asks, which the header alone does not say.
inline Request ToRequest(const boost::beast::http::request_header<>& header, std::string body) {
  namespace http = boost::beast::http;
  return {.method = std::string(header.method_string()),
          .target = std::string(header.target()),
          .content_type = std::string(header[http::field::content_type]),
          .accept = std::string(header[http::field::accept]),
          .body = std::move(body),
          .user_agent = std::string(header[http::field::user_agent]),
          .if_none_match = std::string(header[http::field::if_none_match])};
}

}  // namespace vsplit
