// SPDX-License-Identifier: Apache-2.0
// Text to trees of nodes with positions, the same for YAML and JSON, under limits that are checked
// while reading. The only place that knows yaml-cpp and the JSON library.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory_resource>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/parse.h"

namespace vsplit::parse {

// Line and column (in bytes), both from 1.
struct Place {
  int line = 0;
  int column = 0;
};

// A value. Nodes live as long as their document; aliases share the children of what they name, so
// the tree may be a graph, but never a cycle.
struct Node {
  enum class Kind : std::uint8_t { kNull, kBool, kInteger, kFloat, kString, kList, kMap };

  Kind kind = Kind::kNull;
  std::uint16_t height = 0;     // of the maps and lists in here, itself included
  std::uint32_t count = 0;      // of children
  std::uint64_t size = 1;       // nodes in here, itself included, aliases expanded
  std::uint64_t bytes = 0;      // of the keys and scalars in here, aliases expanded
  std::string_view key;         // when it is in a map
  std::string_view text;        // of a scalar: "true", "10", as JSON has it; strings unescaped
  std::string_view written;     // of a scalar: as the user wrote it
  const Node* first = nullptr;  // child
  const Node* next = nullptr;   // sibling
  Place place;
  Place key_place;

  bool is_null() const { return kind == Kind::kNull; }
  const Node* Find(std::string_view name) const;  // in a map; null when absent
};

// Something wrong with a document, short of making it unreadable.
struct Problem {
  std::string path;
  Place place;
  std::string message;
  bool duplicate = false;  // a field is there twice
};

// Takes one document. False: no more, please.
using OnDocument = std::function<bool(const Node& root, const std::vector<Problem>& problems)>;

// Reads document after document, until one cannot be read or goes beyond a limit: that problem is
// returned, and it ends the text.
std::optional<Problem> ReadDocuments(std::string_view text, TextFormat format,
                                     const ParseLimits& limits, const OnDocument& on_document);

// What YAML 1.1, as kubectl reads it, takes an unquoted scalar for. `text` is the value as JSON
// writes it, or the scalar itself for strings; infinities and NaN are floats without a text.
struct Scalar {
  Node::Kind kind = Node::Kind::kString;
  std::string text;
};
Scalar ResolvePlainScalar(std::string_view written);

// What a message shows of a text or key: not more than 200 bytes, so that a long one that many
// messages name does not cost its length each time.
std::string_view Shown(std::string_view text);

std::string_view NameOf(Node::Kind kind);  // "boolean", "number", "string", "list", ...

// As one compact JSON text, in the order of the fields, without those in `dropped`, which is
// sorted.
std::string ToJson(const Node& root, const std::vector<const Node*>& dropped = {});
void AppendJsonString(std::string& out, std::string_view text);

// Builds the nodes of one document after the other from what a reader of text finds. Every function
// returns false when reading has to end; failure() says why, unless the taker wanted no more.
class Builder {
 public:
  Builder(const ParseLimits& limits, const OnDocument& on_document);

  bool StartDocument(Place place);
  bool EndDocument();
  bool Open(Node::Kind kind, Place place);
  bool Close();
  bool Key(std::string_view text, Place place);
  bool MergeKey(Place place);  // YAML's "<<"
  bool AddScalar(Node::Kind kind, std::string_view text, std::string_view written, Place place);
  bool AddAlias(const Node& target, Place place);
  // Fails the text.
  bool Fail(Place place, std::string message);
  // Notes a problem of this document at the value that comes next.
  void AddProblem(Place place, std::string message);

  bool wants_key() const { return !frames_.empty() && frames_.back().wants_key; }
  bool IsOpen(const Node& node) const;
  const Node* last_added() const { return last_added_; }
  const std::optional<Problem>& failure() const { return failure_; }

 private:
  // A map or list that is not closed yet.
  struct Frame {
    Node* node;
    Node* last = nullptr;  // child
    std::string_view key;  // of the child that comes next
    Place key_place;
    bool wants_key = false;
    bool merges = false;  // has a key "<<"
  };

  Node* Add(Place place);
  std::string_view Keep(std::string_view text);
  bool CheckSize(std::uint64_t more, Place place);
  bool Merge(const Frame& frame);
  bool MergeFrom(const Node& source, std::set<std::string_view>& keys,
                 std::vector<const Node*>& entries);
  void CheckDuplicates(const Node& map);
  std::string Path() const;

  const ParseLimits& limits_;
  const OnDocument& on_document_;
  std::vector<std::byte> buffer_;  // so that small documents need no allocation of their own
  std::pmr::monotonic_buffer_resource arena_;
  std::vector<Frame> frames_;
  std::vector<Problem> problems_;
  std::vector<std::string_view> names_;  // reused by CheckDuplicates
  Node* root_ = nullptr;
  const Node* last_added_ = nullptr;
  std::optional<Problem> failure_;
  std::uint64_t documents_ = 0;
  std::uint64_t nodes_ = 0;  // in this text
  std::uint64_t aliases_ = 0;
  std::uint64_t alias_nodes_ = 0;
  std::uint64_t alias_bytes_ = 0;
};

// The two readers. `first_line` is the number of the text's first line. They give true when they
// have read everything, false when the builder ended it. ReadJson stops where a value is followed
// by something that is no JSON value, and gives in `end` how far it came.
bool ReadYaml(std::string_view text, int first_line, const ParseLimits& limits, Builder& builder);
struct JsonEnd {
  std::size_t offset = 0;
  int line = 1;
};
bool ReadJson(std::string_view text, Builder& builder, JsonEnd& end);

}  // namespace vsplit::parse
