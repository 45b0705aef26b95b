// SPDX-License-Identifier: Apache-2.0
// JSON to nodes. The library's events come without positions; each token is found again in the text
// by skipping separators from the end of the one before, which costs a second look at each byte.
#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "document.h"

namespace vsplit::parse {

namespace {

// Walks over text that the library has found to be JSON, token by token.
class TokenWalk {
 public:
  TokenWalk(std::string_view text, int first_line) : text_(text), line_(first_line) {}

  // Skips what separates tokens; the place of what comes next.
  Place Next() {
    while (at_ < text_.size()) {
      const char character = text_[at_];
      if (character == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      } else if (character != ' ' && character != '\t' && character != '\r' && character != ',' &&
                 character != ':') {
        break;
      }
      ++at_;
    }
    return PlaceOf(at_);
  }

  // The text of the token that comes next, which ends before any separator or bracket.
  std::string_view TakeWord() {
    const std::size_t end = std::min(text_.find_first_of(" \t\r\n,:]}", at_), text_.size());
    const std::string_view word = text_.substr(at_, end - at_);
    at_ = end;
    return word;
  }

  void TakeString() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      at_ += text_[at_] == '\\' ? 1 : 0;
    }
    TakeBracket();
  }

  void TakeBracket() { at_ = std::min(at_ + 1, text_.size()); }

  // The place of a byte in the line where the walk is, or after it.
  Place PlaceOf(std::size_t offset) const {
    return {.line = line_, .column = static_cast<int>(offset - line_start_) + 1};
  }

  // Skips up to a byte, over anything.
  Place SkipTo(std::size_t offset) {
    for (; at_ < std::min(offset, text_.size()); ++at_) {
      if (text_[at_] == '\n') {
        ++line_;
        line_start_ = at_ + 1;
      }
    }
    return PlaceOf(at_);
  }

  std::size_t at() const { return at_; }
  int line() const { return line_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_start_ = 0;
  int line_ = 1;
};

// The names of the functions are the library's.
// NOLINTBEGIN(readability-identifier-naming)
// NOLINTNEXTLINE(misc-include-cleaner): json.hpp is the only header that is meant to be included
class Events : public nlohmann::json_sax<nlohmann::json> {
 public:
  // The document begins `base` bytes into the text of the walk.
  Events(TokenWalk& walk, std::size_t base, Builder& builder)
      : walk_(walk), base_(base), builder_(builder) {}

  bool null() override { return Word(Node::Kind::kNull); }
  bool boolean(bool /*value*/) override { return Word(Node::Kind::kBool); }
  bool number_integer(number_integer_t /*value*/) override { return Word(Node::Kind::kInteger); }
  bool number_unsigned(number_unsigned_t /*value*/) override { return Word(Node::Kind::kInteger); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override {
    return Word(Node::Kind::kFloat);
  }

  bool string(string_t& value) override {
    const Place place = walk_.Next();
    walk_.TakeString();
    return builder_.AddScalar(Node::Kind::kString, value, value, place);
  }

  bool binary(binary_t& /*value*/) override { return false; }

  bool key(string_t& value) override {
    const Place place = walk_.Next();
    walk_.TakeString();
    return builder_.Key(value, place);
  }

  bool start_object(std::size_t /*count*/) override { return Open(Node::Kind::kMap); }
  bool start_array(std::size_t /*count*/) override { return Open(Node::Kind::kList); }
  bool end_object() override { return Close(); }
  bool end_array() override { return Close(); }

  bool parse_error(std::size_t offset, const std::string& /*token*/,
                   const nlohmann::json::exception& error) override {
    const std::string_view text = error.what();
    const std::size_t reason = text.find("syntax error");
    std::string message = "found text that is no JSON";
    if (reason != std::string_view::npos) {
      message += ": " + std::string(text.substr(reason));
    }
    return builder_.Fail(walk_.SkipTo(base_ + (offset == 0 ? 0 : offset - 1)), message);
  }

 private:
  bool Word(Node::Kind kind) {
    const Place place = walk_.Next();
    const std::string_view word = walk_.TakeWord();
    return builder_.AddScalar(kind, word, word, place);
  }

  bool Open(Node::Kind kind) {
    const Place place = walk_.Next();
    walk_.TakeBracket();
    return builder_.Open(kind, place);
  }

  bool Close() {
    walk_.Next();
    walk_.TakeBracket();
    return builder_.Close();
  }

  TokenWalk& walk_;
  std::size_t base_;
  Builder& builder_;
};
// NOLINTEND(readability-identifier-naming)

}  // namespace

bool ReadJson(std::string_view text, Builder& builder, JsonEnd& end) {
  TokenWalk walk(text, end.line);
  bool first = true;
  while (true) {
    const Place start =
        walk.SkipTo(std::min(text.find_first_not_of(" \t\r\n", walk.at()), text.size()));
    const std::string_view rest = text.substr(walk.at());
    if (!first && !rest.starts_with('{') && !rest.starts_with('[')) {
      end = {.offset = walk.at(), .line = walk.line()};
      return true;
    }
    if (!builder.StartDocument(start)) {
      return false;
    }
    Events events(walk, walk.at(), builder);
    if (!nlohmann::json::sax_parse(rest.begin(), rest.end(), &events,
                                   nlohmann::json::input_format_t::json, false) ||
        !builder.EndDocument()) {
      return false;
    }
    first = false;
  }
}

}  // namespace vsplit::parse
