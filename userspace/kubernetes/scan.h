// SPDX-License-Identifier: Apache-2.0
// JSON cut into the texts of its parts, without a tree and without a look at what is passed over:
// of what a server sends most is not read. Only brackets and quotes are heeded, so that what is
// taken has to be read as JSON by somebody else. No recursion, whatever the text. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vsplit::kubernetes {

struct Member {
  std::string_view name;   // between its quotes, as it is written
  std::string_view value;  // as it is written
  std::size_t depth = 0;   // how deep maps and lists are nested in it; 0: it is neither
};

// The members of a map, in their order; nothing: the text is not one map.
std::optional<std::vector<Member>> MembersOf(std::string_view text);

// The elements of a list, in their order; nothing: the text is not one list.
std::optional<std::vector<std::string_view>> ElementsOf(std::string_view text);

// The value of the first member of that name; empty: there is none.
std::string_view Find(const std::vector<Member>& members, std::string_view name);

// What the text of a string means; empty: it is no string.
std::string TextOf(std::string_view value);

}  // namespace vsplit::kubernetes
