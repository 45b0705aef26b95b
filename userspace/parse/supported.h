// SPDX-License-Identifier: Apache-2.0
// What is valid and cannot be honoured. supported.cc is the one list of it.
#pragma once

#include <span>
#include <string_view>

#include "document.h"

namespace vsplit::parse {

class At;

// A field that is taken in with a warning.
struct Unenforced {
  std::string_view message;  // the API's name of what it is a field of
  std::string_view field;
  bool (*harmless)(const Node& value);  // values that ask for nothing; null: none
  std::string_view reason;
};

std::span<const Unenforced> UnenforcedFieldsOf(std::string_view message);
void WarnIfUnenforced(std::span<const Unenforced> fields, const At& field);

// Whether a uri match matches every request: {prefix: "/"} or {regex: ".*"}.
bool MatchesEveryUri(const Node& value);

}  // namespace vsplit::parse
