// SPDX-License-Identifier: Apache-2.0
// What a client takes: the header Accept.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vsplit {

// "application/json;as=Table;v=v1;g=meta.k8s.io"
struct MediaRange {
  std::string type;  // in lower case
  std::map<std::string, std::string> parameters;

  // The parameter, or nothing.
  std::string Parameter(const std::string& name) const;
};

// In the client's order, which is taken for its preference.
std::vector<MediaRange> ParseAccept(std::string_view accept);

}  // namespace vsplit
