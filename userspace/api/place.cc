// SPDX-License-Identifier: Apache-2.0
#include "place.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "render.h"
#include "text.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

const KindInfo* FindKind(std::string_view group, std::string_view version, std::string_view plural,
                         bool in_namespace) {
  for (const KindInfo& info : Kinds()) {
    if (info.group == group && info.plural == plural && HasWord(info.versions, version) &&
        (info.namespaced || !in_namespace)) {
      return &info;
    }
  }
  return nullptr;
}

// The segments after the version: PLURAL, PLURAL/NAME[/status],
// namespaces/NS/PLURAL[/NAME[/status]].
Outcome<Place> FindPlace(std::string_view group, const std::string& version,
                         const std::vector<std::string>& rest) {
  Place place{.version = version};
  const bool of_namespace = rest.size() == 3 && rest[2] == "status";  // namespaces/NAME/status
  const bool in_namespace = rest.size() >= 3 && rest[0] == "namespaces" && !of_namespace;
  const std::size_t plural = in_namespace ? 2 : 0;
  const bool is_status = rest.size() == plural + 3 && rest.back() == "status";
  if (rest.size() <= plural || rest.size() > plural + (is_status ? 3 : 2)) {
    return NoSuchPath();
  }
  place.info = FindKind(group, version, rest[plural], in_namespace);
  const bool has_name = rest.size() >= plural + 2;
  if (place.info == nullptr || (is_status && !HasStatus(place.info->kind)) ||
      (has_name && place.info->namespaced && !in_namespace)) {
    return NoSuchPath();
  }
  place.ns = in_namespace ? rest[1] : "";
  place.name = has_name ? rest[plural + 1] : "";
  place.subresource = is_status ? "status" : "";
  return place;
}

}  // namespace

std::vector<ObjectPtr> ObjectsIn(const Store& store, Kind kind, const std::string& ns) {
  return ns.empty() ? store.List(kind) : store.List(kind, ns);
}

bool HasStatus(Kind kind) {
  return kind != Kind::kEndpointSlice;
}

Outcome<Place> FindPlace(const std::vector<std::string>& path) {
  if (path.size() >= 3 && path[0] == "api") {
    return FindPlace("", path[1], {path.begin() + 2, path.end()});
  }
  if (path.size() >= 4 && path[0] == "apis") {
    return FindPlace(path[1], path[2], {path.begin() + 3, path.end()});
  }
  return NoSuchPath();
}

tl::unexpected<Failure> About(const ObjectKey& key, Failure failure) {
  const KindInfo& info = InfoOf(key.kind);
  failure.name = key.name;
  failure.group = info.group;
  failure.kind = info.plural;
  const std::string what = ResourceName(info) + " \"" + key.name + "\"";
  if (failure.reason == "NotFound") {
    failure.message = what + " not found";
  } else if (failure.reason == "AlreadyExists") {
    failure.message = what + " already exists";
  } else if (failure.reason == "Conflict") {
    failure.message = "Operation cannot be fulfilled on " + what +
                      ": the object has been modified; please apply your changes to the latest "
                      "version and try again";
  }
  return tl::unexpected(std::move(failure));
}

tl::unexpected<Failure> Stale(const ObjectKey& key, const std::string& why) {
  tl::unexpected<Failure> failure = About(key, {.code = 409, .reason = "Conflict"});
  const KindInfo& info = InfoOf(key.kind);
  failure.value().message =
      "Operation cannot be fulfilled on " + ResourceName(info) + " \"" + key.name + "\": " + why;
  return failure;
}

bool HasOwnStatus(Kind kind) {
  return InfoOf(kind).group == InfoOf(Kind::kVirtualService).group;
}

Json ShownDocument(const Backend& backend, const Place& place, const Object& object) {
  return Render(object, place.api_version(), backend.object_status(object));
}

Response Show(const Call& call, unsigned status, const Object& object, const Place& place) {
  return {.status = status, .body = Dump(ShownDocument(call.backend, place, object))};
}

Response ShowForecast(const Call& call, unsigned status, Object object, const Place& place,
                      const Object* live) {
  object.version.resource_version = live == nullptr ? 0 : live->version.resource_version;
  const std::string own = live == nullptr ? "" : call.backend.object_status(*live);
  return {.status = status, .body = Dump(Render(object, place.api_version(), own))};
}

}  // namespace vsplit
