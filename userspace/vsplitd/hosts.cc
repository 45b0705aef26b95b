// SPDX-License-Identifier: Apache-2.0
#include "hosts.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <functional>
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
namespace {

template <class Index, class Keys>
void Collect(const Index& index, const Keys& keys, std::set<HostName>& hosts) {
  for (const auto& key : keys) {
    for (auto entry = index.lower_bound({key, nullptr});
         entry != index.end() && entry->first == key; ++entry) {
      hosts.insert(*entry->second);
    }
  }
}

template <class Index, class Keys>
void Enter(Index& index, const Keys& keys, const HostName& host) {
  for (const auto& key : keys) {
    index.emplace(key, &host);
  }
}

template <class Index, class Keys>
void Strike(Index& index, const Keys& keys, const HostName& host) {
  for (const auto& key : keys) {
    index.erase({key, &host});
  }
}

// Of what a status says about it.
std::size_t Digest(const Verdict& verdict) {
  return std::hash<std::string>{}(ToString(verdict));
}

}  // namespace

const ServedHost* ServedHosts::Find(const HostName& host) const {
  const auto found = hosts_.find(host);
  return found == hosts_.end() ? nullptr : &found->second;
}

std::set<HostName> ServedHosts::DependingOn(const Dependencies& changed) const {
  std::set<HostName> hosts;
  Collect(by_host_, changed.hosts, hosts);
  Collect(by_pod_, changed.pods, hosts);
  Collect(by_ip_, changed.pod_ips, hosts);
  Collect(by_name_, changed.names, hosts);
  if (changed.sidecars) {
    hosts.insert(with_sidecars_.begin(), with_sidecars_.end());
  }
  return hosts;
}

std::set<HostName> ServedHosts::DnsNames() const {
  std::set<HostName> names;
  for (const auto& [name, hosts] : by_name_) {
    names.insert(name);
  }
  return names;
}

const ServedHost* ServedHosts::FindAfter(const HostName& host, const HostChange& change) const {
  const auto changed = change.find(host);
  if (changed == change.end()) {
    return Find(host);
  }
  return changed->second ? &*changed->second : nullptr;
}

ServedHosts::After::After(const HostChange& the_change) : change(the_change) {
  for (const auto& [host, after] : change) {
    if (!after) {
      continue;
    }
    const Claim claim{.created = after->created, .host = host};
    for (const auto& [frontend, route] : after->part.frontends) {
      const auto [first, fresh] = claims.emplace(frontend, claim);
      first->second = std::min(first->second, claim);
    }
  }
}

// Null: nobody claims it.
const HostName* ServedHosts::OwnerAfter(const Frontend& frontend, const After& after) const {
  const Claim* owner = nullptr;
  if (const auto claims = claims_.find(frontend); claims != claims_.end()) {
    const auto kept = std::ranges::find_if(claims->second, [&after](const Claim& claim) {
      return !after.change.contains(claim.host);
    });
    owner = kept == claims->second.end() ? nullptr : &*kept;
  }
  if (const auto claim = after.claims.find(frontend);
      claim != after.claims.end() && (owner == nullptr || claim->second < *owner)) {
    owner = &claim->second;
  }
  return owner == nullptr ? nullptr : &owner->host;
}

// Null: there is none.
const ImageFrontend* ServedHosts::RouteAfter(const Frontend& frontend, const After& after) const {
  const HostName* owner = OwnerAfter(frontend, after);
  return owner == nullptr ? nullptr : &FindAfter(*owner, after.change)->part.frontends.at(frontend);
}

// Those that changed hosts have or had.
std::set<Frontend> ServedHosts::FrontendsOf(const HostChange& change) const {
  std::set<Frontend> frontends;
  for (const auto& [host, after] : change) {
    for (const ServedHost* served : {Find(host), after ? &*after : nullptr}) {
      if (served != nullptr) {
        for (const auto& [frontend, route] : served->part.frontends) {
          frontends.insert(frontend);
        }
      }
    }
  }
  return frontends;
}

ImageChange ServedHosts::ChangeOf(const HostChange& change) const {
  ImageChange image;
  const HostChange none;
  const After now(none);
  const After then(change);
  for (const Frontend& frontend : FrontendsOf(change)) {
    const ImageFrontend* before = RouteAfter(frontend, now);
    const ImageFrontend* after = RouteAfter(frontend, then);
    if (after == nullptr) {
      image.frontends[frontend] = std::nullopt;
    } else if (before == nullptr || *before != *after) {
      image.frontends[frontend] = *after;
    }
  }
  return image;
}

std::string ServedHosts::DifferenceOf(const HostChange& change) const {
  TableImage before;
  TableImage after;
  const HostChange none;
  const After now(none);
  const After then(change);
  for (const Frontend& frontend : FrontendsOf(change)) {
    if (const ImageFrontend* route = RouteAfter(frontend, now)) {
      before.frontends.emplace(frontend, *route);
    }
    if (const ImageFrontend* route = RouteAfter(frontend, then)) {
      after.frontends.emplace(frontend, *route);
    }
  }
  return Difference(before, after);
}

std::vector<Verdict> ServedHosts::LossesOf(const HostName& host, const After& after) const {
  std::vector<Verdict> losses;
  const ServedHost* served = FindAfter(host, after.change);
  if (served == nullptr) {
    return losses;
  }
  for (const auto& [frontend, route] : served->part.frontends) {
    const HostName* owner = OwnerAfter(frontend, after);
    if (*owner != host) {
      const bool entry = served->object.kind == Kind::kServiceEntry;
      losses.push_back(
          {.kind = Verdict::Kind::kNotEnforced,
           .object = served->object,
           .path = entry ? "spec.addresses" : "spec.clusterIPs",
           .host = host,
           .port = frontend.address.port,
           .reason = fmt::format("{} belongs to {}, whose {} is older", ToString(frontend), *owner,
                                 ToString(FindAfter(*owner, after.change)->object))});
    }
  }
  return losses;
}

TableImage ServedHosts::Image() const {
  TableImage image;
  for (const auto& [frontend, claims] : claims_) {
    const ServedHost& owner = hosts_.at(claims.begin()->host);
    image.frontends.emplace(frontend, owner.part.frontends.at(frontend));
  }
  return image;
}

VerdictTally ServedHosts::TallyOf(const ObjectKey& rule) const {
  const auto found = tallies_.find(rule);
  return found == tallies_.end() ? VerdictTally{} : found->second;
}

std::size_t ServedHosts::DigestOf(const ObjectKey& rule) const {
  const auto found = digests_.find(rule);
  return found == digests_.end() ? 0 : found->second;
}

void ServedHosts::Forget(const HostName& host, std::set<ObjectKey>& rules) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    return;
  }
  const ServedHost& served = found->second;
  for (const auto& [frontend, route] : served.part.frontends) {
    const auto claims = claims_.find(frontend);
    claims->second.erase({served.created, host});
    if (claims->second.empty()) {
      claims_.erase(claims);
    }
  }
  for (const Verdict& verdict : served.meaning.verdicts()) {
    rules.insert(verdict.object);
    const auto tally = tallies_.find(verdict.object);
    tally->second.Remove(verdict);
    digests_[verdict.object] -= Digest(verdict);
    if (tally->second.all == 0) {
      tallies_.erase(tally);
      digests_.erase(verdict.object);
    }
  }
  const Dependencies& dependencies = served.meaning.everyone.dependencies;
  const HostName& name = found->first;
  Strike(by_host_, dependencies.hosts, name);
  Strike(by_pod_, dependencies.pods, name);
  Strike(by_ip_, dependencies.pod_ips, name);
  Strike(by_name_, dependencies.names, name);
  names_version_ += dependencies.names.empty() ? 0 : 1;
  with_sidecars_.erase(host);
  asking_.erase(host);
  hosts_.erase(found);
}

std::set<ObjectKey> ServedHosts::Take(HostChange change) {
  std::set<ObjectKey> rules;
  for (const auto& [host, after] : change) {
    Forget(host, rules);
  }
  for (auto& [changed, after] : change) {
    if (!after) {
      continue;
    }
    const auto& [host, served] = *hosts_.emplace(changed, *std::move(after)).first;
    for (const auto& [frontend, route] : served.part.frontends) {
      claims_[frontend].insert({served.created, host});
    }
    for (const Verdict& verdict : served.meaning.verdicts()) {
      rules.insert(verdict.object);
      tallies_[verdict.object].Add(verdict);
      digests_[verdict.object] += Digest(verdict);
    }
    const Dependencies& dependencies = served.meaning.everyone.dependencies;
    Enter(by_host_, dependencies.hosts, host);
    Enter(by_pod_, dependencies.pods, host);
    Enter(by_ip_, dependencies.pod_ips, host);
    Enter(by_name_, dependencies.names, host);
    names_version_ += dependencies.names.empty() ? 0 : 1;
    if (dependencies.sidecars) {
      with_sidecars_.insert(host);
    }
    if (!served.meaning.asked.empty()) {
      asking_.insert(host);
    }
  }
  return rules;
}

}  // namespace vsplit
