// SPDX-License-Identifier: Apache-2.0
// IST0101, IST0112: destinations of VirtualServices that lead nowhere, or nowhere in particular.
#include <fmt/core.h>
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "findings.h"
#include "registry.h"
#include "vsplit/analyze.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::analyze {
namespace {

// A subset by the namespace and name of its Service, or by the host as written where it is none of
// this domain's.
using SubsetKey = std::tuple<std::string, std::string, std::string>;

SubsetKey KeyOf(const Store& store, const std::string& ns, const std::string& host,
                const std::string& subset) {
  if (auto service = ServiceOfHost(host, store.domain())) {
    return {service->first, service->second, subset};
  }
  return {ns, host, subset};
}

std::set<SubsetKey> SubsetsOf(const Store& store) {
  std::set<SubsetKey> subsets;
  for (const ObjectPtr& object : store.List(Kind::kDestinationRule)) {
    const auto& rule = object->spec.Get<DestinationRule>();
    for (const Subset& subset : rule.subsets) {
      subsets.insert(KeyOf(store, object->key.ns, rule.host, subset.name));
    }
  }
  return subsets;
}

Finding NotFound(const Object& object, const std::string& what, const std::string& name) {
  return {.code = "IST0101",
          .level = Finding::Level::kError,
          .object = ToString(object.key),
          .message = fmt::format("Referenced {} not found: \"{}\"", what, name)};
}

void CheckPort(const Object& object, const RouteDestination& destination, const KnownHost& known,
               Findings& out) {
  if (!destination.port) {
    if (known.ports.size() > 1) {
      out.push_back({.code = "IST0112",
                     .level = Finding::Level::kError,
                     .object = ToString(object.key),
                     .message = fmt::format(
                         "This VirtualService routes to a service \"{}\" that exposes multiple "
                         "ports [{}]. Specifying a port in the destination is required to "
                         "disambiguate.",
                         destination.host, fmt::join(known.ports, " "))});
    }
    return;
  }
  if (std::ranges::find(known.ports, *destination.port) == known.ports.end()) {
    out.push_back(
        NotFound(object, "host:port", fmt::format("{}:{}", destination.host, *destination.port)));
  }
}

}  // namespace

void CheckDestinations(const Store& store, const Registry& registry, Findings& out) {
  const std::set<SubsetKey> subsets = SubsetsOf(store);
  const auto check = [&](const Object& object, const RouteDestination& to) {
    const std::string& ns = object.key.ns;
    const auto& service = object.spec.Get<VirtualService>();
    if (const KnownHost* known = registry.Find(ns, service.export_to, to.host)) {
      CheckPort(object, to, *known, out);
    } else {
      out.push_back(NotFound(object, "host", to.host));
    }
    if (!to.subset.empty() && !subsets.contains(KeyOf(store, ns, to.host, to.subset))) {
      out.push_back(NotFound(object, "host+subset in destinationrule", to.host + "+" + to.subset));
    }
  };
  for (const ObjectPtr& object : store.List(Kind::kVirtualService)) {
    const auto& service = object->spec.Get<VirtualService>();
    for (const std::vector<Rule>* rules : {&service.tcp, &service.tls, &service.http}) {
      for (const Rule& rule : *rules) {
        for (const RouteDestination& to : rule.routes) {
          check(*object, to);
        }
      }
    }
  }
}

}  // namespace vsplit::analyze
