// SPDX-License-Identifier: Apache-2.0
#include "fields.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "document.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kLabelValueRule =
    "at most 63 letters, digits, -, _ and . with a letter or digit at both ends are allowed";
constexpr std::string_view kLabelKeyRule =
    "at most 63 letters, digits, -, _ and . with a letter or digit at both ends are allowed, after "
    "an optional DNS name and /";

void ReadWhole(const At& at, std::int64_t least, std::int64_t most, std::int64_t& out) {
  const std::optional<std::int64_t> value = WholeNumber(at.node());
  const Node::Kind kind = at.node().kind;
  if ((kind == Node::Kind::kInteger || kind == Node::Kind::kFloat) && value && *value >= least &&
      *value <= most) {
    out = *value;
    return;
  }
  at.NotAllowed(fmt::format("an integer from {} to {} is allowed", least, most));
}

template <auto is_key, auto is_value>
void ReadCheckedLabels(const At& at, Labels& out) {
  ReadStringMap(at, out);
  if (at.node().kind != Node::Kind::kMap) {
    return;
  }
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    const At entry = at.Entry(*child);
    if (!is_key(child->key)) {
      entry.ErrorAtKey(fmt::format("found key \"{}\", {}", child->key, kLabelKeyRule));
    }
    if (child->kind == Node::Kind::kString && !is_value(child->text)) {
      entry.NotAllowed(kLabelValueRule);
    }
  }
}

}  // namespace

void Report::Add(std::string path, Place place, std::string message, Diagnostic::Severity severity,
                 Diagnostic::Reason reason) {
  const bool error = severity == Diagnostic::Severity::kError;
  failed = failed || error;
  if (error ? Full() : warnings >= warning_limit) {
    return;
  }
  ++(error ? errors : warnings);
  diagnostics.push_back({.severity = severity,
                         .object = object,
                         .path = std::move(path),
                         .line = place.line,
                         .column = place.column,
                         .message = std::move(message),
                         .source = source,
                         .reason = reason});
}

std::string At::Path() const {
  std::vector<const At*> way;
  for (const At* at = this; at->parent_ != nullptr; at = at->parent_) {
    way.push_back(at);
  }
  std::string path;
  std::ranges::reverse(way);
  for (const At* at : way) {
    if (at->step_ == Step::kItem) {
      path += fmt::format("[{}]", at->index_);
    } else if (at->step_ == Step::kEntry) {
      path += fmt::format("[{}]", Shown(at->name()));
    } else {
      path += (path.empty() ? "" : ".");
      path += Shown(at->name());
    }
  }
  return path;
}

std::string At::Path(std::string_view field) const {
  std::string path = Path();
  path += (path.empty() ? "" : ".");
  path += field;
  return path;
}

std::string At::Found() const {
  switch (node_->kind) {
    case Node::Kind::kString: {
      std::string text;
      AppendJsonString(text, Shown(node_->text));
      return text;
    }
    case Node::Kind::kBool:
      return fmt::format("boolean {}", node_->written);
    case Node::Kind::kInteger:
    case Node::Kind::kFloat:
      return std::string(Shown(node_->written));
    case Node::Kind::kNull:
      return "null";
    case Node::Kind::kList:
      return "a list";
    case Node::Kind::kMap:
      return "a map";
  }
  return "";
}

void At::Error(std::string message) const {
  report_->Add(Path(), node_->place, std::move(message));
}

void At::ErrorAtKey(std::string message) const {
  report_->Add(Path(), node_->key_place, std::move(message));
}

void At::Unknown(std::string message) const {
  const FieldValidation validation = report_->unknown;
  if (validation != FieldValidation::kStrict) {
    report_->dropped.push_back(node_);
  }
  if (validation != FieldValidation::kIgnore) {
    report_->Add(Path(), node_->key_place, std::move(message),
                 validation == FieldValidation::kWarn ? Diagnostic::Severity::kWarning
                                                      : Diagnostic::Severity::kError,
                 Diagnostic::Reason::kUnknownField);
  }
}

void At::Warn(std::string message) const {
  report_->Add(Path(), node_->place, std::move(message), Diagnostic::Severity::kWarning);
}

void At::WarnAtKey(std::string message) const {
  report_->Add(Path(), node_->key_place, std::move(message), Diagnostic::Severity::kWarning);
}

void At::Missing(std::string_view field) const {
  report_->Add(Path(field), node_->place, "missing, it is required", Diagnostic::Severity::kError,
               Diagnostic::Reason::kMissing);
}

void At::NotAllowed(std::string_view allowed) const {
  Error(fmt::format("found {}, {}", Found(), allowed));
}

void At::WrongKind(Node::Kind wanted) const {
  const bool number = node_->kind == Node::Kind::kInteger || node_->kind == Node::Kind::kFloat;
  const bool quotable =
      wanted == Node::Kind::kString && (number || node_->kind == Node::Kind::kBool);
  report_->Add(Path(), node_->place,
               fmt::format("found {}{}, a {} is allowed{}", number ? "number " : "", Found(),
                           NameOf(wanted), quotable ? "; quote it" : ""),
               Diagnostic::Severity::kError, Diagnostic::Reason::kType);
}

bool At::Is(Node::Kind wanted) const {
  if (node_->kind != wanted) {
    WrongKind(wanted);
    return false;
  }
  return true;
}

bool At::IsAbsent() const {
  // What Istio's CustomResourceDefinitions declare nullable.
  constexpr std::string_view kNullable =
      "aggression allowCredentials consecutive5xxErrors consecutiveGatewayErrors "
      "consecutiveLocalOriginFailures enabled insecureSkipVerify minClusterSize minimumPercent "
      "mirrorPercent mirror_percent percent retryIgnorePreviousHosts retryRemoteLocalities";
  if (node_->is_null() && report_->strict_nulls && !IsListed(name(), kNullable)) {
    Error("found null, leave the field out instead");
  }
  return node_->is_null();
}

std::vector<std::string_view> SplitNames(std::string_view names) {
  std::vector<std::string_view> split;
  while (!names.empty()) {
    const std::size_t end = std::min(names.find(' '), names.size());
    split.push_back(names.substr(0, end));
    names.remove_prefix(std::min(end + 1, names.size()));
  }
  return split;
}

bool IsListed(std::string_view name, std::string_view names) {
  for (std::size_t at = names.find(name); at != std::string_view::npos && !name.empty();
       at = names.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    if ((at == 0 || names[at - 1] == ' ') && (end == names.size() || names[end] == ' ')) {
      return name.find(' ') == std::string_view::npos;
    }
  }
  return false;
}

void UnknownField(const At& at, std::vector<std::string_view> known) {
  constexpr std::size_t kFew = 16;
  const std::string_view nearest = Nearest(at.name(), known);
  if (!nearest.empty()) {
    at.Unknown(fmt::format("unknown field, did you mean \"{}\"?", nearest));
  } else if (known.size() <= kFew) {
    std::ranges::sort(known);
    at.Unknown(fmt::format("unknown field, allowed are {}", fmt::join(known, ", ")));
  } else {
    at.Unknown("unknown field");
  }
}

void RequireField(const At& at, std::string_view field) {
  if (at.node().kind == Node::Kind::kMap && at.node().Find(field) == nullptr) {
    at.Missing(field);
  }
}

void RequireSpec(const At& root) {
  const Node* spec = root.node().Find("spec");
  if (spec == nullptr || spec->is_null()) {
    root.Missing("spec");
  }
}

void ReadString(const At& at, std::string& out) {
  if (at.Is(Node::Kind::kString)) {
    out = at.node().text;
  }
}

void ReadBool(const At& at, bool& out) {
  if (at.Is(Node::Kind::kBool)) {
    out = at.node().text == "true";
  }
}

std::optional<std::int64_t> WholeNumber(const Node& node) {
  const char* const begin = node.text.data();
  const char* const end = begin + node.text.size();
  std::int64_t value = 0;
  if (const auto [stop, error] = std::from_chars(begin, end, value);
      error == std::errc() && stop == end) {
    return value;
  }
  // "80.0", which the Kubernetes API takes for an integer.
  constexpr double kExact = 9'007'199'254'740'992;  // above, not every integer is a double
  double number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end || std::floor(number) != number ||
      std::abs(number) > kExact) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(number);
}

void CheckInteger(const At& at, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  ReadWhole(at, least, most, value);
}

void ReadPort(const At& at, std::uint16_t& out) {
  std::int64_t value = out;
  ReadWhole(at, 1, std::numeric_limits<std::uint16_t>::max(), value);
  out = static_cast<std::uint16_t>(value);
}

void ReadInt32(const At& at, std::int32_t& out) {
  std::int64_t value = out;
  ReadWhole(at, 0, std::numeric_limits<std::int32_t>::max(), value);
  out = static_cast<std::int32_t>(value);
}

void ReadUint32(const At& at, std::uint32_t& out) {
  std::int64_t value = out;
  ReadWhole(at, 0, std::numeric_limits<std::uint32_t>::max(), value);
  out = static_cast<std::uint32_t>(value);
}

void ReadNumber(const At& at, double& out) {
  const Node& node = at.node();
  if (node.kind == Node::Kind::kInteger || node.kind == Node::Kind::kFloat) {
    std::from_chars(node.text.data(), node.text.data() + node.text.size(), out);
  } else {
    at.NotAllowed("a number is allowed");
  }
}

void ReadIp(const At& at, IpAddress& out) {
  if (!at.Is(Node::Kind::kString)) {
    return;
  }
  if (const auto address = ParseIpAddress(at.node().text)) {
    out = *address;
  } else {
    at.NotAllowed("an IP address is allowed");
  }
}

void ReadDuration(const At& at, std::chrono::milliseconds& out) {
  const bool is_string = at.node().kind == Node::Kind::kString;
  const auto duration = is_string ? ParseDuration(at.node().text) : std::nullopt;
  if (duration && *duration >= std::chrono::milliseconds(1)) {
    out = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
  } else {
    at.NotAllowed("a duration of at least 1ms, such as \"1.5s\" is allowed");
  }
}

void ReadStringMap(const At& at, Labels& out) {
  if (!at.Is(Node::Kind::kMap)) {
    return;
  }
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    InternedString& value = out[child->key];
    const At entry = at.Entry(*child);
    if (!entry.IsAbsent()) {  // else an empty string, as Kubernetes reads it
      ReadInto<ReadString>(entry, value);
    }
  }
}

void ReadLabels(const At& at, Labels& out) {
  ReadCheckedLabels<IsLabelKey, IsLabelValue>(at, out);
}

void ReadSelectorLabels(const At& at, Labels& out) {
  ReadCheckedLabels<IsHostLabelKey, IsLabelText>(at, out);
}

void ReadOneOf(const At& at, std::string_view allowed, std::string& out) {
  if (!at.Is(Node::Kind::kString)) {
    return;
  }
  if (IsListed(at.node().text, allowed)) {
    out = at.node().text;
  } else {
    at.NotAllowed(fmt::format("allowed are {}", fmt::join(SplitNames(allowed), ", ")));
  }
}

}  // namespace vsplit::parse
