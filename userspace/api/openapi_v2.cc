// SPDX-License-Identifier: Apache-2.0
// OpenAPI v2 in protobuf, which kubectl before 1.27 validates and explains by, and learns from what
// can be tried without being done. Numbers of the fields: openapi.v2.Document of
// github.com/google/gnostic-models (openapiv2/OpenAPIv2.proto).
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "json.h"
#include "openapi.h"
#include "text.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"

namespace vsplit {
namespace {

enum class Number : std::uint32_t {
  kDocumentSwagger = 1,
  kDocumentInfo = 2,
  kDocumentPaths = 8,
  kDocumentDefinitions = 9,
  kInfoTitle = 1,
  kInfoVersion = 2,
  kPathsPath = 2,
  kNamedName = 1,
  kNamedValue = 2,
  kPathItemPatch = 8,
  kOperationParameters = 8,
  kOperationExtension = 13,
  kItemParameter = 1,
  kParameterNonBody = 2,
  kNonBodyQuery = 3,
  kQueryIn = 2,
  kQueryName = 4,
  kQueryType = 6,
  kAnyYaml = 2,
  kDefinitionsSchema = 1,
  kSchemaDescription = 4,
  kSchemaRequired = 19,
  kSchemaAdditional = 21,
  kSchemaType = 22,
  kSchemaItems = 23,
  kSchemaProperties = 25,
  kSchemaExtension = 31,
  kFirst = 1,  // the one field of a wrapper
};

std::string Varint(std::size_t number) {
  constexpr std::size_t kLow = 0x7f;
  std::string bytes;
  while (number > kLow) {
    bytes += static_cast<char>((number & kLow) | (kLow + 1));
    number >>= 7U;
  }
  return bytes + static_cast<char>(number);
}

// A text or message: its number, its length, its bytes.
std::string Field(Number number, std::string_view value) {
  constexpr std::size_t kDelimited = 2;
  std::string bytes = Varint(static_cast<std::size_t>(number) << 3U | kDelimited);
  bytes += Varint(value.size());
  bytes += value;
  return bytes;
}

std::string Named(std::string_view name, std::string_view value) {
  return Field(Number::kNamedName, name) + Field(Number::kNamedValue, value);
}

std::string KindExtension(std::string_view yaml) {
  return Named("x-kubernetes-group-version-kind", Field(Number::kAnyYaml, yaml));
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the schema, whose depth openapi.cc bounds
std::string Schema(const Json& schema) {
  std::string bytes;
  if (schema.contains("description")) {
    bytes += Field(Number::kSchemaDescription, schema["description"].get<std::string>());
  }
  if (schema.contains("required")) {
    for (const Json& name : schema["required"]) {
      bytes += Field(Number::kSchemaRequired, name.get<std::string>());
    }
  }
  if (schema.contains("additionalProperties")) {
    bytes += Field(Number::kSchemaAdditional,
                   Field(Number::kFirst, Schema(schema["additionalProperties"])));
  }
  bytes += Field(Number::kSchemaType, Field(Number::kFirst, schema["type"].get<std::string>()));
  if (schema.contains("items")) {
    bytes += Field(Number::kSchemaItems, Field(Number::kFirst, Schema(schema["items"])));
  }
  if (schema.contains("properties")) {
    std::string properties;
    for (const auto& [name, property] : schema["properties"].items()) {
      properties += Field(Number::kFirst, Named(name, Schema(property)));
    }
    bytes += Field(Number::kSchemaProperties, properties);
  }
  return bytes;
}

std::string Definition(const KindInfo& info, std::string_view version) {
  const std::string kind = "- group: '" + std::string(info.group) +
                           "'\n  kind: " + std::string(info.name) +
                           "\n  version: " + std::string(version) + "\n";
  return Named(SchemaName(info, version), Schema(SchemaOf(info, version)) +
                                              Field(Number::kSchemaExtension, KindExtension(kind)));
}

// The path with what kubectl looks for: that a patch can be tried.
std::string PathItem(const KindInfo& info, std::string_view version) {
  const std::string kind = "group: '" + std::string(info.group) +
                           "'\nkind: " + std::string(info.name) +
                           "\nversion: " + std::string(version) + "\n";
  const std::string query = Field(Number::kQueryIn, "query") + Field(Number::kQueryName, "dryRun") +
                            Field(Number::kQueryType, "string");
  const std::string parameter =
      Field(Number::kItemParameter,
            Field(Number::kParameterNonBody, Field(Number::kNonBodyQuery, query)));
  const std::string operation = Field(Number::kOperationParameters, parameter) +
                                Field(Number::kOperationExtension, KindExtension(kind));
  return Named(ItemPath(info, version), Field(Number::kPathItemPatch, operation));
}

}  // namespace

std::string OpenApiV2() {
  std::string paths;
  std::string definitions;
  for (const KindInfo& info : Kinds()) {
    std::string_view versions = info.versions;
    while (!versions.empty()) {
      const std::string_view version = TakeUntil(versions, ' ');
      paths += Field(Number::kPathsPath, PathItem(info, version));
      if (!DescribeMessage(info.name).empty()) {  // kubectl knows the others itself
        definitions += Field(Number::kDefinitionsSchema, Definition(info, version));
      }
    }
  }
  return Field(Number::kDocumentSwagger, "2.0") +
         Field(Number::kDocumentInfo,
               Field(Number::kInfoTitle, "vsplit") + Field(Number::kInfoVersion, "v1")) +
         Field(Number::kDocumentPaths, paths) + Field(Number::kDocumentDefinitions, definitions);
}

}  // namespace vsplit
