// SPDX-License-Identifier: Apache-2.0
#include "unseen.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "registry.h"
#include "rules.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

// The addresses of what the client sees under this host and on this port, unless a name is needed
// to get there. `named`: connections have its name in their TLS hello.
void AddSeen(const Scene& scene, const HostName& host, std::uint16_t number, bool named,
             std::vector<IpPrefix>& ranges) {
  const RegistryService* service = scene.registry.Find(scene, host);
  const RegistryPort* port = service == nullptr ? nullptr : service->FindPort(number);
  if (port != nullptr && port->protocol != PortProtocol::kHttp &&
      (named || port->protocol != PortProtocol::kTls) &&
      scene.sight->SeesPort(*service, number, false)) {
    ranges.insert(ranges.end(), port->addresses.begin(), port->addresses.end());
  }
}

// Of the host itself, and of all entries that have ranges.
std::vector<IpPrefix> RangesBeside(const Scene& scene, const HostName& host, std::uint16_t port) {
  std::vector<IpPrefix> ranges;
  AddSeen(scene, host, port, true, ranges);
  for (const ObjectPtr& object : scene.registry.WideEntries(scene)) {
    for (const std::string& other : object->spec.Get<ServiceEntry>().hosts) {
      if (PlainHost(other) != host) {
        AddSeen(scene, PlainHost(other), port, false, ranges);
      }
    }
  }
  return ranges;
}

}  // namespace

std::vector<DialledPort> UnseenPorts(const Scene& scene, const HostName& host,
                                     const RegistryService* found) {
  const RegistryService unseen = UnseenService(scene, host, found);
  if (unseen.ports.empty()) {
    return {};
  }
  const std::string why = found == nullptr ? WhyNotFound(scene, host)
                                           : fmt::format("\"{}\" is {} for the client", host,
                                                         ToString(found->object().key));
  std::vector<DialledPort> ports;
  for (const RegistryPort& port : unseen.ports) {
    if (port.protocol == PortProtocol::kUdp) {
      continue;
    }
    if (std::vector<IpPrefix> addresses = NotInRanges(scene, host, port); !addresses.empty()) {
      ports.push_back({.number = port.number,
                       .name = port.name,
                       .protocol = port.protocol,
                       .declared = port.declared,
                       .ns = port.ns,
                       .visible = false,
                       .addresses = std::move(addresses),
                       .untouched = why});
    }
  }
  return ports;
}

std::vector<IpPrefix> NotInRanges(const Scene& scene, const HostName& host,
                                  const RegistryPort& port) {
  if (port.addresses.empty()) {
    return {};  // and no other host is asked about
  }
  const std::vector<IpPrefix> ranges = RangesBeside(scene, host, port.number);
  std::vector<IpPrefix> addresses = port.addresses;
  std::erase_if(addresses, [&ranges](const IpPrefix& address) {
    return std::ranges::any_of(
        ranges, [&address](const IpPrefix& range) { return range.Contains(address); });
  });
  return addresses;
}

}  // namespace vsplit::resolve
