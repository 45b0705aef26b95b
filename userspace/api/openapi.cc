// SPDX-License-Identifier: Apache-2.0
#include "openapi.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "json.h"
#include "render.h"
#include "text.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"

namespace vsplit {
namespace {

constexpr int kDeepest = 16;  // messages in messages; Istio's are at most 8

// "Needs the request, not enforced."
std::string Description(std::string_view unenforced) {
  std::string text(unenforced.empty() ? "enforced" : unenforced);
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text + ".";
}

Json ScalarSchema(std::string_view type) {
  if (type == "bool") {
    return {{"type", "boolean"}};
  }
  if (type == "number" || type == "percent") {
    return {{"type", "number"}};
  }
  if (type.find('|') != std::string_view::npos) {
    Json names = Json::array();
    while (!type.empty()) {
      names.push_back(TakeUntil(type, '|'));
    }
    return {{"type", "string"}, {"enum", std::move(names)}};
  }
  if (HasWord("string duration any_duration base64", type)) {
    return {{"type", "string"}};
  }
  return {{"type", "integer"}};
}

Json MessageSchema(std::string_view message, std::string_view unenforced, int depth);

// NOLINTNEXTLINE(misc-no-recursion): bounded by kDeepest
Json TypeSchema(std::string_view type, std::string_view unenforced, int depth) {
  if (type.starts_with('*')) {
    return {{"type", "array"}, {"items", TypeSchema(type.substr(1), unenforced, depth)}};
  }
  if (type.starts_with('%')) {
    return {{"type", "object"},
            {"additionalProperties", TypeSchema(type.substr(1), unenforced, depth)}};
  }
  return DescribeMessage(type).empty() ? ScalarSchema(type)
                                       : MessageSchema(type, unenforced, depth + 1);
}

// What is in a field that is not enforced is not enforced either.
// NOLINTNEXTLINE(misc-no-recursion): bounded by kDeepest
Json MessageSchema(std::string_view message, std::string_view unenforced, int depth) {
  Json schema = {{"type", "object"}};
  if (depth > kDeepest) {
    return schema;
  }
  Json required = Json::array();
  for (const FieldDescription& field : DescribeMessage(message)) {
    const std::string_view why = unenforced.empty() ? field.unenforced : unenforced;
    Json property = TypeSchema(field.type, why, depth);
    property["description"] = Description(why);
    schema["properties"][std::string(field.name)] = std::move(property);
    if (field.required) {
      required.push_back(field.name);
    }
  }
  if (!required.empty()) {
    schema["required"] = std::move(required);
  }
  return schema;
}

Json Parameters(const std::vector<std::string>& names) {
  Json parameters = Json::array();
  for (const std::string& name : names) {
    parameters.push_back({{"name", name}, {"in", "query"}, {"schema", {{"type", "string"}}}});
  }
  return parameters;
}

}  // namespace

Json SchemaOf(const KindInfo& info, std::string_view version) {
  Json schema = {{"type", "object"}};
  Json spec = MessageSchema(info.name, "", 0);
  if (spec.contains("properties")) {
    schema["description"] =
        "Read as Istio does, and decided when a connection begins. The description of each field "
        "says whether it is enforced.";
    schema["properties"] = {{"apiVersion", {{"type", "string"}}},
                            {"kind", {{"type", "string"}}},
                            {"metadata", {{"type", "object"}}},
                            {"spec", std::move(spec)},
                            {"status", {{"type", "object"}}}};
  } else {
    schema["description"] = "As in Kubernetes; what is read of it is checked when it is written.";
    schema["x-kubernetes-preserve-unknown-fields"] = true;
  }
  schema["x-kubernetes-group-version-kind"] = Json::array({GroupVersionKind(info, version)});
  return schema;
}

std::string ItemPath(const KindInfo& info, std::string_view version) {
  return (info.group.empty() ? "/api/" : "/apis/") + ApiVersion(info, version) +
         (info.namespaced ? "/namespaces/{namespace}/" : "/") + std::string(info.plural) +
         "/{name}";
}

namespace {

// "io.istio.networking" of "networking.istio.io".
std::string FromBehind(std::string_view name) {
  std::string words;
  while (!name.empty()) {
    const std::string word(TakeUntil(name, '.'));
    words = words.empty() ? word : word + "." + words;
  }
  return words;
}

}  // namespace

std::string SchemaName(const KindInfo& info, std::string_view version) {
  constexpr std::string_view kOwn = ".k8s.io";
  std::string group = "io.k8s.api.core";
  if (info.group.ends_with(kOwn)) {
    group = "io.k8s.api." + std::string(info.group.substr(0, info.group.size() - kOwn.size()));
  } else if (!info.group.empty()) {
    group = FromBehind(info.group);
  }
  return group + "." + std::string(version) + "." + std::string(info.name);
}

std::string OpenApiV3(std::string_view group, std::string_view version) {
  Json paths = Json::object();
  Json schemas = Json::object();
  for (const KindInfo& info : Kinds()) {
    if (info.group != group || !HasWord(info.versions, version)) {
      continue;
    }
    const std::string name = SchemaName(info, version);
    schemas[name] = SchemaOf(info, version);
    const Json responses = {
        {"200",
         {{"description", "OK"},
          {"content",
           {{"application/json", {{"schema", {{"$ref", "#/components/schemas/" + name}}}}}}}}}};
    paths[ItemPath(info, version)] = {
        {"get",
         {{"responses", responses},
          {"x-kubernetes-action", "get"},
          {"x-kubernetes-group-version-kind", GroupVersionKind(info, version)}}},
        {"patch",
         {{"parameters", Parameters({"dryRun", "fieldManager", "fieldValidation", "force"})},
          {"responses", responses},
          {"x-kubernetes-action", "patch"},
          {"x-kubernetes-group-version-kind", GroupVersionKind(info, version)}}}};
  }
  return Dump({{"openapi", "3.0.0"},
               {"info", {{"title", "vsplit"}, {"version", version}}},
               {"paths", std::move(paths)},
               {"components", {{"schemas", std::move(schemas)}}}});
}

}  // namespace vsplit
