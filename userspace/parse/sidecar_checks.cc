// SPDX-License-Identifier: Apache-2.0
// Istio's ValidateSidecar.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <system_error>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "protocols.h"
#include "syntax.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

constexpr std::string_view kUnix = "unix://";
constexpr std::int64_t kLastPort = 65535;

// ---- listeners of both directions --------------------------------------------------------------

// Name, protocol and target port, which are optional.
void CheckPort(const At& port) {
  const std::string_view name = TextOf(port.node(), "name");
  const std::string_view protocol = TextOf(port.node(), "protocol");
  if (!name.empty() && !IsHostLabel(name)) {
    port.Field(*port.node().Find("name")).NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
  if (!protocol.empty() && !IsProtocol(protocol)) {
    port.Field(*port.node().Find("protocol")).NotAllowed(kProtocolRule);
  }
  if (IntegerOf(port.node(), "targetPort") > 0) {
    port.Field(*port.node().Find("targetPort")).ErrorAtKey("not allowed in a Sidecar");
  }
}

void CheckPortNumber(const At& port, std::set<std::int64_t>& seen) {
  const std::int64_t number = IntegerOf(port.node(), "number");
  if (number < 1 || number > kLastPort) {
    port.Error(
        fmt::format("found number {}, an integer from 1 to {} is allowed", number, kLastPort));
  } else if (!seen.insert(number).second) {
    port.Error(fmt::format("found port {} twice", number));
  }
}

void CheckBind(const At& listener) {
  WithField(listener, "bind", [](const At& bind) {
    if (bind.node().kind == Node::Kind::kString && !bind.node().text.empty() &&
        !ParseIpAddress(bind.node().text)) {
      bind.NotAllowed("an IP address is allowed");
    }
  });
}

// ---- ingress -----------------------------------------------------------------------------------

// "127.0.0.1:80", "[::1]:80", ":80", or a socket file.
bool IsDefaultEndpoint(std::string_view text) {
  constexpr auto kHosts =
      std::to_array<std::string_view>({"", "127.0.0.1", "0.0.0.0", "[::1]", "[::]"});
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    return false;
  }
  const std::string_view port = text.substr(colon + 1);
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return std::ranges::find(kHosts, text.substr(0, colon)) != kHosts.end() && error == std::errc() &&
         end == port.data() + port.size() && number >= 1 && number <= kLastPort;
}

void CheckDefaultEndpoint(const At& at) {
  const std::string_view text = at.node().text;
  if (text.starts_with(kUnix)) {
    CheckSocketFile(at, text.substr(kUnix.size()));
  } else if (at.node().kind == Node::Kind::kString && !text.empty() && !IsDefaultEndpoint(text)) {
    at.NotAllowed(
        "127.0.0.1:PORT, 0.0.0.0:PORT, [::1]:PORT, [::]:PORT, :PORT or unix://PATH is allowed");
  }
}

bool IsGiven(const Node& map, std::string_view field) {
  const Node* node = Given(map, field);
  return node != nullptr &&
         (node->kind == Node::Kind::kList ? node->count > 0
                                          : !node->text.empty() && node->text != "false");
}

void CheckServerTls(const At& tls, std::string_view protocol) {
  const Node& node = tls.node();
  for (const std::string_view field : {"subjectAltNames", "httpsRedirect", "credentialName",
                                       "credentialNames", "tlsCertificates"}) {
    if (IsGiven(node, field)) {
      tls.Field(*node.Find(field)).ErrorAtKey("not allowed in a Sidecar");
    }
  }
  const std::string_view mode = TextOf(node, "mode");
  if (mode == "ISTIO_MUTUAL" || mode == "AUTO_PASSTHROUGH") {
    tls.Field(*node.Find("mode")).NotAllowed("not allowed in a Sidecar");
  }
  if (!IsTls(protocol)) {
    tls.ErrorAtKey("allowed for ports of protocol HTTPS or TLS");
  }
  if (mode == "SIMPLE" || mode == "MUTUAL" || mode == "OPTIONAL_MUTUAL") {
    for (const std::string_view field : {"serverCertificate", "privateKey"}) {
      if (!IsGiven(node, field)) {
        tls.report().Add(tls.Path(field), node.place,
                         fmt::format("missing, mode {} requires it", mode));
      }
    }
  }
  if ((mode == "MUTUAL" || mode == "OPTIONAL_MUTUAL") && !IsGiven(node, "caCertificates")) {
    tls.report().Add(tls.Path("caCertificates"), node.place,
                     fmt::format("missing, mode {} requires it", mode));
  }
  if (mode == "SIMPLE" && IsGiven(node, "caCrl")) {
    tls.Field(*node.Find("caCrl")).ErrorAtKey("not allowed with mode SIMPLE");
  }
}

void CheckIngress(const At& listener, std::set<std::int64_t>& ports) {
  std::string_view protocol;
  WithField(listener, "port", [&](const At& port) {
    protocol = TextOf(port.node(), "protocol");
    CheckPort(port);
    CheckPortNumber(port, ports);
  });
  CheckBind(listener);
  WithField(listener, "defaultEndpoint", CheckDefaultEndpoint);
  WithField(listener, "tls", [protocol](const At& tls) { CheckServerTls(tls, protocol); });
  WithField(listener, "connectionPool", [protocol](const At& pool) {
    CheckConnectionPool(pool);
    if (Given(pool.node(), "http") != nullptr && !IsHttp(protocol)) {
      pool.Field(*pool.node().Find("http"))
          .WarnAtKey("has no effect, the protocol of the port is not HTTP");
    }
  });
}

// ---- egress ------------------------------------------------------------------------------------

bool IsHostPattern(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) {
    return false;
  }
  std::string_view ns = text.substr(0, slash);
  const std::string_view host = text.substr(slash + 1);
  if (ns.empty()) {
    return false;
  }
  ns.remove_prefix(ns.starts_with('~') ? 1 : 0);
  const bool full = host == "*" || host.find('.') != std::string_view::npos;
  const bool whole = !host.starts_with('*') || host == "*" || host.starts_with("*.");
  return whole && (ns.empty() || ns == "*" || ns == "." || IsHostLabel(ns)) && full &&
         IsWildcardDomain(host);
}

// Hosts that others of the listener cover already.
class HostsOfListener {
 public:
  explicit HostsOfListener(std::string_view ns) : ns_(ns) {}

  void Take(const At& item) {
    const std::string_view text = item.node().text;
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos || text.starts_with('~')) {
      return;
    }
    const std::string_view ns = text.substr(0, slash) == "." ? ns_ : text.substr(0, slash);
    const std::string_view host = text.substr(slash + 1);
    std::set<std::string_view>& hosts = seen_[ns];
    const bool again = host == "*" ? !hosts.empty() : hosts.contains(host) || hosts.contains("*");
    if (again) {
      item.Warn(
          fmt::format("found {}, which other hosts of the listener say already", item.Found()));
    }
    hosts.insert(host);
  }

  // Whether "*/*" is there, and something else.
  bool HasMoreThanEverything() const {
    const auto all = seen_.find("*");
    return all != seen_.end() && all->second.contains("*") && seen_.size() > 1;
  }

 private:
  std::string_view ns_;
  std::map<std::string_view, std::set<std::string_view>> seen_;
};

void CheckEgressHosts(const At& hosts, std::string_view ns) {
  if (hosts.node().kind != Node::Kind::kList) {
    return;
  }
  if (hosts.node().count == 0) {
    hosts.Error("found no hosts, at least one is required");
  }
  HostsOfListener seen(ns);
  EachItem(hosts, [&seen](const At& item) {
    if (item.node().kind != Node::Kind::kString) {
      return;
    }
    if (!IsHostPattern(item.node().text)) {
      item.NotAllowed(
          "NAMESPACE/HOST is allowed, the namespace *, . or ~ too, the host * or with a dot");
    }
    seen.Take(item);
  });
  if (seen.HasMoreThanEverything()) {
    hosts.Warn("found \"*/*\" among others, it is every host there is");
  }
}

// A port of 0 stands for a socket file.
void CheckEgressPort(const At& listener, const At& port, std::set<std::int64_t>& ports,
                     std::set<std::string_view>& files) {
  CheckPort(port);
  if (IntegerOf(port.node(), "number") != 0) {
    CheckPortNumber(port, ports);
    CheckBind(listener);
    return;
  }
  const std::string_view bind = TextOf(listener.node(), "bind");
  if (!bind.starts_with(kUnix)) {
    port.Error("found no number, it is required unless bind is a socket file");
  } else {
    CheckSocketFile(listener.Field(*listener.node().Find("bind")), bind.substr(kUnix.size()));
  }
  if (!files.insert(bind).second) {
    port.Error(fmt::format("found socket file \"{}\" twice", bind));
  }
  if (TextOf(listener.node(), "captureMode") == "IPTABLES") {
    listener.Field(*listener.node().Find("captureMode"))
        .NotAllowed("DEFAULT or NONE is allowed for a socket file");
  }
}

void CheckEgress(const At& spec, std::string_view ns) {
  std::set<std::int64_t> ports;
  std::set<std::string_view> files;
  EachItemOf(spec, "egress", [&](const At& listener) {
    const Node* port = Given(listener.node(), "port");
    if (port != nullptr) {
      CheckEgressPort(listener, listener.Field(*port), ports, files);
    } else if (listener.node().next != nullptr) {
      listener.Error("found no port, only the last listener is allowed to have none");
    }
    WithField(listener, "hosts", [ns](const At& hosts) { CheckEgressHosts(hosts, ns); });
  });
}

// ---- outboundTrafficPolicy ---------------------------------------------------------------------

void CheckOutbound(const At& policy) {
  WithField(policy, "egressProxy", [&policy](const At& proxy) {
    if (TextOf(policy.node(), "mode") != "ALLOW_ANY") {
      proxy.ErrorAtKey("allowed with mode ALLOW_ANY");
    }
    const Node* host = proxy.node().Find("host");
    if (host != nullptr && host->kind == Node::Kind::kString && !IsFqdn(host->text)) {
      proxy.Field(*host).NotAllowed("the name of a service is allowed");
    }
    const Node* port = Given(proxy.node(), "port");
    const std::int64_t number = port == nullptr ? 0 : IntegerOf(*port, "number");
    if (port == nullptr) {
      proxy.Missing("port");
    } else if (number < 1 || number > kLastPort) {
      proxy.Field(*port).Error(
          fmt::format("found number {}, an integer from 1 to {} is allowed", number, kLastPort));
    }
    const std::string_view subset = TextOf(proxy.node(), "subset");
    if (!subset.empty() && !IsHostLabel(subset)) {
      proxy.Field(*proxy.node().Find("subset")).NotAllowed("a DNS label is allowed");
    }
  });
}

}  // namespace

void CheckSidecar(const At& spec, const Object& object) {
  const Node& node = spec.node();
  if (node.kind != Node::Kind::kMap) {
    return;
  }
  WithField(spec, "workloadSelector",
            [](const At& selector) { CheckSelector(selector, "labels"); });
  const auto is_full = [&node](std::string_view field) {
    const Node* list = Given(node, field);
    return list != nullptr && (list->kind != Node::Kind::kList || list->count > 0);
  };
  if (!is_full("egress") && !is_full("ingress") && !is_full("outboundTrafficPolicy") &&
      !is_full("inboundConnectionPool")) {
    spec.Error(
        "found no settings, at least one of egress, ingress, outboundTrafficPolicy, "
        "inboundConnectionPool is required");
  }
  std::set<std::int64_t> ports;
  EachItemOf(spec, "ingress", [&ports](const At& listener) { CheckIngress(listener, ports); });
  WithField(spec, "inboundConnectionPool", CheckConnectionPool);
  CheckEgress(spec, object.key.ns);
  WithField(spec, "outboundTrafficPolicy", CheckOutbound);
}

}  // namespace vsplit::parse
