// SPDX-License-Identifier: Apache-2.0
// What the listener for kubectl proves itself with: a key and a certificate that is its own
// authority, both in one PEM file; and what its clients prove themselves with: a token.
#pragma once

#include <boost/asio/ssl/context.hpp>
#include <string>
#include <string_view>

#include "vsplit/result.h"

namespace vsplit {

struct Identity {
  std::string pem;          // key and certificate
  std::string certificate;  // PEM
};

// Reads the file; makes it, with mode 0600, where it is missing, unreadable, about to expire or not
// about this address. The certificate is for localhost and the loopback addresses, too.
Result<Identity> FindIdentity(const std::string& file, const std::string& address);

// TLS 1.2 and newer.
Result<boost::asio::ssl::context> MakeTlsContext(const Identity& identity);

// 256 random bits, in base64url.
Result<std::string> MakeToken();

// Whether the value of an Authorization header is "Bearer TOKEN". Takes as long for any value of
// the right length.
bool IsBearer(std::string_view authorization, std::string_view token);

std::string Base64(std::string_view bytes);

}  // namespace vsplit
