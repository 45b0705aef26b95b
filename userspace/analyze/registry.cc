// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

constexpr const char* kOwn = ".";

}  // namespace

std::set<std::string> ScopesOf(const std::vector<std::string>& export_to, const std::string& ns) {
  if (export_to.empty() || std::ranges::find(export_to, kEverywhere) != export_to.end()) {
    return {kEverywhere};
  }
  std::set<std::string> scopes;
  for (const std::string& name : export_to) {
    scopes.insert(name == kOwn ? ns : name);
  }
  return scopes;
}

Registry::Registry(const Store& store) : domain_(store.domain()) {
  for (const ObjectPtr& object : store.List(Kind::kServiceEntry)) {
    const auto& entry = object->spec.Get<ServiceEntry>();
    KnownHost known{.workload_selector = entry.workload_selector};
    for (const ServiceEntryPort& port : entry.ports) {
      known.ports.push_back(port.number);
    }
    for (const std::string& scope : ScopesOf(entry.export_to, object->key.ns)) {
      for (const std::string& host : entry.hosts) {
        hosts_[{scope, QualifyHost(host, object->key.ns, domain_)}] = known;
      }
    }
  }
  for (const ObjectPtr& object : store.List(Kind::kService)) {
    KnownHost known;
    for (const ServicePort& port : object->spec.Get<Service>().ports) {
      known.ports.push_back(port.port);
    }
    for (const std::string& scope : ScopesOf(ServiceExports(*object), object->key.ns)) {
      hosts_[{scope, ServiceHost(object->key.ns, object->key.name, domain_)}] = known;
    }
  }
  for (const Hosts::value_type& entry : hosts_) {
    if (IsWildcard(entry.first.second)) {
      patterns_.push_back(&entry);
    }
  }
}

const KnownHost* Registry::Find(const std::string& ns, const std::vector<std::string>& export_to,
                                const std::string& host) const {
  const HostName full = QualifyHost(host, ns, domain_);
  std::vector<std::string> scopes = {kEverywhere};
  if (export_to.empty()) {
    scopes.push_back(ns);
  }
  for (const std::string& name : export_to) {
    scopes.push_back(name == kOwn ? ns : name);
  }
  for (const std::string& scope : scopes) {
    if (const auto found = hosts_.find({scope, full}); found != hosts_.end()) {
      return &found->second;
    }
  }
  for (const Hosts::value_type* entry : patterns_) {
    const auto& [scope, pattern] = entry->first;
    if ((scope == kEverywhere || scope == ns) && HostCovers(pattern, host)) {
      return &entry->second;
    }
  }
  return nullptr;
}

}  // namespace vsplit::analyze
