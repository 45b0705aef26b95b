// SPDX-License-Identifier: Apache-2.0
#include "media.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text.h"
#include "vsplit/text.h"

namespace vsplit {

std::string MediaRange::Parameter(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? std::string() : found->second;
}

std::vector<MediaRange> ParseAccept(std::string_view accept) {
  std::vector<MediaRange> ranges;
  while (!accept.empty()) {
    std::string_view rest = TakeUntil(accept, ',');
    MediaRange range{.type = Lower(Trim(TakeUntil(rest, ';'))), .parameters = {}};
    while (!rest.empty()) {
      std::string_view value = TakeUntil(rest, ';');
      std::string name = Lower(Trim(TakeUntil(value, '=')));
      range.parameters.insert_or_assign(std::move(name), std::string(Trim(value)));
    }
    ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace vsplit
