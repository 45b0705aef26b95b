// SPDX-License-Identifier: Apache-2.0
// A request taken apart.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "failure.h"
#include "vsplit/api.h"
#include "vsplit/parse.h"

namespace vsplit {

struct Call {
  const Request& request;
  const Backend& backend;
  std::vector<std::string> path;             // decoded segments: "api", "v1", "services"
  std::map<std::string, std::string> query;  // decoded; of a name given twice the last counts

  // The parameter, or nothing.
  std::string Query(const std::string& name) const;
};

// 400 for a target that is no absolute path, or with a broken percent escape.
Outcome<Call> TakeApart(const Request& request, const Backend& backend);

// dryRun is "All" or absent; 400 for anything else.
Outcome<bool> IsDryRun(const Call& call);
// A parameter that is "true", "false" or absent; 400 for anything else.
Outcome<bool> Flag(const Call& call, const std::string& name);

// The Content-Type without its parameters, in lower case; empty: none.
std::string MediaType(const Request& request);
bool IsProtobuf(const Request& request);  // its body

// A whole number from 0; 0 if the parameter is absent; 400 for anything else.
Outcome<std::uint64_t> NumberParameter(const Call& call, const std::string& name);
Outcome<std::uint64_t> ParseNumber(const std::string& name, std::string_view text);

// What the body is by its Content-Type; 415 for what is neither JSON nor YAML.
Outcome<TextFormat> BodyFormat(const Call& call);

// Whether the media type is named in Accept before "application/json" and "*/*".
bool Accepts(const Request& request, std::string_view media_type);

}  // namespace vsplit
