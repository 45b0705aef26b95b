// SPDX-License-Identifier: Apache-2.0
// Which hosts exist, and for whom: istioctl's own look-up (analyzers/util/service_lookup.go), which
// is coarser than that of the mesh itself.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {

inline constexpr const char* kEverywhere = "*";

// The namespaces that `export_to` names, or kEverywhere alone.
std::set<std::string> ScopesOf(const std::vector<std::string>& export_to, const std::string& ns);

struct KnownHost {
  std::vector<std::uint16_t> ports;
  std::optional<Labels> workload_selector;
};

class Registry {
 public:
  explicit Registry(const Store& store);
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // As a rule of this namespace and exportTo would find it; null: no such host.
  const KnownHost* Find(const std::string& ns, const std::vector<std::string>& export_to,
                        const std::string& host) const;

 private:
  using Hosts = std::map<std::pair<std::string, HostName>, KnownHost>;

  Hosts hosts_;                                     // by scope and host
  std::vector<const Hosts::value_type*> patterns_;  // those of hosts_ that begin with *
  std::string domain_;
};

}  // namespace vsplit::analyze
