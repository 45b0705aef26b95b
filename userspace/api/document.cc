// SPDX-License-Identifier: Apache-2.0
#include "document.h"

#include <openssl/evp.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {

std::string HashOf(std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
  unsigned size = 0;
  Check(EVP_Digest(text.data(), text.size(), bytes.data(), &size, EVP_sha256(), nullptr) == 1,
        "OpenSSL has SHA-256");
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string hash;
  for (unsigned i = 0; i < size; ++i) {
    hash += kDigits[bytes.at(i) / kDigits.size()];
    hash += kDigits[bytes.at(i) % kDigits.size()];
  }
  return hash;
}

Response Document(const Request& request, const std::string& body, const std::string& hash,
                  std::string content_type) {
  const std::string tag = '"' + hash + '"';
  Response response{.content_type = std::move(content_type),
                    .headers = {{"ETag", tag}, {"Vary", "Accept"}}};
  if (request.if_none_match == tag) {
    response.status = 304;
  } else {
    response.body = body;
  }
  return response;
}

Response Document(const Request& request, const std::string& body, std::string content_type) {
  return Document(request, body, HashOf(body), std::move(content_type));
}

}  // namespace vsplit
