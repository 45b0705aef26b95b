// SPDX-License-Identifier: Apache-2.0
#include "selector.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

using Operator = Requirement::Operator;

constexpr std::string_view kBlanks = " \t\r\n";
constexpr std::string_view kSpecial = "=!(),<>";

// The words and signs of a label selector, one after the other.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) { SkipBlanks(); }

  bool AtEnd() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  bool Take(std::string_view sign) {
    if (!rest_.starts_with(sign)) {
      return false;
    }
    rest_.remove_prefix(sign.size());
    SkipBlanks();
    return true;
  }

  // May be empty.
  std::string Word() {
    const std::size_t end =
        std::min({rest_.find_first_of(kBlanks), rest_.find_first_of(kSpecial), rest_.size()});
    std::string word(rest_.substr(0, end));
    rest_.remove_prefix(end);
    SkipBlanks();
    return word;
  }

 private:
  void SkipBlanks() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of(kBlanks), rest_.size()));
  }

  std::string_view rest_;
};

std::optional<std::int64_t> NumberOf(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

// "(a,b)"
bool ReadValues(Reader& reader, std::set<std::string>& values) {
  if (!reader.Take("(")) {
    return false;
  }
  do {
    values.insert(reader.Word());
  } while (reader.Take(","));
  return reader.Take(")");
}

// What comes behind a key; false: nothing that is known.
bool ReadOperator(Reader& reader, Requirement& requirement) {
  if (reader.AtEnd() || reader.rest().starts_with(',')) {
    requirement.is = Operator::kExists;
    return true;
  }
  if (reader.Take("!=")) {
    requirement.is = Operator::kNotIn;
  } else if (reader.Take("==") || reader.Take("=")) {
    requirement.is = Operator::kIn;
  } else if (reader.Take(">") || reader.rest().starts_with('<')) {
    requirement.is = reader.Take("<") ? Operator::kLess : Operator::kGreater;
  } else {
    const std::string word = reader.Word();
    requirement.is = word == "in" ? Operator::kIn : Operator::kNotIn;
    return (word == "in" || word == "notin") && ReadValues(reader, requirement.values);
  }
  const std::string value = reader.Word();
  requirement.values.insert(value);
  const bool compares = requirement.is == Operator::kGreater || requirement.is == Operator::kLess;
  return !compares || NumberOf(value).has_value();
}

bool Fulfils(const Requirement& requirement, const std::string* value) {
  switch (requirement.is) {
    case Operator::kIn:
      return value != nullptr && requirement.values.contains(*value);
    case Operator::kNotIn:
      return value == nullptr || !requirement.values.contains(*value);
    case Operator::kExists:
      return value != nullptr;
    case Operator::kAbsent:
      return value == nullptr;
    case Operator::kGreater:
    case Operator::kLess:
      break;
  }
  const auto number = value == nullptr ? std::nullopt : NumberOf(*value);
  const auto bound = NumberOf(*requirement.values.begin());
  return number && bound &&
         (requirement.is == Operator::kGreater ? *number > *bound : *number < *bound);
}

struct SelectableField {
  std::string_view name;
  std::string (*read)(const Object& object);
  std::optional<Kind> kind;  // none: of all kinds
};

template <auto member>
std::string PodField(const Object& object) {
  const auto* pod = object.spec.Find<Pod>();
  return pod == nullptr ? std::string() : (pod->*member).str();
}

std::string TypeOfService(const Object& object) {
  const auto* service = object.spec.Find<Service>();
  return service == nullptr ? std::string() : service->type.str();
}

std::string AddressOfService(const Object& object) {
  const auto* service = object.spec.Find<Service>();
  if (service == nullptr || service->headless || service->cluster_ips.empty()) {
    return service != nullptr && service->headless ? "None" : "";
  }
  return ToString(service->cluster_ips.front());
}

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kFields = std::to_array<SelectableField>({
    {"metadata.name", [](const Object& object) { return object.key.name.str(); }, std::nullopt},
    {"metadata.namespace", [](const Object& object) { return object.key.ns.str(); }, std::nullopt},
    {"spec.nodeName", PodField<&Pod::node_name>, Kind::kPod},
    {"status.phase", PodField<&Pod::phase>, Kind::kPod},
    {"spec.type", TypeOfService, Kind::kService},
    {"spec.clusterIP", AddressOfService, Kind::kService},
});
// NOLINTEND(modernize-use-designated-initializers)

const SelectableField* FindField(std::string_view name, Kind kind) {
  const auto* const found = std::ranges::find(kFields, name, &SelectableField::name);
  return found == std::end(kFields) || found->kind.value_or(kind) != kind ? nullptr : found;
}

// The value that begins at `at`, which is then where it ends.
std::string TakeValue(std::string_view text, std::size_t& at) {
  std::string value;
  for (; at < text.size() && text[at] != ','; ++at) {
    at += text[at] == '\\' && at + 1 < text.size() ? 1 : 0;
    value += text[at];
  }
  return value;
}

// The operator at `at`, "=", "==" or "!=", which is then behind it.
std::optional<Operator> TakeOperator(std::string_view text, std::size_t& at) {
  const std::string_view two = text.substr(at, 2);
  if (two != "!=" && !two.starts_with('=')) {
    return std::nullopt;
  }
  at += two == "!=" || two == "==" ? 2 : 1;
  return two == "!=" ? Operator::kNotIn : Operator::kIn;
}

// "a=b,c!=d"; a backslash takes the meaning from what follows it.
Outcome<std::vector<Requirement>> ParseFieldSelector(std::string_view text, const KindInfo& info) {
  std::vector<Requirement> requirements;
  std::size_t at = 0;
  while (at < text.size()) {
    Requirement requirement;
    while (at < text.size() && text[at] != ',' && text[at] != '=' && text.substr(at, 2) != "!=") {
      requirement.key += text[at++];
    }
    const std::optional<Operator> is = TakeOperator(text, at);
    std::string value = is ? TakeValue(text, at) : "";
    requirement.is = is.value_or(Operator::kIn);
    ++at;
    if (!is) {
      return BadRequest("invalid field selector \"" + std::string(text) +
                        "\", it is NAME=VALUE or NAME!=VALUE, several separated by commas");
    }
    if (FindField(requirement.key, info.kind) == nullptr) {
      return BadRequest("field label not supported: " + requirement.key);
    }
    requirement.values.insert(std::move(value));
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

// The syntax of Kubernetes: "a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2".
Outcome<std::vector<Requirement>> ParseLabelSelector(std::string_view text) {
  std::vector<Requirement> requirements;
  Reader reader(text);
  while (!reader.AtEnd()) {
    Requirement requirement;
    const bool absent = reader.Take("!");
    requirement.key = reader.Word();
    bool valid = !requirement.key.empty() && ReadOperator(reader, requirement);
    if (absent) {
      valid = valid && requirement.is == Operator::kExists;
      requirement.is = Operator::kAbsent;
    }
    if (!valid || (!reader.AtEnd() && (!reader.Take(",") || reader.AtEnd()))) {
      return BadRequest("unable to parse the label selector \"" + std::string(text) +
                        "\": near \"" + std::string(reader.rest()) +
                        R"("; such as "a=b,c!=d,e in (f,g),h,!i" is allowed)");
    }
    requirements.push_back(std::move(requirement));
  }
  return requirements;
}

}  // namespace

bool Selector::Matches(const Object& object) const {
  return std::ranges::all_of(labels,
                             [&object](const Requirement& requirement) {
                               const auto found = object.labels.find(requirement.key);
                               return Fulfils(requirement, found == object.labels.end()
                                                               ? nullptr
                                                               : &found->second.str());
                             }) &&
         std::ranges::all_of(fields, [&object](const Requirement& requirement) {
           const SelectableField* field = FindField(requirement.key, object.kind());
           const std::string value = field == nullptr ? std::string() : field->read(object);
           return Fulfils(requirement, &value);
         });
}

Outcome<Selector> ParseSelector(const Call& call, const KindInfo& info) {
  Outcome<std::vector<Requirement>> labels = ParseLabelSelector(call.Query("labelSelector"));
  if (!labels) {
    return tl::unexpected(std::move(labels.error()));
  }
  Outcome<std::vector<Requirement>> fields = ParseFieldSelector(call.Query("fieldSelector"), info);
  if (!fields) {
    return tl::unexpected(std::move(fields.error()));
  }
  return Selector{.labels = *std::move(labels), .fields = *std::move(fields)};
}

}  // namespace vsplit
