// SPDX-License-Identifier: Apache-2.0
// What is known and cannot be honoured yet. supported.cc is the one list of it.
#pragma once

#include <span>
#include <string_view>

#include "document.h"

namespace vsplit::parse {

class At;

// A field that is refused.
struct Refusal {
  std::string_view message;  // the API's name of what it is a field of
  std::string_view field;
  bool (*harmless)(const Node& value);  // values that change nothing and are taken; null: none
  std::string_view reason;
};

std::span<const Refusal> RefusalsOf(std::string_view message);
void Refuse(std::span<const Refusal> refusals, const At& field);

// A VirtualService without hosts is one that others delegate to.
std::string_view WhyNoHosts();

// Whether a uri match matches every request: {prefix: "/"} or {regex: ".*"}.
bool MatchesEveryUri(const Node& value);

}  // namespace vsplit::parse
