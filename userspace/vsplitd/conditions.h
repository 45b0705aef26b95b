// SPDX-License-Identifier: Apache-2.0
// Since when the conditions of rules' status have been what they are: lastTransitionTime of the
// Kubernetes API conventions, which moves with the status alone, not with its reason or message;
// and of which rules something else is said than before.
#pragma once

#include <boost/container/flat_map.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "hosts.h"
#include "vsplit/disk.h"
#include "vsplit/interned_string.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {

class Conditions {
 public:
  // As an agent before this one kept them.
  void Load(const std::vector<StoredCondition>& stored);

  // The first two are for the disk.
  struct News {
    std::vector<StoredCondition> changed;
    std::vector<ObjectKey> gone;
    std::set<ObjectKey> restated;  // another status, reason or message
  };
  // Looks at these objects, of any kind; those not in the store any more are forgotten. `now` is
  // RFC 3339.
  News Look(const std::set<ObjectKey>& objects, const Store& store, const ServedHosts& hosts,
            const std::string& now);
  // At every rule of the store, and at every object that a time is known of.
  News LookAtAll(const Store& store, const ServedHosts& hosts, const std::string& now);

  ConditionTimes Since(const ObjectKey& object) const;

 private:
  struct Condition {
    bool holds = false;
    InternedString since;
  };
  // By type.
  std::map<ObjectKey, boost::container::flat_map<InternedString, Condition, std::less<>>> known_;
  std::map<ObjectKey, std::size_t> said_;  // digests of their verdicts
};

}  // namespace vsplit
