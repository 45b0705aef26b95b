// SPDX-License-Identifier: Apache-2.0
// Nodes to typed values, driven by tables of fields. Everything that is wrong is noted with its
// path and place, and reading goes on.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "document.h"
#include "supported.h"
#include "vsplit/address.h"
#include "vsplit/boxed.h"
#include "vsplit/interned_string.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit::parse {

// What is found in one object.
struct Report {
  std::string object;  // "VirtualService default/fleetman"
  std::string source;
  std::size_t limit = 0;          // of errors; more are not kept
  std::size_t warning_limit = 0;  // of warnings, likewise
  Diagnostics diagnostics;
  std::size_t errors = 0, warnings = 0;  // among them
  bool failed = false;
  bool strict_nulls = false;  // null stands for an absent field in few places only
  FieldValidation unknown = FieldValidation::kStrict;
  std::vector<const Node*> dropped;  // fields that are not known, where that is no error

  bool Full() const { return errors >= limit; }

  void Add(std::string path, Place place, std::string message,
           Diagnostic::Severity severity = Diagnostic::Severity::kError,
           Diagnostic::Reason reason = Diagnostic::Reason::kInvalid);
};

// A value, and the way from the top of its document to it. Lives on the stack, costs nothing until
// a path is asked for.
class At {
 public:
  At(Report& report, const Node& node) : report_(&report), node_(&node) {}

  At Field(const Node& child) const { return {this, child, Step::kField, 0}; }  // of a message
  At Entry(const Node& child) const { return {this, child, Step::kEntry, 0}; }  // of free keys
  At Item(const Node& child, std::size_t index) const { return {this, child, Step::kItem, index}; }

  const Node& node() const { return *node_; }
  std::string_view name() const { return node_->key; }
  Report& report() const { return *report_; }

  std::string Path() const;                        // "spec.http[0].route[1].weight"
  std::string Path(std::string_view field) const;  // of a field in here, present or not
  std::string Found() const;                       // "\"abc\"", "-10", "boolean on", "a list"

  // These go to the report with path and place.
  void Error(std::string message) const;
  void ErrorAtKey(std::string message) const;
  void Unknown(std::string message) const;  // the field is one that nobody knows
  void Warn(std::string message) const;
  void WarnAtKey(std::string message) const;
  void Missing(std::string_view field) const;
  void NotAllowed(std::string_view allowed) const;  // "found X, <allowed>"
  void WrongKind(Node::Kind wanted) const;  // "found number 1, a string is allowed; quote it"
  bool Is(Node::Kind wanted) const;         // otherwise notes WrongKind
  // Whether the value is null, which is as if the field were not there; noted where it may not be.
  bool IsAbsent() const;

 private:
  enum class Step : std::uint8_t { kRoot, kField, kEntry, kItem };
  At(const At* parent, const Node& node, Step step, std::size_t index)
      : report_(parent->report_), node_(&node), parent_(parent), step_(step), index_(index) {}

  Report* report_;
  const Node* node_;
  const At* parent_ = nullptr;
  Step step_ = Step::kRoot;
  std::size_t index_ = 0;
};

// With constructors, so that the tables need no names in front of every value.
template <class T>
struct Field {
  constexpr Field(std::string_view field, void (*reader)(const At& at, T& out))
      : name(field), read(reader) {}

  std::string_view name;
  void (*read)(const At& at, T& out);  // null: of no consequence
};

// A message or struct of an API: its name in supported.cc, the fields that are read, and the names
// of all others, which are known and of no consequence here, separated by blanks.
template <class T>
struct Shape {
  constexpr Shape(std::string_view name, std::span<const Field<T>> read, std::string_view names)
      : message(name), fields(read), others(names) {}

  std::string_view message;
  std::span<const Field<T>> fields;
  std::string_view others;
};

bool IsListed(std::string_view name, std::string_view names);
std::vector<std::string_view> SplitNames(std::string_view names);
void UnknownField(const At& at, std::vector<std::string_view> known);

template <class T>
void ReadMap(const At& at, const Shape<T>& shape, T& out) {
  if (!at.Is(Node::Kind::kMap)) {
    return;
  }
  const std::span<const Unenforced> unenforced = UnenforcedFieldsOf(shape.message);
  for (const Node* child = at.node().first; child != nullptr && !at.report().Full();
       child = child->next) {
    const At field = at.Field(*child);
    const Field<T>* known = nullptr;
    for (const Field<T>& candidate : shape.fields) {
      known = candidate.name == child->key ? &candidate : known;
    }
    if (known == nullptr && !IsListed(child->key, shape.others)) {
      std::vector<std::string_view> names = SplitNames(shape.others);
      for (const Field<T>& candidate : shape.fields) {
        names.push_back(candidate.name);
      }
      UnknownField(field, std::move(names));
      continue;
    }
    if (field.IsAbsent()) {
      continue;
    }
    WarnIfUnenforced(unenforced, field);
    if (known != nullptr && known->read != nullptr) {
      known->read(field, out);
    }
  }
}

// A reader for a map that has its shape only.
template <class T, const Shape<T>& shape>
void Message(const At& at, T& out) {
  ReadMap(at, shape, out);
}

// Notes a field that is missing from a map.
void RequireField(const At& at, std::string_view field);
void RequireSpec(const At& root);  // of a document

void ReadString(const At& at, std::string& out);
void ReadBool(const At& at, bool& out);
void CheckInteger(const At& at, std::int64_t least, std::int64_t most);
void ReadPort(const At& at, std::uint16_t& out);    // 1 ... 65535
void ReadInt32(const At& at, std::int32_t& out);    // from 0
void ReadUint32(const At& at, std::uint32_t& out);  // from 0
void ReadNumber(const At& at, double& out);
void ReadIp(const At& at, IpAddress& out);
void ReadDuration(const At& at, std::chrono::milliseconds& out);  // at least 1 ms
void ReadStringMap(const At& at, Labels& out);                    // any keys and values
void ReadLabels(const At& at, Labels& out);          // with the syntax of Kubernetes labels
void ReadSelectorLabels(const At& at, Labels& out);  // Istio's: values of any length
// A string that has to be one of several, separated by blanks.
void ReadOneOf(const At& at, std::string_view allowed, std::string& out);

std::optional<std::int64_t> WholeNumber(const Node& node);

// Which member a pointer points to, and of what.
template <class>
struct MemberOf;
template <class C, class M>
struct MemberOf<M C::*> {
  using Class = C;
  using Type = M;
};
template <auto member>
using ClassOf = typename MemberOf<decltype(member)>::Class;

// A reader of values as a reader of one member. What reads a std::string reads the other kind, too.
template <auto read, class T>
void ReadInto(const At& at, T& out) {
  read(at, out);
}
template <auto read>
void ReadInto(const At& at, InternedString& out) {
  std::string text = out;
  read(at, text);
  out = text;
}

template <auto member, auto read>
void Into(const At& at, ClassOf<member>& out) {
  ReadInto<read>(at, out.*member);
}

template <class T, auto read>
void Optional(const At& at, std::optional<T>& out) {
  read(at, out.emplace());
}
template <class T, auto read>
void InBox(const At& at, Boxed<T>& out) {
  read(at, out.emplace());
}

template <class T, auto read>
void List(const At& at, std::vector<T>& out) {
  out.clear();  // a field that is there twice is a problem already
  if (!at.Is(Node::Kind::kList)) {
    return;
  }
  out.reserve(at.node().count);
  std::size_t index = 0;
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    read(at.Item(*child, index), out.emplace_back());
    ++index;
  }
}

}  // namespace vsplit::parse
