// SPDX-License-Identifier: Apache-2.0
#include "text.h"

#include <cstddef>
#include <string>
#include <string_view>

namespace vsplit {

std::string_view TakeUntil(std::string_view& rest, char separator) {
  const std::size_t at = rest.find(separator);
  const std::string_view head = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return head;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

bool HasWord(std::string_view words, std::string_view word) {
  while (!words.empty()) {
    if (TakeUntil(words, ' ') == word) {
      return true;
    }
  }
  return false;
}

}  // namespace vsplit
