// SPDX-License-Identifier: Apache-2.0
// Since when the conditions of rules' status have been what they are: lastTransitionTime of the
// Kubernetes API conventions, which moves with the status alone, not with its reason or message.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "hosts.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {

class Conditions {
 public:
  // As an agent before this one kept them.
  void Load(const std::vector<StoredCondition>& stored);

  // What the disk is to hear of.
  struct News {
    std::vector<StoredCondition> changed;
    std::vector<ObjectKey> gone;
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
    std::string since;
  };
  std::map<ObjectKey, std::map<std::string, Condition>> known_;  // by type
};

}  // namespace vsplit
