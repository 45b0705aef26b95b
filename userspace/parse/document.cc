// SPDX-License-Identifier: Apache-2.0
#include "document.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory_resource>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/parse.h"

namespace vsplit::parse {

namespace {

constexpr std::size_t kBufferBytes = std::size_t{32} << 10;

// Which second byte may follow which first one, and how long the sequence is. Table 3-7 of the
// Unicode Standard.
struct Sequence {
  unsigned first_from;
  unsigned first_to;
  unsigned second_from;
  unsigned second_to;
  std::size_t length;
};
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kSequences = std::to_array<Sequence>({
    {0xC2, 0xDF, 0x80, 0xBF, 2},
    {0xE0, 0xE0, 0xA0, 0xBF, 3},
    {0xE1, 0xEC, 0x80, 0xBF, 3},
    {0xED, 0xED, 0x80, 0x9F, 3},
    {0xEE, 0xEF, 0x80, 0xBF, 3},
    {0xF0, 0xF0, 0x90, 0xBF, 4},
    {0xF1, 0xF3, 0x80, 0xBF, 4},
    {0xF4, 0xF4, 0x80, 0x8F, 4},
});
// NOLINTEND(modernize-use-designated-initializers)

// The length of the UTF-8 sequence at the front of the text; 0 if there is none, or if it is a
// control character that may not stand in YAML or JSON.
std::size_t CharacterLength(std::string_view text) {
  const auto byte = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  constexpr unsigned kAscii = 0x80;
  const unsigned first = byte(0);
  if (first < kAscii) {
    return first >= ' ' || first == '\n' || first == '\t' || first == '\r' ? 1 : 0;
  }
  const auto* const found = std::ranges::find_if(kSequences, [first](const Sequence& sequence) {
    return first >= sequence.first_from && first <= sequence.first_to;
  });
  if (found == kSequences.end() || text.size() < found->length || byte(1) < found->second_from ||
      byte(1) > found->second_to) {
    return 0;
  }
  for (std::size_t at = 2; at < found->length; ++at) {
    if ((byte(at) & 0xC0u) != kAscii) {
      return 0;
    }
  }
  return found->length;
}

std::optional<Problem> CheckCharacters(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = CharacterLength(text.substr(at));
    if (length == 0) {
      const std::string_view before = text.substr(0, at);
      const auto line_start = before.rfind('\n') + 1;  // npos + 1 is 0
      const Place place{.line = static_cast<int>(std::ranges::count(before, '\n')) + 1,
                        .column = static_cast<int>(at - line_start) + 1};
      return Problem{
          .path = "",
          .place = place,
          .message = fmt::format("found byte 0x{:02x}, text in UTF-8 without control characters is "
                                 "allowed",
                                 static_cast<unsigned char>(text[at]))};
    }
    at += length;
  }
  return std::nullopt;
}

bool LooksLikeJson(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && (text[first] == '{' || text[first] == '[');
}

}  // namespace

const Node* Node::Find(std::string_view name) const {
  if (kind != Kind::kMap) {
    return nullptr;
  }
  for (const Node* child = first; child != nullptr; child = child->next) {
    if (child->key == name) {
      return child;
    }
  }
  return nullptr;
}

std::string_view Shown(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  constexpr unsigned kLeading = 0xC0;
  constexpr unsigned kContinuing = 0x80;
  std::size_t length = std::min(text.size(), kLongest);
  while (length > 0 && length < text.size() &&
         (static_cast<unsigned char>(text[length]) & kLeading) == kContinuing) {
    --length;  // no character is cut in two
  }
  return text.substr(0, length);
}

std::string_view NameOf(Node::Kind kind) {
  switch (kind) {
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kBool:
      return "boolean";
    case Node::Kind::kInteger:
    case Node::Kind::kFloat:
      return "number";
    case Node::Kind::kString:
      return "string";
    case Node::Kind::kList:
      return "list";
    case Node::Kind::kMap:
      return "map";
  }
  return "";
}

Builder::Builder(const ParseLimits& limits, const OnDocument& on_document)
    : limits_(limits),
      on_document_(on_document),
      buffer_(kBufferBytes),
      arena_(buffer_.data(), buffer_.size()) {}

bool Builder::StartDocument(Place place) {
  if (++documents_ > limits_.documents) {
    return Fail(place, fmt::format("found more than {0} documents, at most {0} are allowed",
                                   limits_.documents));
  }
  frames_.clear();
  problems_.clear();
  root_ = nullptr;
  last_added_ = nullptr;
  arena_.release();
  return true;
}

bool Builder::EndDocument() {
  return root_ == nullptr || on_document_(*root_, problems_);
}

bool Builder::Fail(Place place, std::string message) {
  failure_ = Problem{.path = Path(), .place = place, .message = std::move(message)};
  return false;
}

void Builder::AddProblem(Place place, std::string message) {
  if (problems_.size() >= limits_.diagnostics) {
    return;
  }
  problems_.push_back({.path = Path(), .place = place, .message = std::move(message)});
}

// Of the value that comes next.
std::string Builder::Path() const {
  std::string path;
  for (const Frame& frame : frames_) {
    const bool innermost = &frame == &frames_.back();  // the others hold what is open already
    if (frame.node->kind == Node::Kind::kList) {
      path += fmt::format("[{}]", frame.node->count - (innermost ? 0 : 1));
    } else if (!innermost || !frame.wants_key) {
      path += (path.empty() ? "" : ".");
      path += Shown(frame.key);
    }
  }
  return path;
}

bool Builder::IsOpen(const Node& node) const {
  return std::ranges::any_of(frames_, [&node](const Frame& frame) { return frame.node == &node; });
}

std::string_view Builder::Keep(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  auto* copy = static_cast<char*>(arena_.allocate(text.size(), 1));
  std::memcpy(copy, text.data(), text.size());
  return {copy, text.size()};
}

bool Builder::CheckSize(std::uint64_t more, Place place) {
  nodes_ += more;
  return nodes_ <= limits_.nodes ||
         Fail(place,
              fmt::format("found more than {0} values, at most {0} are allowed", limits_.nodes));
}

Node* Builder::Add(Place place) {
  if (!CheckSize(1, place)) {
    return nullptr;
  }
  Node* node = new (arena_.allocate(sizeof(Node), alignof(Node))) Node;
  node->place = place;
  last_added_ = node;
  if (frames_.empty()) {
    root_ = node;
    return node;
  }
  Frame& frame = frames_.back();
  if (frame.last == nullptr) {
    frame.node->first = node;
  } else {
    frame.last->next = node;
  }
  frame.last = node;
  ++frame.node->count;
  if (frame.node->kind == Node::Kind::kMap) {
    if (frame.node->count > limits_.map_fields) {
      Fail(place, fmt::format("found more than {0} fields in one map, at most {0} are allowed",
                              limits_.map_fields));
      return nullptr;
    }
    node->key = frame.key;
    node->key_place = frame.key_place;
    frame.wants_key = true;
  }
  return node;
}

bool Builder::Open(Node::Kind kind, Place place) {
  if (wants_key()) {
    return Fail(place, "found a map or list as a key, a string is allowed");
  }
  if (frames_.size() >= limits_.depth) {
    return Fail(place, fmt::format("found maps and lists nested deeper than {0} levels, at most "
                                   "{0} are allowed",
                                   limits_.depth));
  }
  Node* node = Add(place);
  if (node == nullptr) {
    return false;
  }
  node->kind = kind;
  frames_.push_back({.node = node, .wants_key = kind == Node::Kind::kMap});
  return true;
}

bool Builder::Close() {
  const Frame& frame = frames_.back();
  if (frame.merges && !Merge(frame)) {
    return false;
  }
  Node& node = *frame.node;
  std::uint16_t height = 0;
  node.size = 1;
  node.bytes = 0;
  for (const Node* child = node.first; child != nullptr; child = child->next) {
    node.size += child->size;
    node.bytes += child->key.size() + child->bytes;
    height = std::max(height, child->height);
  }
  node.height = static_cast<std::uint16_t>(height + 1);
  if (node.kind == Node::Kind::kMap) {
    CheckDuplicates(node);
  }
  frames_.pop_back();
  return true;
}

bool Builder::Key(std::string_view text, Place place) {
  Frame& frame = frames_.back();
  frame.key = Keep(text);
  frame.key_place = place;
  frame.wants_key = false;
  return true;
}

bool Builder::MergeKey(Place place) {
  frames_.back().merges = true;
  return Key("<<", place);
}

bool Builder::AddScalar(Node::Kind kind, std::string_view text, std::string_view written,
                        Place place) {
  Node* node = Add(place);
  if (node == nullptr) {
    return false;
  }
  node->kind = kind;
  node->text = Keep(text);
  node->written = text == written ? node->text : Keep(written);
  node->bytes = text.size();
  return true;
}

bool Builder::AddAlias(const Node& target, Place place) {
  if (wants_key()) {
    return Fail(place, "found an alias as a key, a string is allowed");
  }
  if (++aliases_ > limits_.aliases) {
    return Fail(place, fmt::format("found more than {0} aliases, at most {0} are allowed",
                                   limits_.aliases));
  }
  if (IsOpen(target)) {
    return Fail(place, "found an alias inside the value that it names");
  }
  alias_nodes_ += target.size;
  if (alias_nodes_ > limits_.alias_nodes) {
    return Fail(place, fmt::format("found aliases that add {} values, at most {} are allowed",
                                   alias_nodes_, limits_.alias_nodes));
  }
  alias_bytes_ += target.bytes;
  if (alias_bytes_ > limits_.alias_bytes) {
    return Fail(place, fmt::format("found aliases that add {} bytes, at most {} are allowed",
                                   alias_bytes_, limits_.alias_bytes));
  }
  if (frames_.size() + target.height > limits_.depth) {
    return Fail(place, fmt::format("found maps and lists nested deeper than {0} levels, at most "
                                   "{0} are allowed",
                                   limits_.depth));
  }
  if (!CheckSize(target.size - 1, place)) {
    return false;
  }
  Node* node = Add(place);
  if (node == nullptr) {
    return false;
  }
  node->kind = target.kind;
  node->height = target.height;
  node->count = target.count;
  node->size = target.size;
  node->bytes = target.bytes;
  node->text = target.text;
  node->written = target.written;
  node->first = target.first;
  return true;
}

// Notes keys that are there twice, at their second place. Not more than a few of one map, so that a
// hostile one does not cost its square.
void Builder::CheckDuplicates(const Node& map) {
  constexpr std::size_t kFew = 12;
  if (problems_.size() >= limits_.diagnostics) {
    return;
  }
  names_.clear();
  for (const Node* child = map.first; child != nullptr; child = child->next) {
    names_.push_back(child->key);
  }
  std::ranges::sort(names_);
  std::size_t found = 0;
  for (auto twice = std::ranges::adjacent_find(names_); twice != names_.end() && found < kFew;
       ++found) {
    const std::string_view name = *twice;
    const Node* earlier = map.Find(name);
    const Node* later = earlier->next;
    while (later->key != name) {
      later = later->next;
    }
    std::string path = Path();
    path += (path.empty() ? "" : ".");
    path += Shown(name);
    problems_.push_back({.path = std::move(path),
                         .place = later->key_place,
                         .message = fmt::format("found this field twice, first in line {}",
                                                earlier->key_place.line),
                         .duplicate = true});
    const auto others = std::ranges::find_if(
        twice, names_.end(), [name](std::string_view other) { return other != name; });
    twice = std::ranges::adjacent_find(others, names_.end());
  }
}

std::optional<Problem> ReadDocuments(std::string_view text, TextFormat format,
                                     const ParseLimits& limits, const OnDocument& on_document) {
  if (text.size() > limits.bytes) {
    return Problem{.message = fmt::format("found {} bytes, at most {} are allowed", text.size(),
                                          limits.bytes)};
  }
  if (text.starts_with("\xEF\xBB\xBF")) {
    text.remove_prefix(3);
  }
  if (auto problem = CheckCharacters(text)) {
    return problem;
  }
  Builder builder(limits, on_document);
  int line = 1;
  while (format != TextFormat::kYaml && (format == TextFormat::kJson || LooksLikeJson(text))) {
    JsonEnd end{.offset = 0, .line = line};
    if (!ReadJson(text, builder, end)) {
      return builder.failure();
    }
    text.remove_prefix(end.offset);
    line = end.line;
    if (text.empty()) {
      return std::nullopt;
    }
    if (format == TextFormat::kJson || !text.starts_with("---")) {
      return Problem{.path = "",
                     .place = {.line = line, .column = 1},
                     .message = "found text after the end of a JSON value"};
    }
    format = TextFormat::kYaml;  // YAML reads JSON that follows "---" as well
  }
  ReadYaml(text, line, limits, builder);
  return builder.failure();
}

}  // namespace vsplit::parse
