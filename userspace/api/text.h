// SPDX-License-Identifier: Apache-2.0
// Pieces of headers and targets.
#pragma once

#include <string>
#include <string_view>

namespace vsplit {

// The text before the first separator; `rest` becomes what follows it.
std::string_view TakeUntil(std::string_view& rest, char separator);
// Without blanks and tabs around it.
std::string_view Trim(std::string_view text);
// Whether it is one of the words, which blanks keep apart.
bool HasWord(std::string_view words, std::string_view word);

}  // namespace vsplit
