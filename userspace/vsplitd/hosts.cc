// SPDX-License-Identifier: Apache-2.0
#include "hosts.h"

#include <fmt/core.h>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

template <class Index, class Keys>
void Collect(const Index& index, const Keys& keys, std::set<HostName>& hosts) {
  for (const auto& key : keys) {
    if (const auto found = index.find(key); found != index.end()) {
      hosts.insert(found->second.begin(), found->second.end());
    }
  }
}

template <class Index, class Keys>
void Enter(Index& index, const Keys& keys, const HostName& host) {
  for (const auto& key : keys) {
    index[key].insert(host);
  }
}

template <class Index, class Keys>
void Strike(Index& index, const Keys& keys, const HostName& host) {
  for (const auto& key : keys) {
    if (const auto found = index.find(key); found != index.end()) {
      found->second.erase(host);
      if (found->second.empty()) {
        index.erase(found);
      }
    }
  }
}

// Whether the host gives the frontend up with this change.
bool GivesUp(const HostChange& change, const HostName& host, const Frontend& frontend) {
  const auto found = change.find(host);
  if (found == change.end()) {
    return false;
  }
  const std::optional<ServedHost>& after = found->second;
  return !after || !after->part.frontends.contains(frontend);
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
  return hosts;
}

Result<ImageChange> ServedHosts::ChangeOf(const HostChange& change) const {
  ImageChange image;
  AddGivenUp(change, image);
  std::map<Frontend, HostName> claims;
  for (const auto& [host, after] : change) {
    if (!after) {
      continue;
    }
    for (const auto& [frontend, wanted] : after->part.frontends) {
      if (const HostName* other = OtherOwner(change, host, frontend, claims)) {
        return Fail(fmt::format("frontend {} belongs to two hosts: {} and {}",
                                ToString(frontend.address), *other, host),
                    Error::Reason::kInvalid);
      }
      if (!Has(host, frontend, wanted)) {
        image.frontends[frontend] = wanted;
      }
    }
  }
  return image;
}

void ServedHosts::AddGivenUp(const HostChange& change, ImageChange& image) const {
  for (const auto& [host, after] : change) {
    const ServedHost* before = Find(host);
    if (before == nullptr) {
      continue;
    }
    for (const auto& [frontend, wanted] : before->part.frontends) {
      if (GivesUp(change, host, frontend)) {
        image.frontends[frontend] = std::nullopt;
      }
    }
  }
}

const HostName* ServedHosts::OtherOwner(const HostChange& change, const HostName& host,
                                        const Frontend& frontend,
                                        std::map<Frontend, HostName>& claims) const {
  const auto owner = owners_.find(frontend);
  if (owner != owners_.end() && owner->second != host &&
      !GivesUp(change, owner->second, frontend)) {
    return &owner->second;
  }
  const auto [claim, fresh] = claims.emplace(frontend, host);
  return fresh ? nullptr : &claim->second;
}

bool ServedHosts::Has(const HostName& host, const Frontend& frontend,
                      const ImageFrontend& wanted) const {
  const ServedHost* served = Find(host);
  if (served == nullptr) {
    return false;
  }
  const auto found = served->part.frontends.find(frontend);
  return found != served->part.frontends.end() && found->second == wanted;
}

std::string ServedHosts::DifferenceOf(const HostChange& change) const {
  TableImage before;
  TableImage after;
  for (const auto& [host, served] : change) {
    if (const ServedHost* old = Find(host)) {
      before.frontends.insert(old->part.frontends.begin(), old->part.frontends.end());
    }
    if (served) {
      after.frontends.insert(served->part.frontends.begin(), served->part.frontends.end());
    }
  }
  return Difference(before, after);
}

void ServedHosts::Forget(const HostName& host) {
  const auto found = hosts_.find(host);
  if (found == hosts_.end()) {
    return;
  }
  for (const auto& [frontend, wanted] : found->second.part.frontends) {
    owners_.erase(frontend);
  }
  const Dependencies& dependencies = found->second.resolved.dependencies;
  Strike(by_host_, dependencies.hosts, host);
  Strike(by_pod_, dependencies.pods, host);
  Strike(by_ip_, dependencies.pod_ips, host);
  hosts_.erase(found);
}

void ServedHosts::Take(HostChange change) {
  for (const auto& [host, after] : change) {
    Forget(host);
  }
  for (auto& [host, after] : change) {
    if (!after) {
      continue;
    }
    for (const auto& [frontend, wanted] : after->part.frontends) {
      owners_[frontend] = host;
    }
    const Dependencies& dependencies = after->resolved.dependencies;
    Enter(by_host_, dependencies.hosts, host);
    Enter(by_pod_, dependencies.pods, host);
    Enter(by_ip_, dependencies.pod_ips, host);
    hosts_.emplace(host, *std::move(after));
  }
}

}  // namespace vsplit
