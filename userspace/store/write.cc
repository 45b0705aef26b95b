// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#include <fmt/core.h>

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "compare.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

namespace {

// `services "x"`, `virtualservices.networking.istio.io "x"`
std::string ResourceName(const ObjectKey& key) {
  const KindInfo& info = InfoOf(key.kind);
  return fmt::format(R"({}{}{} "{}")", info.plural, info.group.empty() ? "" : ".", info.group,
                     key.name);
}

tl::unexpected<Error> FailConflict(const ObjectKey& key) {
  return Fail(fmt::format("Operation cannot be fulfilled on {}: the object has been modified; "
                          "please apply your changes to the latest version and try again",
                          ResourceName(key)),
              Error::Reason::kConflict);
}

bool IsStale(const std::string& given, const Object& stored) {
  return !given.empty() && given != "0" && given != std::to_string(stored.version.resource_version);
}

bool IsSameButRevision(const Version& left, const Version& right) {
  return left.generation == right.generation && left.uid == right.uid &&
         left.creation_timestamp == right.creation_timestamp;
}

}  // namespace

Result<void> CheckMode(const Write& write, const Object* stored) {
  const ObjectKey& key = write.object.key;
  if (write.mode == Write::Mode::kCreate && stored != nullptr) {
    return Fail(ResourceName(key) + " already exists", Error::Reason::kExists);
  }
  if (write.mode == Write::Mode::kApply || write.mode == Write::Mode::kCreate ||
      write.mode == Write::Mode::kMirror) {
    return {};
  }
  if (stored == nullptr) {
    return Fail(ResourceName(key) + " not found", Error::Reason::kNotFound);
  }
  if (IsStale(write.object.given_resource_version, *stored)) {
    return FailConflict(key);
  }
  return {};
}

std::optional<Version> VersionAfter(const Write& write, const Object* before,
                                    const WriteContext& context, std::size_t number) {
  const Difference difference =
      before == nullptr ? Difference::kSpec : Compare(*before, write.object);
  if (write.mode == Write::Mode::kMirror) {
    const bool same =
        difference == Difference::kNone && IsSameButRevision(before->version, write.object.version);
    return same ? std::nullopt : std::optional(write.object.version);
  }
  if (before == nullptr) {
    return Version{.generation = 1, .uid = context.uids[number], .creation_timestamp = context.now};
  }
  if (difference == Difference::kNone) {
    return std::nullopt;
  }
  Version version = before->version;
  const bool begins_to_go = write.object.deleting && !before->deleting;
  version.generation += difference == Difference::kSpec || begins_to_go ? 1 : 0;
  return version;
}

std::vector<bool> FindOverruled(const std::vector<Write>& writes) {
  std::vector<bool> overruled(writes.size(), false);
  if (writes.size() < 2) {
    return overruled;
  }
  const auto less = [](const ObjectKey* left, const ObjectKey* right) { return *left < *right; };
  std::set<const ObjectKey*, decltype(less)> seen;
  for (std::size_t i = writes.size(); i-- > 0;) {
    overruled[i] = !seen.insert(&writes[i].object.key).second;
  }
  return overruled;
}

void SettleUid(Object& object, const Object* before, Version& version) {
  auto* pod = object.spec.Find<Pod>();
  if (pod == nullptr) {
    return;
  }
  const auto* old_pod = before == nullptr ? nullptr : before->spec.Find<Pod>();
  if (pod->uid.empty() && old_pod != nullptr) {
    pod->uid = old_pod->uid;
  }
  if (!pod->uid.empty()) {
    version.uid = pod->uid;
  }
}

}  // namespace vsplit
