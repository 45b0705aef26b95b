// SPDX-License-Identifier: Apache-2.0
// Istio messages that nothing is read from: their fields by name, so that a misspelt one is found.
// From istio/api networking/v1alpha3.
#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string_view>
#include <utility>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"

namespace vsplit::parse {

namespace {

// A field may name its message after ":"; "*" in front of the message means a list of it, "%" a map
// with free keys to it. A field without ":" is looked at no further.
struct Names {
  std::string_view message;
  std::string_view fields;
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kMessages = std::to_array<Names>({
    {"ConnectionPoolSettings", "tcp:TCPSettings http:HTTPSettings"},
    {"CorsPolicy",
     "allowOrigin allowOrigins:*StringMatch allowMethods allowHeaders exposeHeaders maxAge "
     "allowCredentials unmatchedPreflights"},
    {"Destination", "host subset port:PortSelector"},
    {"HTTPCookie", "name path ttl attributes:*HTTPCookieAttribute"},
    {"HTTPCookieAttribute", "name value"},
    {"HTTPDirectResponse", "status body:HTTPBody"},
    {"HTTPBody", "string bytes"},
    {"HTTPFaultInjection", "delay:FaultDelay abort:FaultAbort"},
    {"Failover", "from to"},
    {"FaultDelay", "percent percentage:Percent fixedDelay exponentialDelay"},
    {"FaultAbort", "percentage:Percent httpStatus grpcStatus http2Error"},
    {"HTTPMirrorPolicy", "destination:Destination percentage:Percent"},
    {"HTTPRedirect", "uri authority port derivePort scheme redirectCode prefixRewrite"},
    {"HTTPRetry",
     "attempts perTryTimeout retryOn retryRemoteLocalities retryIgnorePreviousHosts backoff"},
    {"HTTPRewrite", "uri authority uriRegexRewrite:RegexRewrite"},
    {"HTTPSettings",
     "http1MaxPendingRequests http2MaxRequests maxRequestsPerConnection maxRetries idleTimeout "
     "h2UpgradePolicy useClientProtocol maxConcurrentStreams http2KeepAlive:KeepAlive"},
    {"HeaderOperations", "set add remove"},
    {"Headers", "request:HeaderOperations response:HeaderOperations"},
    {"IstioIngressListener",
     "port:SidecarPort bind captureMode defaultEndpoint tls:ServerTLSSettings "
     "connectionPool:ConnectionPoolSettings"},
    {"KeepAlive", "interval timeout"},
    {"Percent", "value"},
    {"PortSelector", "number"},
    {"ProxyProtocol", "version"},
    {"RegexRewrite", "match rewrite"},
    {"RetryBudget", "percent minRetryConcurrency"},
    {"ServerTLSSettings",
     "httpsRedirect mode serverCertificate privateKey caCertificates caCrl credentialName "
     "credentialNames caCertCredentialName tlsCertificates:*TLSCertificate subjectAltNames "
     "verifyCertificateSpki verifyCertificateHash minProtocolVersion maxProtocolVersion "
     "cipherSuites"},
    {"SidecarPort", "number protocol name targetPort"},
    {"StringMatch", "exact prefix regex"},
    {"TCPSettings",
     "maxConnections connectTimeout tcpKeepalive:TcpKeepalive "
     "maxConnectionDuration idleTimeout"},
    {"TcpKeepalive", "probes time interval"},
    {"TLSCertificate", "serverCertificate privateKey caCertificates"},
    {"TunnelSettings", "protocol targetHost targetPort"},
    {"ZoneAwareLbSetting", "enabled minClusterSize failover:*Failover failoverPriority"},
});
// NOLINTEND(modernize-use-designated-initializers)

std::string_view NameOfField(std::string_view field) {
  return field.substr(0, field.find(':'));
}

void CheckField(const At& at, std::string_view message);

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the messages above
void CheckMap(const At& at, std::string_view message) {
  const auto* const names = std::ranges::find(kMessages, message, &Names::message);
  if (names == kMessages.end() || !at.Is(Node::Kind::kMap)) {
    return;
  }
  std::vector<std::string_view> known = SplitNames(names->fields);
  for (const Node* child = at.node().first; child != nullptr && !at.report().Full();
       child = child->next) {
    const At field = at.Field(*child);
    const auto found = std::ranges::find(known, child->key, NameOfField);
    if (found == known.end()) {
      std::vector<std::string_view> plain;
      std::ranges::transform(known, std::back_inserter(plain), NameOfField);
      UnknownField(field, std::move(plain));
    } else if (found->find(':') != std::string_view::npos && !child->is_null()) {
      CheckField(field, found->substr(found->find(':') + 1));
    }
  }
}

// One value of a message, or a list or map of them.
// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the messages above
void CheckField(const At& at, std::string_view message) {
  if (message.starts_with('*')) {
    std::size_t index = 0;
    if (at.Is(Node::Kind::kList)) {
      for (const Node* child = at.node().first; child != nullptr; child = child->next) {
        CheckMap(at.Item(*child, index++), message.substr(1));
      }
    }
  } else if (message.starts_with('%')) {
    if (at.Is(Node::Kind::kMap)) {
      for (const Node* child = at.node().first; child != nullptr; child = child->next) {
        CheckMap(at.Entry(*child), message.substr(1));
      }
    }
  } else {
    CheckMap(at, message);
  }
}

}  // namespace

void CheckNames(const At& at, std::string_view message) {
  CheckField(at, message);
}

}  // namespace vsplit::parse
