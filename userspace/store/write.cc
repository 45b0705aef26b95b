// SPDX-License-Identifier: Apache-2.0
#include "write.h"

#include <fmt/core.h>

#include <cstddef>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

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

}  // namespace

Result<void> CheckMode(const Write& write, const Object* stored) {
  const ObjectKey& key = write.object.key;
  if (write.mode == Write::Mode::kCreate && stored != nullptr) {
    return Fail(ResourceName(key) + " already exists", Error::Reason::kExists);
  }
  if (write.mode == Write::Mode::kApply || write.mode == Write::Mode::kCreate) {
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
  auto* pod = std::get_if<Pod>(&object.spec);
  if (pod == nullptr) {
    return;
  }
  const auto* old_pod = before == nullptr ? nullptr : std::get_if<Pod>(&before->spec);
  if (pod->uid.empty() && old_pod != nullptr) {
    pod->uid = old_pod->uid;
  }
  if (!pod->uid.empty()) {
    version.uid = pod->uid;
  }
}

}  // namespace vsplit
