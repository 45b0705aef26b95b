// SPDX-License-Identifier: Apache-2.0
// Text in, objects and everything that is wrong with it out. YAML 1.1 scalars as kubectl reads them
// (unquoted y, no, on are booleans), JSON through the same nodes. An unknown field is an error, as
// with kubectl --validate=strict; a field that is known and cannot be honoured is a warning that
// says why. Field rules: Istio's API protos, CRDs and validation, Kubernetes' API types.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// Beyond any of these the text is refused; the message says the limit and what was found.
struct ParseLimits {
  std::size_t bytes = 64u << 20;
  std::size_t documents = 200'000;
  std::size_t depth = 64;              // nesting of maps and lists
  std::size_t nodes = 5'000'000;       // after aliases are expanded
  std::size_t map_fields = 100'000;    // of one map
  std::size_t aliases = 1'000;         // in one text
  std::size_t alias_nodes = 100'000;   // nodes that aliases add in one text: a YAML bomb ends here
  std::size_t alias_bytes = 8u << 20;  // of their keys and scalars
  // Of one scalar, or one map or list in brackets, in YAML: all of it is looked at in one go.
  std::size_t yaml_token_bytes = 2u << 20;
  std::size_t diagnostics = 1'000;  // errors, where reading ends; warnings, of which more are lost
};

enum class TextFormat { kAny, kYaml, kJson };  // kAny: JSON if the first character is { or [

// What becomes of a field that nobody knows: an error; a warning, and the object is without it; or
// it is without it in silence.
enum class FieldValidation { kStrict, kWarn, kIgnore };

struct ParseOptions {
  ParseLimits limits;
  TextFormat format = TextFormat::kAny;
  std::string default_namespace = "default";  // for namespaced objects that name none
  std::string source;                         // file name for diagnostics
  // Of text that was accepted before: objects are given whatever is wrong with them by now.
  bool stored = false;
  FieldValidation field_validation = FieldValidation::kStrict;
};

// One document of the text, or one item of a List.
struct ParsedDocument {
  std::string kind, ns, name;      // as far as they could be read
  bool known = false;              // of a kind that is read, or of one that is misspelt
  bool valid = false;              // and so an object
  std::size_t first = 0, end = 0;  // which diagnostics are about it
};

struct ParseResult {
  std::vector<Object> objects;  // those without errors, in the order of the text
  Diagnostics diagnostics;      // all errors and warnings, in the order of the text
  std::vector<ParsedDocument> documents;
};

// Never throws, on any bytes. `kind: List` is read as its items.
ParseResult Parse(std::string_view text, const ParseOptions& options = {});

// One document of any form, with nothing known of what it means.
struct PlainDocument {
  std::string json;  // in the order of the fields; of a field that is there twice both are
  std::vector<std::string> duplicates;  // the paths of fields that are there twice
};

// The one document of a text. Fails on text that is neither, on anything that a limit forbids, on
// values that JSON has not, and on none or several documents.
Result<PlainDocument> ReadPlain(std::string_view text, TextFormat format,
                                const ParseLimits& limits = {});

// One field of a message of Istio's API, for who describes it.
struct FieldDescription {
  std::string_view name;
  // "string", "bool", "number", "percent", "duration", "any_duration", "base64", "int32", "count"
  // (from 0), "uint32", a range ("1-600"), the values of an enumeration ("V1|V2"), or a message;
  // "*" in front of it: a list of them, "%": a map with free keys to them.
  std::string_view type;
  bool required = false;
  std::string_view unenforced;  // why it is not; empty: it is
};

// The fields of the message ("VirtualService" is the spec of one); none: there is no such message.
std::vector<FieldDescription> DescribeMessage(std::string_view message);

// The JSON text as YAML, in the same order, two blanks deep, as `kubectl get -o yaml` prints it.
// The text must be JSON that Parse accepted or that this program wrote.
std::string JsonToYaml(std::string_view json);

}  // namespace vsplit
