// SPDX-License-Identifier: Apache-2.0
#include "item.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {
namespace {

using Json = nlohmann::ordered_json;  // a spec comes back in the order in which it was given

constexpr std::size_t kMessageBytes = 300;
constexpr const char* kInitialEnd = "k8s.io/initial-events-end";
// A copy of the whole object, which kubectl keeps in it.
constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

// Of the kinds that Kubernetes itself owns only what vsplit reads is kept: a newer server may have
// fields that are not known here, and Pods are ten times as large as what is read of them.
struct Kept {
  Kind kind;
  const char* part;  // of the object
  std::string_view fields;
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr Kept kKept[] = {
    {Kind::kNamespace, "spec", ""},
    {Kind::kNamespace, "status", ""},
    {Kind::kNode, "spec", ""},
    {Kind::kNode, "status", ""},
    {Kind::kPod, "spec", " nodeName hostNetwork "},
    {Kind::kPod, "status", " phase conditions podIP podIPs "},
    {Kind::kService, "spec",
     " type clusterIP clusterIPs externalName ports selector internalTrafficPolicy "
     "trafficDistribution publishNotReadyAddresses ipFamilies ipFamilyPolicy "},
    {Kind::kService, "status", ""},
};
// NOLINTEND(modernize-use-designated-initializers)
constexpr std::string_view kKeptMetadata =
    " name namespace uid resourceVersion generation creationTimestamp deletionTimestamp labels "
    "annotations ";

bool IsListed(std::string_view fields, const std::string& field) {
  return fields.find(" " + field + " ") != std::string_view::npos;
}

void KeepOnly(Json& map, std::string_view fields) {
  if (!map.is_object()) {
    return;
  }
  Json kept = Json::object();
  for (auto& [name, value] : map.items()) {
    if (IsListed(fields, name)) {
      kept[name] = std::move(value);
    }
  }
  map = std::move(kept);
}

void Trim(Kind kind, Json& object) {
  if (const auto metadata = object.find("metadata"); metadata != object.end()) {
    KeepOnly(*metadata, kKeptMetadata);
    const auto annotations = metadata->find("annotations");
    if (annotations != metadata->end() && annotations->is_object()) {
      annotations->erase(kLastApplied);
    }
  }
  for (const Kept& kept : kKept) {
    const auto part = object.find(kept.part);
    if (kept.kind == kind && part != object.end()) {
      KeepOnly(*part, kept.fields);
    }
  }
}

std::string TextAt(const Json& map, const char* field) {
  const auto found = map.is_object() ? map.find(field) : map.end();
  return map.is_object() && found != map.end() && found->is_string() ? found->get<std::string>()
                                                                     : std::string{};
}

const Json& MetadataOf(const Json& object) {
  static const Json none = Json::object();
  const auto metadata = object.find("metadata");
  return metadata != object.end() && metadata->is_object() ? *metadata : none;
}

// The items of a core kind's list say neither apiVersion nor kind.
void SayKind(Kind kind, Json& object) {
  const KindInfo& info = InfoOf(kind);
  if (!object.contains("kind")) {
    object["kind"] = info.name;
    object["apiVersion"] = ApiVersion(info, PreferredVersion(info));
  }
}

Version VersionOf(const Json& object) {
  const Json& metadata = MetadataOf(object);
  const auto generation = metadata.find("generation");
  const bool given = generation != metadata.end() && generation->is_number_integer();
  return {.generation = given ? generation->get<std::int64_t>() : 1,
          .uid = TextAt(metadata, "uid"),
          .creation_timestamp = TextAt(metadata, "creationTimestamp")};
}

Item NameOf(Kind kind, const Json& object) {
  const Json& metadata = MetadataOf(object);
  return {
      .key = {.kind = kind, .ns = TextAt(metadata, "namespace"), .name = TextAt(metadata, "name")},
      .server = {.resource_version = TextAt(metadata, "resourceVersion"),
                 .version = VersionOf(object)}};
}

Item ReadItem(Kind kind, Json object) {
  Item item = NameOf(kind, object);
  if (const auto status = object.find("status"); IsRule(kind) && status != object.end()) {
    item.server.status = status->dump();
    object.erase(status);
  }
  SayKind(kind, object);
  Trim(kind, object);
  ParseResult parsed = Parse(object.dump(), {.format = TextFormat::kJson});
  item.diagnostics = std::move(parsed.diagnostics);
  if (parsed.objects.size() == 1 && parsed.objects.front().key == item.key) {
    item.object = std::move(parsed.objects.front());
    item.object->version = item.server.version;
  }
  return item;
}

// What is taken of a text while it is read. Writing a value takes stack for each level of it, and
// adding a field to a map looks at those before it.
class Bounds {
 public:
  // Whether the value is kept; for a key, whether what follows is.
  bool Keeps(std::size_t depth, Json::parse_event_t event, const Json& value) {
    if (event == Json::parse_event_t::key) {
      return KeepsField(depth, value);
    }
    if (event != Json::parse_event_t::object_start && event != Json::parse_event_t::array_start) {
      return true;
    }
    fields_.resize(depth + 1);
    fields_[depth] = 0;
    const bool is_item = depth == 2 && in_items_ && event == Json::parse_event_t::object_start;
    items_ += is_item ? 1 : 0;
    return depth <= kDepth ||
           Breaks(fmt::format("nested deeper than the {} levels that are read", kDepth));
  }

  // Why an item of a list, or the object of an event, which is 0, is not all there; null: it is.
  const std::string* WhyBroken(std::size_t item) const {
    const auto found = broken_.find(item);
    return found == broken_.end() ? nullptr : &found->second;
  }

 private:
  static constexpr std::size_t kDepth = 66;  // of an object 64, which is what Parse reads
  static constexpr std::size_t kFields = 4'096;

  // The map that the key is in began one level above.
  bool KeepsField(std::size_t depth, const Json& key) {
    if (depth == 1) {
      in_items_ = key == "items";
    }
    // Most of many objects, and never read.
    if (key == "managedFields") {
      return false;
    }
    return ++fields_[depth - 1] <= kFields ||
           Breaks(fmt::format("a map of more than the {} fields that are read", kFields));
  }

  bool Breaks(std::string why) {
    broken_.emplace(items_ == 0 ? 0 : items_ - 1, std::move(why));
    return false;
  }

  std::vector<std::size_t> fields_;  // of the maps around the present place, by depth
  bool in_items_ = false;            // of a list
  std::size_t items_ = 0;            // of a list, begun
  std::map<std::size_t, std::string> broken_;
};

Json ReadJson(std::string_view text, Bounds& bounds) {
  return Json::parse(
      text,
      [&bounds](int depth, Json::parse_event_t event, Json& value) {
        return bounds.Keeps(static_cast<std::size_t>(depth), event, value);
      },
      false);
}

Item ReadItem(Kind kind, Json object, const std::string* why_broken) {
  if (why_broken == nullptr) {
    return ReadItem(kind, std::move(object));
  }
  Item item = NameOf(kind, object);
  item.diagnostics.push_back({.object = ToString(item.key), .message = *why_broken});
  return item;
}

tl::unexpected<Error> Unreadable(std::string_view what, std::string_view text) {
  return Fail("the server sent no " + std::string(what) + ", but \"" + MessageOf(text) + "\"");
}

}  // namespace

Result<Event> ReadEvent(Kind kind, std::string_view line) {
  Bounds bounds;
  Json json = ReadJson(line, bounds);
  const auto object = json.is_object() ? json.find("object") : json.end();
  if (!json.is_object() || object == json.end() || !object->is_object()) {
    return Unreadable("event", line);
  }
  const std::string type = TextAt(json, "type");
  Event event;
  if (type == "ERROR") {
    const auto code = object->find("code");
    event.code = code != object->end() && code->is_number_unsigned() ? code->get<unsigned>() : 0;
    event.message = TextAt(*object, "message");
    return event;
  }
  event.resource_version = TextAt(MetadataOf(*object), "resourceVersion");
  if (type == "BOOKMARK") {
    event.type = Event::Type::kBookmark;
    const Json& metadata = MetadataOf(*object);
    const auto annotations = metadata.find("annotations");
    event.initial_end =
        annotations != metadata.end() && TextAt(*annotations, kInitialEnd) == "true";
  } else if (type == "ADDED" || type == "MODIFIED") {
    event.type = Event::Type::kChanged;
    event.item = ReadItem(kind, std::move(*object), bounds.WhyBroken(0));
  } else if (type == "DELETED") {
    event.type = Event::Type::kDeleted;
    event.item = NameOf(kind, *object);
  } else {
    return Unreadable("event of a known type", line);
  }
  return event;
}

Result<Page> ReadPage(Kind kind, std::string_view body) {
  Bounds bounds;
  Json json = ReadJson(body, bounds);
  if (!json.is_object() || !json.contains("items")) {
    return Unreadable("list", body);
  }
  const Json& metadata = MetadataOf(json);
  Page page{.resource_version = TextAt(metadata, "resourceVersion"),
            .next = TextAt(metadata, "continue")};
  if (page.resource_version.empty()) {
    return Unreadable("list with a resourceVersion", body);
  }
  Json& items = json["items"];
  if (items.is_null()) {
    return page;  // how Go writes a list without elements
  }
  if (!items.is_array()) {
    return Unreadable("list of items", body);
  }
  page.items.reserve(items.size());
  for (Json& item : items) {
    if (!item.is_object()) {
      return Unreadable("list of objects", body);
    }
    const std::string* why_broken = bounds.WhyBroken(page.items.size());
    page.items.push_back(ReadItem(kind, std::move(item), why_broken));
  }
  return page;
}

bool IsRule(Kind kind) {
  return kind == Kind::kVirtualService || kind == Kind::kDestinationRule;
}

std::string MessageOf(std::string_view body) {
  Bounds bounds;
  const Json json = ReadJson(body, bounds);
  std::string message = TextAt(json, "message");
  if (message.empty()) {
    message = body.substr(0, kMessageBytes);
  }
  message.resize(std::min(message.size(), kMessageBytes));
  std::ranges::replace_if(message, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return message;
}

}  // namespace vsplit::kubernetes
