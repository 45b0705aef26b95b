// SPDX-License-Identifier: Apache-2.0
#include "render.h"

#include <string>
#include <string_view>
#include <utility>

#include "json.h"
#include "metadata_rules.h"
#include "vsplit/objects.h"

namespace vsplit {

Json GroupVersionKind(const KindInfo& info, std::string_view version) {
  return {{"group", info.group}, {"version", version}, {"kind", info.name}};
}

std::string ResourceName(const KindInfo& info) {
  return info.group.empty() ? std::string(info.plural)
                            : std::string(info.plural) + "." + std::string(info.group);
}

bool HasGeneration(Kind kind) {
  return !InfoOf(kind).group.empty();
}

void FillIn(Kind kind, Json& document) {
  const auto ports = document.find("ports");  // of what is no map: the end
  if (kind != Kind::kEndpointSlice || ports == document.end() || !ports->is_array()) {
    return;
  }
  for (Json& port : *ports) {
    if (!port.is_object()) {
      continue;
    }
    for (const auto& [name, value] : {std::pair("name", ""), std::pair("protocol", "TCP")}) {
      if (Json& field = port[name]; field.is_null()) {
        field = value;
      }
    }
  }
}

void Activate(Kind kind, Json& document) {
  if (kind == Kind::kNamespace && document.is_object() &&
      document.value("status", Json()).empty()) {
    document["status"] = {{"phase", "Active"}};
  }
}

Json Render(const Object& object, const std::string& api_version, const std::string& status) {
  Json document = Json::parse(object.json.str(), nullptr, false);
  if (!document.is_object()) {  // an object without its text: what the store knows of it
    document = Json::object();
  }
  document["apiVersion"] = api_version;
  document["kind"] = InfoOf(object.kind()).name;
  Json& metadata = document["metadata"];
  if (!metadata.is_object()) {
    metadata = Json::object();
  }
  metadata["name"] = object.key.name;
  if (InfoOf(object.kind()).namespaced) {
    metadata["namespace"] = object.key.ns;
  }
  metadata["uid"] = object.version.uid.str();
  if (object.version.resource_version != 0) {
    metadata["resourceVersion"] = std::to_string(object.version.resource_version);
  }
  if (HasGeneration(object.kind())) {
    metadata["generation"] = object.version.generation;
  }
  metadata["creationTimestamp"] = object.version.creation_timestamp;
  FillIn(object.kind(), document);
  Activate(object.kind(), document);
  if (!status.empty()) {
    document["status"] =
        WholeStatus(document.value("status", Json()), Json::parse(status, nullptr, false));
  }
  return document;
}

}  // namespace vsplit
