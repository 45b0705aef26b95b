// SPDX-License-Identifier: Apache-2.0
// Names and values of HTTP headers in rules: Istio's ValidateHTTPHeader* and Envoy's header parser.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <string_view>

#include "checks.h"
#include "document.h"
#include "fields.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kMarks = "!#$%&'*+,-.^_`|~";
constexpr std::string_view kNameRule = "the name of a header is allowed";

bool EqualsIgnoringCase(std::string_view one, std::string_view other) {
  return std::ranges::equal(one, other, [](unsigned char left, unsigned char right) {
    return std::tolower(left) == std::tolower(right);
  });
}

// A token, as Istio's regular expression has it: its "+-." is a range and takes a comma too.
bool IsHeaderName(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           kMarks.find(c) != std::string_view::npos;
  });
}

bool IsPseudoHeader(std::string_view text) {
  constexpr auto kNames =
      std::to_array<std::string_view>({":method", ":scheme", ":authority", ":path", ":status"});
  return std::ranges::find(kNames, text) != kNames.end();
}

// Walks over a value with %VARIABLES%, %VARIABLE(arguments)% and %VARIABLE(["a", "b"])%, each step
// over one character, as Envoy's header_parser.cc does.
class ValueWalk {
 public:
  explicit ValueWalk(std::string_view text) : text_(text) {}

  bool IsWellFormed() {
    for (; at_ < text_.size(); ++at_) {
      if (!Step(text_[at_])) {
        return false;
      }
    }
    return state_ == State::kLiteral;
  }

 private:
  enum class State {
    kLiteral,
    kVariable,
    kArguments,
    kString,
    kInString,
    kNextOrEnd,
    kClosing,
    kVariableEnd
  };

  bool Step(char c) {
    switch (state_) {
      case State::kLiteral:
        return c != '%' || Percent();
      case State::kVariable:
        return Variable(c);
      case State::kArguments:
        return Arguments(c);
      case State::kInString:
        return InString(c);
      case State::kString:
        return Expect(c, '"', State::kInString);
      case State::kNextOrEnd:
        return Expect(c, ',', State::kString) || Expect(c, ']', State::kClosing);
      case State::kClosing:
        return Expect(c, ')', State::kVariableEnd);
      case State::kVariableEnd:
        return Expect(c, '%', State::kLiteral);
    }
    return false;
  }

  // "%%" is a percent sign, another "%" begins a variable.
  bool Percent() {
    if (at_ + 1 == text_.size()) {
      return false;
    }
    if (text_[at_ + 1] == '%') {
      ++at_;
    } else {
      state_ = State::kVariable;
    }
    return true;
  }

  bool Variable(char c) {
    if (c == '%') {
      state_ = State::kLiteral;
    } else if (c == '(') {
      state_ = State::kArguments;
    }
    return true;
  }

  bool Arguments(char c) {
    if (c == '[') {
      state_ = State::kString;
    } else if (c != ' ') {
      state_ = State::kInString;
    }
    return true;
  }

  bool InString(char c) {
    if (c == '\\') {
      return ++at_ < text_.size();
    }
    if (c == ')') {
      state_ = State::kVariableEnd;
    } else if (c == '"') {
      state_ = State::kNextOrEnd;
    }
    return true;
  }

  // Over blanks up to a character that ends the state.
  bool Expect(char c, char wanted, State then) {
    state_ = c == wanted ? then : state_;
    return c == wanted || c == ' ';
  }

  std::string_view text_;
  std::size_t at_ = 0;
  State state_ = State::kLiteral;
};

bool HasControlCharacter(std::string_view text) {
  constexpr char kDelete = 0x7F;
  return std::ranges::any_of(text, [](char c) {
    return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == kDelete;
  });
}

void CheckValue(const At& at) {
  if (at.node().kind != Node::Kind::kString) {
    return;
  }
  if (HasControlCharacter(at.node().text)) {
    at.NotAllowed("text without control characters is allowed");
  } else if (!ValueWalk(at.node().text).IsWellFormed()) {
    at.NotAllowed("variables as %NAME%, and %% for a percent sign, are allowed");
  }
}

// Of an operation; the authority may be set and added in requests only.
void CheckOperationName(const At& at, std::string_view name, bool authority_allowed) {
  const bool internal = name.starts_with(':') || EqualsIgnoringCase(name, "host");
  if (name.empty()) {
    at.ErrorAtKey(fmt::format("found an empty name, {}", kNameRule));
  } else if (internal && !(authority_allowed && IsAuthority(name))) {
    at.ErrorAtKey(fmt::format("found header \"{}\", which may not be changed", name));
  }
}

void CheckOperations(const At& headers, std::string_view side) {
  const bool request = side == "request";
  WithField(headers, side, [request](const At& operations) {
    for (const std::string_view operation : {"set", "add"}) {
      EachEntryOf(operations, operation, [request](const At& entry) {
        CheckOperationName(entry, entry.name(), request);
        CheckValue(entry);
      });
    }
    EachItemOf(operations, "remove", [](const At& item) {
      if (item.node().kind == Node::Kind::kString) {
        CheckOperationName(item, item.node().text, false);
      }
    });
  });
}

}  // namespace

bool IsClaim(std::string_view header) {
  constexpr std::string_view kClaims = "@request.auth.claims";
  if (header.size() < kClaims.size() ||
      !EqualsIgnoringCase(header.substr(0, kClaims.size()), kClaims)) {
    return false;
  }
  const std::string_view name = header.substr(kClaims.size());
  return (name.starts_with('.') && name.size() > 1) ||
         (name.starts_with('[') && name.ends_with(']') && name.size() > 2);
}

bool IsAuthority(std::string_view header) {
  return EqualsIgnoringCase(header, ":authority") || EqualsIgnoringCase(header, "host");
}

void CheckHeaderMatchName(const At& entry) {
  const std::string_view name = entry.name();
  if (!IsClaim(name) && !IsPseudoHeader(name) && !IsHeaderName(name)) {
    entry.ErrorAtKey(fmt::format("found header \"{}\", {}", name, kNameRule));
  }
}

void CheckCorsHeaderName(const At& name) {
  if (name.node().kind == Node::Kind::kString && !IsHeaderName(name.node().text)) {
    name.NotAllowed(kNameRule);
  }
}

void CheckHeaders(const At& holder) {
  WithField(holder, "headers", [](const At& headers) {
    CheckOperations(headers, "request");
    CheckOperations(headers, "response");
  });
}

}  // namespace vsplit::parse
