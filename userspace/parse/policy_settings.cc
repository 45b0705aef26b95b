// SPDX-License-Identifier: Apache-2.0
// The blocks of a trafficPolicy: Istio's validateTrafficPolicy.
#include <fmt/core.h>

#include <charconv>
#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "syntax.h"
#include "vsplit/address.h"

namespace vsplit::parse {

namespace {

bool IsTrue(const Node& map, std::string_view field) {
  const Node* node = map.Find(field);
  return node != nullptr && node->kind == Node::Kind::kBool && node->text == "true";
}

// ---- outlierDetection --------------------------------------------------------------------------

void CheckOutlierDetection(const At& outlier) {
  constexpr std::int64_t kAll = 100;
  for (const std::string_view field : {"interval", "baseEjectionTime"}) {
    WithField(outlier, field, CheckDuration);
  }
  for (const std::string_view field : {"maxEjectionPercent", "minHealthPercent"}) {
    WithField(outlier, field, [](const At& percent) {
      if (WholeNumber(percent.node()).value_or(0) > kAll) {
        percent.NotAllowed("an integer from 0 to 100 is allowed");
      }
    });
  }
  if (IntegerOf(outlier.node(), "consecutiveLocalOriginFailures") > 0 &&
      !IsTrue(outlier.node(), "splitExternalLocalOriginErrors")) {
    outlier.Field(*outlier.node().Find("consecutiveLocalOriginFailures"))
        .ErrorAtKey("allowed with splitExternalLocalOriginErrors: true");
  }
  if (IntegerOf(outlier.node(), "consecutiveErrors") != 0) {
    outlier.Field(*outlier.node().Find("consecutiveErrors"))
        .WarnAtKey(
            "is deprecated and not read, use consecutiveGatewayErrors or "
            "consecutive5xxErrors");
  }
}

// ---- connectionPool ----------------------------------------------------------------------------

void CheckHttpPool(const At& http) {
  WithField(http, "idleTimeout", CheckDuration);
  if (TextOf(http.node(), "h2UpgradePolicy") == "UPGRADE" &&
      IsTrue(http.node(), "useClientProtocol")) {
    http.Error("found useClientProtocol and h2UpgradePolicy UPGRADE, one of them is allowed");
  }
  WithField(http, "http2KeepAlive", [](const At& keepalive) {
    for (const std::string_view field : {"interval", "timeout"}) {
      if (Given(keepalive.node(), field) == nullptr) {
        keepalive.Missing(field);
      }
      WithField(keepalive, field, CheckDuration);
    }
  });
}

void CheckTcpPool(const At& tcp) {
  for (const std::string_view field : {"connectTimeout", "maxConnectionDuration"}) {
    WithField(tcp, field, CheckDuration);
  }
  WithField(tcp, "idleTimeout", [](const At& timeout) {
    const auto duration = ParseDuration(timeout.node().text);
    const auto whole = std::chrono::milliseconds(1);
    const bool off = duration && *duration < whole && *duration > -whole;
    if (!off &&
        (!duration || *duration < whole || *duration % whole != std::chrono::nanoseconds(0))) {
      timeout.NotAllowed("0s or a duration of whole milliseconds, such as \"1.5s\" is allowed");
    }
  });
  WithField(tcp, "tcpKeepalive", [](const At& keepalive) {
    WithField(keepalive, "time", CheckDuration);
    WithField(keepalive, "interval", CheckDuration);
  });
}

// ---- loadBalancer ------------------------------------------------------------------------------

void CheckCookie(const At& cookie) {
  const Node* name = cookie.node().Find("name");
  if (name != nullptr && name->kind == Node::Kind::kString && name->text.empty()) {
    cookie.Field(*name).NotAllowed("the name of a cookie is allowed");
  }
  std::set<std::string_view> names;
  EachItemOf(cookie, "attributes", [&names](const At& attribute) {
    const std::string_view attribute_name = TextOf(attribute.node(), "name");
    if (attribute.node().Find("name") == nullptr) {
      return;  // noted already
    }
    if (attribute_name.empty()) {
      attribute.Error("found an empty name, the name of an attribute is allowed");
    } else if (!names.insert(attribute_name).second) {
      attribute.Error(fmt::format("found attribute \"{}\" twice", attribute_name));
    }
  });
}

// As Envoy has it, for which 1 is a prime.
bool IsPrime(std::uint64_t number) {
  constexpr std::uint64_t kSmall = 4;
  if (number != 0 && number < kSmall) {
    return true;
  }
  if (number % 2 == 0) {
    return false;
  }
  for (std::uint64_t factor = 3; factor * factor <= number; factor += 2) {
    if (number % factor == 0) {
      return false;
    }
  }
  return true;
}

void CheckMaglev(const At& maglev) {
  constexpr std::int64_t kTooLarge = 5'000'011;
  const Node* size = Given(maglev.node(), "tableSize");
  if (size == nullptr) {
    maglev.Missing("tableSize");
    return;
  }
  const std::int64_t number = WholeNumber(*size).value_or(0);
  if (size->kind == Node::Kind::kInteger &&
      (number <= 0 || number >= kTooLarge || !IsPrime(static_cast<std::uint64_t>(number)))) {
    maglev.Field(*size).NotAllowed(fmt::format("a prime number below {} is allowed", kTooLarge));
  }
}

void CheckConsistentHash(const At& hash) {
  CheckOneOf(hash, "httpHeaderName httpCookie useSourceIp httpQueryParameterName");
  CheckOneOf(hash, "ringHash maglev");
  WithField(hash, "httpCookie", CheckCookie);
  WithField(hash, "maglev", CheckMaglev);
  if (IntegerOf(hash.node(), "minimumRingSize") == 0) {
    return;
  }
  const At size = hash.Field(*hash.node().Find("minimumRingSize"));
  if (Given(hash.node(), "ringHash") != nullptr || Given(hash.node(), "maglev") != nullptr) {
    size.ErrorAtKey("found beside ringHash or maglev, one of them is allowed");
  }
  size.WarnAtKey("is deprecated, use ringHash.minimumRingSize");
}

double NumberOf(const Node& node) {
  double number = 0;
  std::from_chars(node.text.data(), node.text.data() + node.text.size(), number);
  return number;
}

void CheckWarmup(const At& warmup) {
  constexpr double kAll = 100;
  if (Given(warmup.node(), "duration") == nullptr) {
    warmup.Missing("duration");
  }
  WithField(warmup, "duration", CheckDuration);
  WithField(warmup, "minimumPercent", [](const At& percent) {
    if (NumberOf(percent.node()) < 0 || NumberOf(percent.node()) > kAll) {
      percent.NotAllowed("a percentage from 0 to 100 is allowed");
    }
  });
  WithField(warmup, "aggression", [](const At& aggression) {
    const Node::Kind kind = aggression.node().kind;
    if ((kind == Node::Kind::kInteger || kind == Node::Kind::kFloat) &&
        NumberOf(aggression.node()) <= 0) {
      aggression.NotAllowed("a number above 0 is allowed");
    }
  });
}

void CheckLoadBalancer(const At& load_balancer, bool has_outlier_detection) {
  CheckOneOf(load_balancer, "simple consistentHash");
  WithField(load_balancer, "consistentHash", CheckConsistentHash);
  WithField(load_balancer, "warmup", CheckWarmup);
  CheckLocality(load_balancer, has_outlier_detection);
}

// ---- tls, tunnel -------------------------------------------------------------------------------

// "configmap://namespace/name" of the rule's own namespace.
void CheckConfigMap(const At& name, std::string_view ns) {
  constexpr std::string_view kScheme = "configmap://";
  const std::string_view text = name.node().text;
  const std::string own = fmt::format("{}{}/", kScheme, ns);
  if (text.starts_with(kScheme) && (!text.starts_with(own) || text.size() == own.size() ||
                                    text.find('/', own.size()) != std::string_view::npos)) {
    name.NotAllowed(fmt::format("{}NAME is allowed", own));
  }
}

void NotBeside(const At& tls, std::string_view fields, std::string_view what) {
  for (const std::string_view field : SplitNames(fields)) {
    const Node* node = Given(tls.node(), field);
    if (node != nullptr && (node->kind == Node::Kind::kList || !node->text.empty())) {
      tls.Field(*node).ErrorAtKey(fmt::format("not allowed beside {}", what));
    }
  }
}

void CheckTls(const At& tls, std::string_view ns) {
  const std::string_view mode = TextOf(tls.node(), "mode");
  const bool mutual = mode == "MUTUAL";
  WithField(tls, "credentialName", [ns](const At& name) { CheckConfigMap(name, ns); });
  if (IsTrue(tls.node(), "insecureSkipVerify") && (mutual || mode == "SIMPLE")) {
    NotBeside(
        tls,
        mutual ? "caCertificates subjectAltNames" : "caCertificates credentialName subjectAltNames",
        "insecureSkipVerify");
  }
  if (!TextOf(tls.node(), "credentialName").empty() && (mutual || mode == "SIMPLE")) {
    NotBeside(tls, "clientCertificate caCertificates privateKey caCrl", "credentialName");
    return;
  }
  for (const std::string_view field : {"clientCertificate", "privateKey"}) {
    if (mutual && TextOf(tls.node(), field).empty()) {
      tls.report().Add(tls.Path(field), tls.node().place, "missing, mode MUTUAL requires it");
    }
  }
}

void CheckTunnel(const At& tunnel) {
  constexpr std::int64_t kLastPort = 65535;
  WithField(tunnel, "protocol", [](const At& protocol) {
    const std::string_view name = protocol.node().text;
    if (!name.empty() && name != "CONNECT" && name != "POST") {
      protocol.NotAllowed("CONNECT or POST is allowed");
    }
  });
  WithField(tunnel, "targetHost", [](const At& host) {
    if (!IsFqdn(host.node().text) && !ParseIpAddress(host.node().text)) {
      host.NotAllowed("a host name or an IP address is allowed");
    }
  });
  WithField(tunnel, "targetPort", [](const At& port) {
    const std::int64_t number = WholeNumber(port.node()).value_or(0);
    if (port.node().kind == Node::Kind::kInteger && (number < 1 || number > kLastPort)) {
      port.NotAllowed("an integer from 1 to 65535 is allowed");
    }
  });
}

}  // namespace

void CheckConnectionPool(const At& pool) {
  if (pool.node().kind == Node::Kind::kMap && Given(pool.node(), "tcp") == nullptr &&
      Given(pool.node(), "http") == nullptr) {
    pool.Error("found no settings, at least one of tcp, http is required");
  }
  WithField(pool, "tcp", CheckTcpPool);
  WithField(pool, "http", CheckHttpPool);
}

void CheckPolicySettings(const At& policy, std::string_view ns) {
  const bool ejects = Given(policy.node(), "outlierDetection") != nullptr;
  WithField(policy, "outlierDetection", CheckOutlierDetection);
  WithField(policy, "connectionPool", CheckConnectionPool);
  WithField(policy, "loadBalancer", [ejects](const At& at) { CheckLoadBalancer(at, ejects); });
  WithField(policy, "tls", [ns](const At& at) { CheckTls(at, ns); });
  WithField(policy, "tunnel", CheckTunnel);
  if (Given(policy.node(), "proxyProtocol") != nullptr) {
    WithField(policy, "tunnel", [](const At& tunnel) {
      tunnel.ErrorAtKey("found beside proxyProtocol, one of them is allowed");
    });
  }
}

}  // namespace vsplit::parse
