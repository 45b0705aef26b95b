// SPDX-License-Identifier: Apache-2.0
#include "conditions.h"

#include <cstddef>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "hosts.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
void Conditions::Load(const std::vector<StoredCondition>& stored) {
  for (const StoredCondition& condition : stored) {
    known_[condition.object][condition.type] = {.holds = condition.holds, .since = condition.since};
  }
}

Conditions::News Conditions::Look(const std::set<ObjectKey>& objects, const Store& store,
                                  const ServedHosts& hosts, const std::string& now) {
  News news;
  for (const ObjectKey& key : objects) {
    if (!IsRule(key.kind)) {
      continue;
    }
    if (store.Find(key) == nullptr) {
      said_.erase(key);
      if (known_.erase(key) > 0) {
        news.gone.push_back(key);
      }
      continue;
    }
    const std::size_t digest = hosts.DigestOf(key);
    const auto [said, first] = said_.try_emplace(key, digest);
    if (std::exchange(said->second, digest) != digest) {
      news.restated.insert(key);
    }
    for (const auto& [type, holds] : ConditionsOf(hosts.TallyOf(key))) {
      const auto [known, fresh] = known_[key].try_emplace(type);
      if (fresh || known->second.holds != holds) {
        known->second = {.holds = holds, .since = now};
        news.changed.push_back({.object = key, .type = type, .holds = holds, .since = now});
        news.restated.insert(key);
      }
    }
  }
  return news;
}

Conditions::News Conditions::LookAtAll(const Store& store, const ServedHosts& hosts,
                                       const std::string& now) {
  std::set<ObjectKey> objects;
  for (const Kind kind : {Kind::kVirtualService, Kind::kDestinationRule}) {
    for (const ObjectPtr& object : store.List(kind)) {
      objects.insert(object->key);
    }
  }
  for (const auto& [key, conditions] : known_) {
    objects.insert(key);
  }
  return Look(objects, store, hosts, now);
}

ConditionTimes Conditions::Since(const ObjectKey& object) const {
  ConditionTimes times;
  if (const auto found = known_.find(object); found != known_.end()) {
    for (const auto& [type, condition] : found->second) {
      times.emplace(type, condition.since);
    }
  }
  return times;
}

}  // namespace vsplit
