// SPDX-License-Identifier: Apache-2.0
// The hosts that are served: what each means and its part of the table image, which of them a
// change reaches, and which host a frontend belongs to. Every operation costs what it touches, not
// what there is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/telemetry.h"

namespace vsplit {

struct ServedHost {
  HostMeaning meaning;
  TableImage part;      // its frontends
  ObjectKey object;     // its Service or ServiceEntry; without a name: it has none
  std::string created;  // when that was created, RFC 3339
};

// Hosts as they will be; nothing: served no longer.
using HostChange = std::map<HostName, std::optional<ServedHost>>;

class ServedHosts {
 public:
  ServedHosts() = default;
  ServedHosts(const ServedHosts&) = delete;
  ServedHosts(ServedHosts&&) = delete;
  ServedHosts& operator=(const ServedHosts&) = delete;
  ServedHosts& operator=(ServedHosts&&) = delete;
  ~ServedHosts() = default;

  struct Claim {
    std::string created;
    HostName host;

    auto operator<=>(const Claim&) const = default;
  };

  // The hosts with a change laid over them; costs the size of the change once for all questions.
  struct After {
    explicit After(const HostChange& the_change);
    const HostChange& change;
    std::map<Frontend, Claim> claims;  // the first one of the changed hosts
  };

  const ServedHost* Find(const HostName& host) const;  // null: not served
  const std::map<HostName, ServedHost>& all() const { return hosts_; }

  // The hosts whose meaning was made of any of these.
  std::set<HostName> DependingOn(const Dependencies& changed) const;
  // Those for which it matters who connects.
  const std::set<HostName>& Asking() const { return asking_; }
  // What is looked up for them, and a number that grows whenever these may be others.
  std::set<HostName> DnsNames() const;
  std::uint64_t names_version() const { return names_version_; }

  // What the change does to the image. A frontend that several hosts claim belongs to the one whose
  // object is the oldest, as in Istio; of one age, to the first by name.
  ImageChange ChangeOf(const HostChange& change) const;
  // The lines of the image that differ.
  std::string DifferenceOf(const HostChange& change) const;
  // Of a host that is served after the change: that others have some of its frontends.
  std::vector<Verdict> LossesOf(const HostName& host, const After& after) const;
  std::vector<Verdict> LossesOf(const HostName& host, const HostChange& change = {}) const {
    return LossesOf(host, After(change));
  }
  // Of the verdicts about this rule, of all hosts.
  VerdictTally TallyOf(const ObjectKey& rule) const;
  // A number that changes with these verdicts, but not with their order.
  std::size_t DigestOf(const ObjectKey& rule) const;
  // All frontends, each with its owner's route.
  TableImage Image() const;

  // Returns the rules that had or have a verdict about any of them.
  std::set<ObjectKey> Take(HostChange change);

 private:
  const ServedHost* FindAfter(const HostName& host, const HostChange& change) const;
  const HostName* OwnerAfter(const Frontend& frontend, const After& after) const;
  std::set<Frontend> FrontendsOf(const HostChange& change) const;
  const ImageFrontend* RouteAfter(const Frontend& frontend, const After& after) const;
  void Forget(const HostName& host, std::set<ObjectKey>& rules);

  std::map<HostName, ServedHost> hosts_;
  std::map<Frontend, std::set<Claim>> claims_;  // the first one has it
  // Who depends on what; the hosts are those of hosts_.
  template <class Key>
  using Dependents = std::set<std::pair<Key, const HostName*>>;
  Dependents<HostName> by_host_;
  Dependents<ObjectKey> by_pod_;
  Dependents<IpAddress> by_ip_;
  Dependents<HostName> by_name_;
  std::uint64_t names_version_ = 0;
  std::set<HostName> with_sidecars_;
  std::set<HostName> asking_;
  std::map<ObjectKey, VerdictTally> tallies_;  // by rule
  std::map<ObjectKey, std::size_t> digests_;   // of the same
};

}  // namespace vsplit
