// SPDX-License-Identifier: Apache-2.0
#include "item.h"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "scan.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {
namespace {

using Members = std::vector<Member>;

constexpr std::size_t kMessageBytes = 300;
constexpr std::size_t kStatusDepth = 64;  // as much as Parse reads of an object
constexpr std::size_t kMapFields = 4'096;
constexpr std::string_view kInitialEnd = "k8s.io/initial-events-end";
// A copy of the whole object, which kubectl keeps in it.
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";

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

// Whether it is one of the words of a text that begins and ends with a blank.
bool IsListed(std::string_view fields, std::string_view field) {
  for (std::size_t at = fields.find(field); at != std::string_view::npos;
       at = fields.find(field, at + 1)) {
    const std::size_t end = at + field.size();
    if (at > 0 && fields[at - 1] == ' ' && end < fields.size() && fields[end] == ' ') {
      return !field.empty();
    }
  }
  return false;
}

// Writes a map of those members that `keeps`, each by `value`.
template <class Keeps, class Value>
void WriteMembers(const Members& members, std::string& out, Keeps keeps, Value value) {
  out += '{';
  bool first = true;
  for (const Member& member : members) {
    if (keeps(member.name)) {
      out += first ? "\"" : ",\"";
      out += member.name;
      out += "\":";
      value(member, out);
      first = false;
    }
  }
  out += '}';
}

// The same of a text; what is no map stays as it is.
template <class Keeps, class Value>
void WriteMap(std::string_view map, std::string& out, Keeps keeps, Value value) {
  if (const auto members = MembersOf(map)) {
    WriteMembers(*members, out, keeps, value);
  } else {
    out += map;
  }
}

void AsItIs(const Member& member, std::string& out) {
  out += member.value;
}

void WriteMetadata(std::string_view metadata, std::string& out) {
  WriteMap(
      metadata, out, [](std::string_view name) { return IsListed(kKeptMetadata, name); },
      [](const Member& member, std::string& text) {
        if (member.name != "annotations") {
          return AsItIs(member, text);
        }
        WriteMap(
            member.value, text, [](std::string_view name) { return name != kLastApplied; }, AsItIs);
      });
}

void WritePart(Kind kind, const Member& part, std::string& out) {
  const auto* const kept = std::ranges::find_if(
      kKept, [&](const Kept& one) { return one.kind == kind && one.part == part.name; });
  if (part.name == "metadata") {
    WriteMetadata(part.value, out);
  } else if (kept != std::end(kKept)) {
    WriteMap(
        part.value, out, [kept](std::string_view name) { return IsListed(kept->fields, name); },
        AsItIs);
  } else {
    AsItIs(part, out);
  }
}

// Of the object what vsplit reads; without the status of a rule.
std::string Trimmed(Kind kind, const Members& object) {
  std::string out;
  WriteMembers(
      object, out, [kind](std::string_view name) { return name != "status" || !IsRule(kind); },
      [kind](const Member& member, std::string& text) { WritePart(kind, member, text); });
  // The items of a core kind's list say neither apiVersion nor kind.
  if (Find(object, "kind").empty()) {
    const KindInfo& info = InfoOf(kind);
    out.pop_back();
    out += fmt::format(R"({}"kind":"{}","apiVersion":"{}"}})", out.size() > 1 ? "," : "", info.name,
                       ApiVersion(info, PreferredVersion(info)));
  }
  return out;
}

Members MembersOrNone(std::string_view map) {
  auto members = MembersOf(map);
  return members ? *std::move(members) : Members();
}

Members MetadataOf(const Members& object) {
  return MembersOrNone(Find(object, "metadata"));
}

std::string TextAt(const Members& members, std::string_view name) {
  return TextOf(Find(members, name));
}

template <class Number>
Number NumberAt(const Members& members, std::string_view name, Number otherwise) {
  const std::string_view text = Find(members, name);
  Number number{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && rest == text.data() + text.size() ? number : otherwise;
}

Item NameOf(Kind kind, const Members& object) {
  const Members metadata = MetadataOf(object);
  return {
      .key = {.kind = kind, .ns = TextAt(metadata, "namespace"), .name = TextAt(metadata, "name")},
      .server = {.resource_version = TextAt(metadata, "resourceVersion"),
                 .version = {.generation = NumberAt<std::int64_t>(metadata, "generation", 1),
                             .uid = TextAt(metadata, "uid"),
                             .creation_timestamp = TextAt(metadata, "creationTimestamp")}}};
}

// False: it cannot be kept as it is.
bool TakeStatus(const Members& object, Item& item) {
  const auto status = std::ranges::find(object, std::string_view("status"), &Member::name);
  if (status == object.end() || !IsRule(item.key.kind)) {
    return true;
  }
  if (status->depth > kStatusDepth ||
      !nlohmann::json::accept(status->value.begin(), status->value.end())) {
    item.diagnostics.push_back(
        {.object = ToString(item.key),
         .path = "status",
         .message = fmt::format("not JSON, or nested deeper than the {} levels that are read",
                                kStatusDepth)});
    return false;
  }
  item.server.status = status->value;
  return true;
}

Item ReadItem(Kind kind, const Members& object) {
  Item item = NameOf(kind, object);
  if (!TakeStatus(object, item)) {
    return item;
  }
  ParseOptions options{.format = TextFormat::kJson};
  options.limits.map_fields = kMapFields;
  ParseResult parsed = Parse(Trimmed(kind, object), options);
  item.diagnostics = std::move(parsed.diagnostics);
  if (parsed.objects.size() == 1 && parsed.objects.front().key == item.key) {
    item.object = std::move(parsed.objects.front());
    item.object->version = item.server.version;
  }
  return item;
}

tl::unexpected<Error> Unreadable(std::string_view what, std::string_view text) {
  return Fail("the server sent no " + std::string(what) + ", but \"" + MessageOf(text) + "\"");
}

}  // namespace

Result<Event> ReadEvent(Kind kind, std::string_view line) {
  const auto members = MembersOf(line);
  const std::string_view text = members ? Find(*members, "object") : std::string_view();
  const auto object = MembersOf(text);
  if (!members || !object) {
    return Unreadable("event", line);
  }
  const std::string type = TextAt(*members, "type");
  Event event;
  if (type == "ERROR") {
    event.code = NumberAt<unsigned>(*object, "code", 0);
    event.message = TextAt(*object, "message");
    return event;
  }
  const Members metadata = MetadataOf(*object);
  event.resource_version = TextAt(metadata, "resourceVersion");
  if (type == "BOOKMARK") {
    event.type = Event::Type::kBookmark;
    event.initial_end = TextAt(MembersOrNone(Find(metadata, "annotations")), kInitialEnd) == "true";
  } else if (type == "ADDED" || type == "MODIFIED") {
    event.type = Event::Type::kChanged;
    event.item = ReadItem(kind, *object);
  } else if (type == "DELETED") {
    event.type = Event::Type::kDeleted;
    event.item = NameOf(kind, *object);
  } else {
    return Unreadable("event of a known type", line);
  }
  return event;
}

Result<Page> ReadPage(Kind kind, std::string_view body) {
  const auto members = MembersOf(body);
  const std::string_view list = members ? Find(*members, "items") : std::string_view();
  if (list.empty()) {
    return Unreadable("list", body);
  }
  const Members metadata = MetadataOf(*members);
  Page page{.resource_version = TextAt(metadata, "resourceVersion"),
            .next = TextAt(metadata, "continue")};
  if (page.resource_version.empty()) {
    return Unreadable("list with a resourceVersion", body);
  }
  if (list == "null") {
    return page;  // how Go writes a list without elements
  }
  const auto items = ElementsOf(list);
  if (!items) {
    return Unreadable("list of items", body);
  }
  page.items.reserve(items->size());
  for (const std::string_view text : *items) {
    const auto object = MembersOf(text);
    if (!object) {
      return Unreadable("list of objects", body);
    }
    page.items.push_back(ReadItem(kind, *object));
  }
  return page;
}

std::string MessageOf(std::string_view body) {
  std::string message = TextAt(MembersOrNone(body), "message");
  if (message.empty()) {
    message = body.substr(0, kMessageBytes);
  }
  message.resize(std::min(message.size(), kMessageBytes));
  std::ranges::replace_if(message, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return message;
}

}  // namespace vsplit::kubernetes
