// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "live.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

struct Dialled {
  std::string host;
  std::optional<IpAddress> ip;
  std::uint16_t port = 0;
};

// HOST:PORT, [IPV6]:PORT
std::optional<Dialled> ParseTo(const std::string& to) {
  if (const std::optional<SocketAddress> address = ParseSocketAddress(to)) {
    return Dialled{.host = to, .ip = address->ip, .port = address->port};
  }
  const std::size_t colon = to.rfind(':');
  if (colon == std::string::npos || colon == 0 || to.find(':') != colon) {
    return std::nullopt;
  }
  Dialled asked{.host = to.substr(0, colon)};
  const char* end = to.data() + to.size();
  const auto [stop, error] = std::from_chars(to.data() + colon + 1, end, asked.port);
  if (error != std::errc() || stop != end || asked.port == 0) {
    return std::nullopt;
  }
  std::ranges::transform(asked.host, asked.host.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (asked.host.ends_with('.')) {
    asked.host.pop_back();
  }
  return asked;
}

bool IsKnown(const Live& live, const HostName& host) {
  if (live.host(host) != nullptr) {
    return true;
  }
  const auto service = ServiceOfHost(host, live.store.domain());
  return service &&
         live.store.Find({.kind = Kind::kService, .ns = service->first, .name = service->second}) !=
             nullptr;
}

// The first name that is known, in the order in which a pod's resolver completes it.
std::optional<HostName> CompleteHost(const Live& live, const std::string& name,
                                     const std::string& ns) {
  const std::string& domain = live.store.domain();
  for (HostName host :
       {fmt::format("{}.{}.svc.{}", name, ns, domain), fmt::format("{}.svc.{}", name, domain),
        fmt::format("{}.{}", name, domain), name}) {
    if (IsKnown(live, host)) {
      return host;
    }
  }
  return std::nullopt;
}

Result<std::string> NamespaceOf(const Live& live, const std::string& from) {
  if (from.empty()) {
    return "default";
  }
  const std::size_t slash = from.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == from.size()) {
    return Fail("from \"" + from + "\" is not NAMESPACE/POD", Error::Reason::kInvalid);
  }
  const ObjectKey key{
      .kind = Kind::kPod, .ns = from.substr(0, slash), .name = from.substr(slash + 1)};
  if (live.store.Find(key) == nullptr) {
    return Fail("there is no " + ToString(key), Error::Reason::kNotFound);
  }
  return key.ns;
}

std::string PortsOf(const ResolvedHost& host) {
  std::string ports;
  for (const ResolvedPort& port : host.ports) {
    ports += (ports.empty() ? "" : ", ") + std::to_string(port.port);
  }
  return ports.empty() ? "none" : ports;
}

void AddVerdicts(const ResolvedHost& host, const Frontend& dialled, Explained& explained) {
  const ResolvedPort* port = PortOf(host, dialled);
  for (const Verdict& verdict : host.verdicts) {
    if (verdict.port != 0 && verdict.port != explained.port) {
      continue;
    }
    const bool of_rule = port != nullptr && verdict.object == port->rule_object;
    const bool decides = of_rule && verdict.path == port->rule_path;
    const bool of_field = of_rule && verdict.path.starts_with(port->rule_path + ".");
    if (decides && verdict.kind != Verdict::Kind::kNotEnforced) {
      explained.decided = verdict;
    } else if (of_field || verdict.object.kind == Kind::kDestinationRule) {
      if (verdict.kind != Verdict::Kind::kEnforced) {
        explained.settings.push_back(verdict);
      }
    } else if (verdict.kind == Verdict::Kind::kNotEnforced) {
      explained.passed_over.push_back(verdict);
    }
  }
}

// Where the host's port is dialled.
Result<std::vector<Frontend>> FrontendsOf(const Live& live, const Explained& explained) {
  std::vector<Frontend> frontends;
  const ResolvedHost* host = live.host(explained.host);
  if (host == nullptr) {
    return frontends;
  }
  const auto port = std::ranges::find(host->ports, explained.port, &ResolvedPort::port);
  if (port == host->ports.end()) {
    return Fail(fmt::format("{} has no TCP port {}; it has: {}", explained.host, explained.port,
                            PortsOf(*host)),
                Error::Reason::kNotFound);
  }
  for (const ResolvedPort& part : host->ports) {
    for (const IpPrefix& prefix : part.addresses) {
      if (part.port == explained.port) {
        frontends.push_back(
            {.address = {.ip = prefix.address, .port = explained.port}, .prefix = prefix.bits});
      }
    }
  }
  return frontends;
}

// The address itself, or the narrowest subnet with a route that contains it.
Frontend FrontendAt(const Live& live, const SocketAddress& address) {
  Frontend best{.address = address};
  if (live.tables.frontends.contains(best)) {
    return best;
  }
  for (const auto& [subnet, id] : live.tables.subnets) {
    if (subnet.address.port == address.port && subnet.addresses().Contains(address.ip) &&
        (best.prefix == Frontend{}.prefix || subnet.prefix > best.prefix)) {
      best = subnet;
    }
  }
  return best;
}

std::string WhyUntouched(const Live& live, const Frontend& dialled, const Explained& explained) {
  if (explained.host.empty()) {
    return explained.to + " is not the address of a host that is served";
  }
  const ResolvedHost* host = live.host(explained.host);
  if (host == nullptr) {
    return "no rule names " + explained.host;
  }
  const ResolvedPort* asked = PortOf(*host, dialled);
  if (asked != nullptr && !asked->untouched.empty()) {
    return asked->untouched;
  }
  const bool has_address = std::ranges::any_of(
      host->ports, [](const ResolvedPort& port) { return !port.addresses.empty(); });
  return !has_address ? explained.host + " has no address to connect to"
                      : "no route of " + explained.host + " is in force";
}

}  // namespace

Result<Explained> Explain(const Live& live, const std::string& from, const std::string& to,
                          const Decider& decide) {
  const std::optional<Dialled> asked = ParseTo(to);
  if (!asked) {
    return Fail("to \"" + to + "\" is not HOST:PORT", Error::Reason::kInvalid);
  }
  const Result<std::string> ns = NamespaceOf(live, from);
  if (!ns) {
    return tl::unexpected<Error>(ns.error());
  }
  Explained explained{
      .from = from, .to = to, .port = asked->port, .generation = live.tables.generation};
  std::vector<Frontend> frontends;
  if (asked->ip) {
    frontends.push_back(FrontendAt(live, {.ip = *asked->ip, .port = asked->port}));
    const std::optional<LiveRoute> route = ReadRoute(live, frontends.front(), from);
    explained.host = route ? route->host : "";
  } else {
    const std::optional<HostName> host = CompleteHost(live, asked->host, *ns);
    if (!host) {
      return Fail("there is no host \"" + asked->host + "\" as seen from namespace \"" + *ns + "\"",
                  Error::Reason::kNotFound);
    }
    explained.host = *host;
    Result<std::vector<Frontend>> found = FrontendsOf(live, explained);
    if (!found) {
      return tl::unexpected<Error>(found.error());
    }
    frontends = *std::move(found);
  }
  for (const Frontend& frontend : frontends) {
    if (std::optional<LiveRoute> route = ReadRoute(live, frontend, from)) {
      explained.source = route->source;
      // A connection dials one address, also of a subnet.
      const IpAddress dialled = asked->ip.value_or(frontend.address.ip);
      explained.routes.push_back(
          {*std::move(route), decide({.address = {.ip = dialled, .port = asked->port}})});
    }
  }
  // Of a host that is asked for by its name the first address; without one, any part of the port.
  const Frontend dialled = frontends.empty()
                               ? Frontend{.address = {.ip = {}, .port = explained.port}}
                               : frontends.front();
  if (explained.routes.empty()) {
    explained.untouched = WhyUntouched(live, dialled, explained);
  }
  if (const ResolvedHost* host = live.host(explained.host)) {
    AddVerdicts(*host, dialled, explained);
  }
  return explained;
}

}  // namespace vsplit
