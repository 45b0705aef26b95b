// SPDX-License-Identifier: Apache-2.0
// Documents that clients keep: discovery, schemas.
#pragma once

#include <string>
#include <string_view>

#include "vsplit/api.h"

namespace vsplit {

// SHA-256 in upper case hexadecimal digits.
std::string HashOf(std::string_view text);

// The document with its entity tag, or 304 if the client has it already; `hash` is its own.
Response Document(const Request& request, const std::string& body, const std::string& hash,
                  std::string content_type);
// The same of a document that is made anew each time.
Response Document(const Request& request, const std::string& body,
                  std::string content_type = "application/json");

}  // namespace vsplit
