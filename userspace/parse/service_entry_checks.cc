// SPDX-License-Identifier: Apache-2.0
// Istio's ValidateServiceEntry and ValidateWorkloadEntry, and the rules of their CRDs.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "protocols.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/text.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kUnix = "unix://";
constexpr std::size_t kLongestPortName = 62;  // of a WorkloadEntry, by its CRD

// In the CustomResourceDefinitions: of a WorkloadEntry's fields, and of lists and maps.
constexpr auto kLengths = std::to_array<std::pair<std::string_view, std::size_t>>(
    {{"address", 256}, {"network", 2048}, {"locality", 2048}, {"serviceAccount", 253}});
constexpr std::uint32_t kMostEntries = 256;
constexpr std::uint32_t kMostPorts = 128;
constexpr std::uint32_t kMostEndpoints = 4096;

bool IsDns(Resolution resolution) {
  return resolution == Resolution::kDns || resolution == Resolution::kDnsRoundRobin;
}

bool IsHostOrIp(std::string_view text) {
  return IsFqdn(text) || ParseIpAddress(text);
}

bool IsPartialWildcard(std::string_view host) {
  return host.size() > 1 && host.find('*') != std::string_view::npos && !host.starts_with("*.");
}

void CheckCount(const At& at, std::string_view field, std::uint32_t most) {
  WithField(at, field, [most](const At& list) {
    if (list.node().count > most) {
      list.Error(fmt::format("found {} entries, at most {} are allowed", list.node().count, most));
    }
  });
}

// ---- hosts and addresses -----------------------------------------------------------------------

void CheckHosts(const At& spec, const ServiceEntry& service) {
  const bool dynamic = service.resolution == Resolution::kDynamicDns;
  const bool from_hosts = IsDns(service.resolution) && service.endpoints.empty();
  if (const Node* hosts = Given(spec.node(), "hosts"); hosts != nullptr && hosts->count == 0) {
    spec.Field(*hosts).Error("found no hosts, at least one is required");
  }
  EachItemOf(spec, "hosts", [&](const At& item) {
    const std::string_view host = item.node().text;
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    if (host == "*" || !IsWildcardDomain(host)) {
      item.NotAllowed("a host name, possibly with \"*.\" in front, is allowed");
    } else if (dynamic && !host.starts_with('*')) {
      item.NotAllowed("a host name with \"*.\" in front is allowed with resolution DYNAMIC_DNS");
    } else if (from_hosts && !IsFqdn(host)) {
      item.NotAllowed("a host name without \"*\" is allowed for DNS without endpoints");
    } else if (!dynamic && IsPartialWildcard(host)) {
      item.Warn(fmt::format("found {}, \"*\" stands for whole labels", item.Found()));
    }
  });
}

void CheckAddresses(const At& spec, const ServiceEntry& service) {
  constexpr std::size_t kLongest = 64;
  const bool subnets =
      service.resolution == Resolution::kNone || service.resolution == Resolution::kStatic;
  EachItemOf(spec, "addresses", [subnets](const At& item) {
    const std::string_view address = item.node().text;
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    if (!ParseIpPrefix(address) || address.size() > kLongest) {
      item.NotAllowed("an IP address, or a subnet such as 10.0.0.0/8, is allowed");
    } else if (!subnets && address.find('/') != std::string_view::npos) {
      item.NotAllowed("subnets are allowed with resolution NONE or STATIC");
    }
  });
  if (service.resolution == Resolution::kDynamicDns && !service.addresses.empty()) {
    spec.Field(*spec.node().Find("addresses"))
        .ErrorAtKey("not allowed with resolution DYNAMIC_DNS");
  }
}

// ---- ports -------------------------------------------------------------------------------------

// Whether Istio hands out an address for each host (ip_autoallocation.go).
bool GetsAddresses(const ServiceEntry& service, const Labels& labels) {
  const auto label = labels.find("networking.istio.io/enable-autoallocate-ip");
  const std::string value = label == labels.end() ? "" : Lower(label->second);
  return service.resolution != Resolution::kNone && value != "false" && service.addresses.empty();
}

void CheckPort(const At& port, const ServiceEntry& service, bool gets_addresses) {
  const std::string_view protocol = TextOf(port.node(), "protocol");
  const std::string_view name = TextOf(port.node(), "name");
  if (port.node().Find("name") != nullptr && !IsHostLabel(name)) {
    port.Field(*port.node().Find("name")).NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
  if (!protocol.empty() && !IsProtocol(protocol)) {
    port.Field(*port.node().Find("protocol")).NotAllowed(kProtocolRule);
  } else if (service.resolution == Resolution::kDynamicDns && !IsDynamicDnsProtocol(protocol)) {
    port.Error(
        "found a protocol that resolution DYNAMIC_DNS cannot read a host from, HTTP, HTTP2, "
        "GRPC, TLS are allowed");
  }
  if (service.addresses.empty() && !gets_addresses && (protocol.empty() || protocol == "TCP")) {
    port.Warn("a service of protocol TCP, or none, needs addresses to be told from others");
  }
}

void CheckPorts(const At& spec, const ServiceEntry& service, const Labels& labels) {
  const bool gets_addresses = GetsAddresses(service, labels);
  std::set<std::string_view> names;
  std::set<std::int64_t> numbers;
  EachItemOf(spec, "ports", [&](const At& port) {
    const std::string_view name = TextOf(port.node(), "name");
    const std::int64_t number = IntegerOf(port.node(), "number");
    if (!name.empty() && !names.insert(name).second) {
      port.Error(fmt::format("found port name \"{}\" twice", name));
    }
    if (number != 0 && !numbers.insert(number).second) {
      port.Error(fmt::format("found port {} twice", number));
    }
    CheckPort(port, service, gets_addresses);
  });
}

// Connections to several hosts have to say which one they mean.
void CheckHostsApart(const At& spec, const ServiceEntry& service) {
  if (service.hosts.size() < 2 || service.resolution == Resolution::kNone) {
    return;
  }
  const auto silent = std::ranges::find_if(service.ports, [](const ServiceEntryPort& port) {
    return !IsHttp(port.protocol) && !IsTls(port.protocol);
  });
  if (silent != service.ports.end()) {
    spec.Field(*spec.node().Find("hosts"))
        .Error(
            fmt::format("found {} hosts, one is allowed beside port {}, whose protocol is neither "
                        "HTTP nor TLS",
                        service.hosts.size(), silent->number));
  }
  const bool tcp = std::ranges::any_of(
      service.ports, [](const ServiceEntryPort& port) { return IsTcpFamily(port.protocol); });
  if (IsDns(service.resolution) && !service.addresses.empty() && tcp) {
    spec.Field(*spec.node().Find("hosts"))
        .Warn("hosts that share addresses cannot be told apart on ports of TCP");
  }
}

// ---- endpoints ---------------------------------------------------------------------------------

void CheckEndpoint(const At& endpoint, const ServiceEntry& service) {
  CheckWorkload(endpoint, &service);
  const Node* address = Given(endpoint.node(), "address");
  const std::string_view text = TextOf(endpoint.node(), "address");
  if (IsDns(service.resolution) && !IsHostOrIp(text)) {
    address == nullptr ? endpoint.Missing("address")
                       : endpoint.Field(*address).NotAllowed(
                             "a host name or an IP address is allowed with resolution DNS");
  } else if (service.resolution == Resolution::kStatic && !text.empty() &&
             !text.starts_with(kUnix) && !ParseIpAddress(text)) {
    endpoint.Field(*address).NotAllowed("an IP address is allowed with resolution STATIC");
  }
}

void CheckEndpoints(const At& spec, const ServiceEntry& service) {
  const Node* endpoints = Given(spec.node(), "endpoints");
  if (endpoints == nullptr) {
    return;
  }
  const At at = spec.Field(*endpoints);
  if (Given(spec.node(), "workloadSelector") != nullptr) {
    at.ErrorAtKey("found beside workloadSelector, one of them is allowed");
  }
  if (service.resolution == Resolution::kNone) {
    at.ErrorAtKey("not allowed with resolution NONE, which is also meant without resolution");
  }
  if (service.resolution == Resolution::kDynamicDns && endpoints->count > 0) {
    at.ErrorAtKey("not allowed with resolution DYNAMIC_DNS");
  }
  if (service.resolution == Resolution::kDnsRoundRobin && endpoints->count > 1) {
    at.Error(fmt::format("found {} endpoints, at most 1 is allowed with resolution DNS_ROUND_ROBIN",
                         endpoints->count));
  }
  EachItem(at, [&service](const At& endpoint) { CheckEndpoint(endpoint, service); });
}

bool UsesWaypoint(const Labels& labels) {
  const auto label = labels.find("istio.io/use-waypoint");
  return label != labels.end() && !label->second.empty() && label->second != "none" &&
         label->second != "None" && label->second != "NONE";
}

// ---- ports of a workload -----------------------------------------------------------------------

void CheckWorkloadPorts(const At& workload, const ServiceEntry* service) {
  CheckCount(workload, "ports", kMostPorts);
  EachEntryOf(workload, "ports", [service](const At& entry) {
    const auto same = [&entry](const ServiceEntryPort& port) { return port.name == entry.name(); };
    if (!IsHostLabel(entry.name()) || entry.name().size() > kLongestPortName) {
      entry.ErrorAtKey(fmt::format("found \"{}\", a DNS label of at most {} letters is allowed",
                                   entry.name(), kLongestPortName));
    } else if (service != nullptr && std::ranges::none_of(service->ports, same)) {
      entry.ErrorAtKey("no port of the ServiceEntry has this name");
    }
  });
}

}  // namespace

void CheckWorkload(const At& workload, const ServiceEntry* service) {
  const Node& node = workload.node();
  if (node.kind != Node::Kind::kMap) {
    return;
  }
  const std::string_view address = TextOf(node, "address");
  const bool in_dns = service != nullptr && IsDns(service->resolution);
  if (address.empty() && !in_dns) {
    if (TextOf(node, "network").empty()) {
      workload.Missing("address");
    } else {
      workload.Warn("has a network and no address: it is reached through the network's gateway");
    }
  } else if (address.starts_with(kUnix)) {
    const At at = workload.Field(*node.Find("address"));
    CheckSocketFile(at, address.substr(kUnix.size()));
    WithField(workload, "ports",
              [](const At& ports) { ports.ErrorAtKey("not allowed for a socket file"); });
    if (service != nullptr && service->ports.size() != 1) {
      at.Error(fmt::format("found a socket file in a ServiceEntry of {} ports, 1 is allowed",
                           service->ports.size()));
    }
  } else if (service == nullptr && !IsHostOrIp(address)) {
    workload.Field(*node.Find("address")).NotAllowed("an IP address or a host name is allowed");
  }
  CheckWorkloadPorts(workload, service);
  CheckCount(workload, "labels", kMostEntries);
  for (const auto& [field, most] : kLengths) {
    WithField(workload, field, [limit = most](const At& text) { CheckLength(text, limit); });
  }
}

void CheckServiceEntry(const At& spec, const Object& object) {
  const auto& service = object.spec.Get<ServiceEntry>();
  CheckCount(spec, "hosts", kMostEntries);
  CheckCount(spec, "addresses", kMostEntries);
  CheckCount(spec, "ports", kMostEntries);
  CheckCount(spec, "endpoints", kMostEndpoints);
  WithField(spec, "workloadSelector", [&service](const At& selector) {
    CheckSelector(selector, "labels");
    if (service.resolution == Resolution::kNone) {
      selector.WarnAtKey(
          "has no effect with resolution NONE, which is also meant without resolution");
    }
  });
  CheckHosts(spec, service);
  CheckAddresses(spec, service);
  CheckPorts(spec, service, object.labels);
  CheckHostsApart(spec, service);
  CheckEndpoints(spec, service);
  if (service.resolution == Resolution::kDynamicDns && service.location == "MESH_INTERNAL" &&
      UsesWaypoint(object.labels)) {
    spec.Field(*spec.node().Find("location"))
        .NotAllowed("MESH_EXTERNAL is allowed with resolution DYNAMIC_DNS and a waypoint");
  }
  CheckExportTo(spec, object.key.ns, Exported::kServiceEntry);
}

}  // namespace vsplit::parse
