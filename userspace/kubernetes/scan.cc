// SPDX-License-Identifier: Apache-2.0
#include "scan.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace vsplit::kubernetes {
namespace {

// Which characters end a search; looked up, as all that a server sends goes through here.
using Characters = std::array<bool, 256>;

constexpr Characters Among(std::string_view characters) {
  Characters set{};
  for (const char character : characters) {
    set.at(static_cast<unsigned char>(character)) = true;
  }
  return set;
}

constexpr std::string_view kBlank = " \t\r\n";
constexpr Characters kEndsString = Among("\"\\");
constexpr Characters kBrackets = Among("\"{[]}");
constexpr Characters kEndsWord = Among("\"{[]},: \t\r\n");

// A place in a text that only goes forward.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : text_(text) {}

  bool AtEnd() const { return at_ >= text_.size(); }
  std::size_t at() const { return at_; }
  std::string_view From(std::size_t begin) const { return text_.substr(begin, at_ - begin); }

  void SkipBlank() { at_ = std::min(text_.find_first_not_of(kBlank, at_), text_.size()); }

  bool Next(char wanted) {
    SkipBlank();
    if (AtEnd() || text_[at_] != wanted) {
      return false;
    }
    ++at_;
    return true;
  }

  // The string that begins here, with its quotes; empty: none does, or it has no end.
  std::string_view TakeString() {
    SkipBlank();
    const std::size_t begin = at_;
    return !AtEnd() && text_[at_] == '"' && SkipString() ? From(begin) : std::string_view();
  }

  // The value that begins here; empty: none does, or it has no end.
  std::string_view TakeValue(std::size_t& depth) {
    SkipBlank();
    const std::size_t begin = at_;
    std::size_t open = 0;
    depth = 0;
    do {
      SkipTo(open == 0 ? kEndsWord : kBrackets);
      if (AtEnd()) {
        return open == 0 ? From(begin) : std::string_view();
      }
      const char character = text_[at_];
      if (character == '"') {
        if (!SkipString()) {
          return {};
        }
      } else if (character == '{' || character == '[') {
        depth = std::max(depth, ++open);
        ++at_;
      } else if (open > 0) {  // a bracket that closes
        --open;
        ++at_;
      } else {
        return From(begin);  // behind a number or a word
      }
    } while (open > 0);
    return From(begin);
  }

 private:
  void SkipTo(const Characters& end) {
    while (!AtEnd() && !end[static_cast<unsigned char>(text_[at_])]) {
      ++at_;
    }
  }

  // From the quote that begins a string to behind the one that ends it.
  bool SkipString() {
    ++at_;
    for (SkipTo(kEndsString); !AtEnd(); SkipTo(kEndsString)) {
      if (text_[at_] == '"') {
        ++at_;
        return true;
      }
      at_ += std::min<std::size_t>(2, text_.size() - at_);  // what is escaped
    }
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// Calls `take` for each part between brackets; false: the text is something else.
template <class Take>
bool Cut(std::string_view text, char open, char close, Take take) {
  Cursor cursor(text);
  if (!cursor.Next(open)) {
    return false;
  }
  if (!cursor.Next(close)) {
    do {
      if (!take(cursor)) {
        return false;
      }
    } while (cursor.Next(','));
    if (!cursor.Next(close)) {
      return false;
    }
  }
  cursor.SkipBlank();
  return cursor.AtEnd();
}

}  // namespace

std::optional<std::vector<Member>> MembersOf(std::string_view text) {
  std::vector<Member> members;
  const bool whole = Cut(text, '{', '}', [&members](Cursor& cursor) {
    const std::string_view name = cursor.TakeString();
    if (name.empty() || !cursor.Next(':')) {
      return false;
    }
    Member member{.name = name.substr(1, name.size() - 2)};
    member.value = cursor.TakeValue(member.depth);
    members.push_back(member);
    return !member.value.empty();
  });
  return whole ? std::optional(std::move(members)) : std::nullopt;
}

std::optional<std::vector<std::string_view>> ElementsOf(std::string_view text) {
  std::vector<std::string_view> elements;
  const bool whole = Cut(text, '[', ']', [&elements](Cursor& cursor) {
    std::size_t depth = 0;
    elements.push_back(cursor.TakeValue(depth));
    return !elements.back().empty();
  });
  return whole ? std::optional(std::move(elements)) : std::nullopt;
}

std::string_view Find(const std::vector<Member>& members, std::string_view name) {
  const auto found = std::ranges::find(members, name, &Member::name);
  return found == members.end() ? std::string_view() : found->value;
}

std::string TextOf(std::string_view value) {
  const nlohmann::json json = nlohmann::json::parse(value.begin(), value.end(), nullptr, false);
  return json.is_string() ? json.get<std::string>() : std::string();
}

}  // namespace vsplit::kubernetes
