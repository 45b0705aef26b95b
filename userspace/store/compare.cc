// SPDX-License-Identifier: Apache-2.0
#include "compare.h"

#include <nlohmann/json.hpp>
#include <nlohmann/json_fwd.hpp>
#include <utility>

#include "vsplit/objects.h"

namespace vsplit {
namespace {

using Json = nlohmann::json;

bool IsIstio(Kind kind) {
  return InfoOf(kind).group == InfoOf(Kind::kVirtualService).group;
}

// Differences of typed objects that lie outside of metadata and status without a look at the text,
// which keeps the writes that come often cheap: new weights, new endpoints.
bool HasOtherTypedSpec(const Object& before, const Object& after) {
  if (IsIstio(before.kind())) {
    return before.spec != after.spec;
  }
  const auto* slice = before.spec.Find<EndpointSlice>();
  const auto* other = after.spec.Find<EndpointSlice>();
  return slice != nullptr && other != nullptr &&
         (slice->endpoints != other->endpoints || slice->ports != other->ports ||
          slice->address_type != other->address_type);
}

// A Pod that does not say its uid may be any.
bool HasSameSpec(const Object& before, const Object& after) {
  const auto* old_pod = before.spec.Find<Pod>();
  const auto* pod = after.spec.Find<Pod>();
  if (old_pod == nullptr || pod == nullptr) {
    return before.spec == after.spec;
  }
  Pod named = *pod;
  named.uid = old_pod->uid;
  return named == *old_pod && (pod->uid.empty() || pod->uid == before.version.uid);
}

bool IsTypedSame(const Object& before, const Object& after) {
  return HasSameSpec(before, after) && before.labels == after.labels &&
         before.annotations == after.annotations && before.deleting == after.deleting;
}

// The document without what the store writes, and without the API version, which is only the form
// in which it came. When somebody last managed a field says nothing about the object.
Json ContentOf(const Object& object) {
  Json document = Json::parse(object.json.str(), nullptr, false);
  if (!document.is_object()) {
    return {};
  }
  document.erase("apiVersion");
  const auto metadata = document.find("metadata");
  if (metadata != document.end() && metadata->is_object()) {
    for (const char* own : {"uid", "resourceVersion", "generation", "creationTimestamp", "selfLink",
                            "namespace", "name"}) {
      metadata->erase(own);
    }
    const auto managers = metadata->find("managedFields");
    if (managers != metadata->end() && managers->is_array()) {
      for (Json& manager : *managers) {
        if (manager.is_object()) {
          manager.erase("time");
        }
      }
    }
  }
  return document;
}

Json SpecOf(Json content) {
  for (const char* other : {"kind", "metadata", "status"}) {
    content.erase(other);
  }
  return content;
}

Difference CompareTyped(const Object& before, const Object& after) {
  if (!HasSameSpec(before, after)) {
    return Difference::kSpec;
  }
  return IsTypedSame(before, after) ? Difference::kNone : Difference::kMetadata;
}

}  // namespace

Difference Compare(const Object& before, const Object& after) {
  if (before.json == after.json) {
    return CompareTyped(before, after);
  }
  if (HasOtherTypedSpec(before, after)) {
    return Difference::kSpec;
  }
  Json old_content = ContentOf(before);
  Json new_content = ContentOf(after);
  if (old_content.is_null() || new_content.is_null()) {
    const Difference typed = CompareTyped(before, after);
    return typed == Difference::kNone ? Difference::kMetadata : typed;
  }
  if (old_content == new_content && IsTypedSame(before, after)) {
    return Difference::kNone;
  }
  return SpecOf(std::move(old_content)) == SpecOf(std::move(new_content)) ? Difference::kMetadata
                                                                          : Difference::kSpec;
}

}  // namespace vsplit
