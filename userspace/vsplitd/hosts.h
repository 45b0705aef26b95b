// SPDX-License-Identifier: Apache-2.0
// The hosts that are served: what each means and its part of the table image, which of them a
// change reaches, and which host a frontend belongs to. Every operation costs what it touches, not
// what there is.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {

struct ServedHost {
  ResolvedHost resolved;
  TableImage part;
};

// Hosts as they will be; nothing: served no longer.
using HostChange = std::map<HostName, std::optional<ServedHost>>;

class ServedHosts {
 public:
  const ServedHost* Find(const HostName& host) const;  // null: not served
  const std::map<HostName, ServedHost>& all() const { return hosts_; }

  // The hosts whose meaning was made of any of these.
  std::set<HostName> DependingOn(const Dependencies& changed) const;

  // What the change does to the image. kInvalid when a frontend would belong to two hosts.
  Result<ImageChange> ChangeOf(const HostChange& change) const;
  // The lines of the image that differ.
  std::string DifferenceOf(const HostChange& change) const;

  // Only after ChangeOf has agreed.
  void Take(HostChange change);

 private:
  void AddGivenUp(const HostChange& change, ImageChange& image) const;
  // Whoever else has the frontend, or claims it in the same change; notes the claim.
  const HostName* OtherOwner(const HostChange& change, const HostName& host,
                             const Frontend& frontend, std::map<Frontend, HostName>& claims) const;
  bool Has(const HostName& host, const Frontend& frontend, const ImageFrontend& wanted) const;
  void Forget(const HostName& host);

  std::map<HostName, ServedHost> hosts_;
  std::map<Frontend, HostName> owners_;
  // Who depends on what.
  std::unordered_map<HostName, std::set<HostName>> by_host_;
  std::map<ObjectKey, std::set<HostName>> by_pod_;
  std::map<IpAddress, std::set<HostName>> by_ip_;
};

}  // namespace vsplit
