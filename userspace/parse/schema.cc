// SPDX-License-Identifier: Apache-2.0
// Istio messages that no typed object is made of: what the API server checks of them before anybody
// else sees them, as Istio's CustomResourceDefinitions say.
#include "schema.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "syntax.h"

namespace vsplit::parse {

namespace {

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr auto kMessages = std::to_array<MessageType>({
    {"ConnectionPoolSettings", "tcp:TCPSettings http:HTTPSettings", ""},
    {"CorsPolicy",
     "allowOrigin:*string allowOrigins:*StringMatch allowMethods:*string allowHeaders:*string "
     "exposeHeaders:*string maxAge:duration allowCredentials:bool "
     "unmatchedPreflights:UNSPECIFIED|FORWARD|IGNORE",
     ""},
    {"Destination", "!host:string subset:string port:PortSelector", ""},
    {"HTTPBody", "string:string bytes:base64", "string bytes"},
    {"HTTPCookie", "!name:string path:string ttl:any_duration attributes:*HTTPCookieAttribute", ""},
    {"HTTPCookieAttribute", "!name:string value:string", ""},
    {"HTTPDirectResponse", "!status:uint32 body:HTTPBody", ""},
    {"HTTPFaultInjection", "delay:FaultDelay abort:FaultAbort", ""},
    {"Failover", "from:string to:string", ""},
    {"FaultAbort", "percentage:Percent httpStatus:int32 grpcStatus:string http2Error:string",
     "httpStatus grpcStatus http2Error"},
    {"FaultDelay", "percent:int32 percentage:Percent fixedDelay:duration exponentialDelay:duration",
     "fixedDelay exponentialDelay"},
    {"HTTPMirrorPolicy", "!destination:Destination percentage:Percent", ""},
    {"HTTPRedirect",
     "uri:string authority:string port:uint32 "
     "derivePort:FROM_PROTOCOL_DEFAULT|FROM_REQUEST_PORT scheme:string redirectCode:uint32 "
     "prefixRewrite:string",
     "port derivePort"},
    {"HTTPRetry",
     "attempts:int32 perTryTimeout:duration retryOn:string retryRemoteLocalities:bool "
     "retryIgnorePreviousHosts:bool backoff:duration",
     ""},
    {"HTTPRewrite", "uri:string authority:string uriRegexRewrite:RegexRewrite", ""},
    {"HTTPSettings",
     "http1MaxPendingRequests:count http2MaxRequests:count maxRequestsPerConnection:count "
     "maxRetries:count idleTimeout:duration h2UpgradePolicy:DEFAULT|DO_NOT_UPGRADE|UPGRADE "
     "useClientProtocol:bool maxConcurrentStreams:count http2KeepAlive:KeepAlive",
     ""},
    {"HeaderOperations", "set:%string add:%string remove:*string", ""},
    {"Headers", "request:HeaderOperations response:HeaderOperations", ""},
    {"IstioIngressListener",
     "!port:SidecarPort bind:string captureMode:DEFAULT|IPTABLES|NONE defaultEndpoint:string "
     "tls:ServerTLSSettings connectionPool:ConnectionPoolSettings",
     ""},
    {"KeepAlive", "interval:duration timeout:duration", ""},
    {"Percent", "value:number", ""},
    {"PortSelector", "number:uint32", ""},
    {"ProxyProtocol", "version:V1|V2", ""},
    {"RegexRewrite", "match:string rewrite:string", ""},
    {"RetryBudget", "percent:percent minRetryConcurrency:uint32 budgetInterval:any_duration", ""},
    {"ServerTLSSettings",
     "httpsRedirect:bool "
     "mode:PASSTHROUGH|SIMPLE|MUTUAL|AUTO_PASSTHROUGH|ISTIO_MUTUAL|OPTIONAL_MUTUAL "
     "serverCertificate:string privateKey:string caCertificates:string caCrl:string "
     "credentialName:string credentialNames:*string caCertCredentialName:string "
     "tlsCertificates:*TLSCertificate subjectAltNames:*string verifyCertificateSpki:*string "
     "verifyCertificateHash:*string insecureSkipVerify:bool "
     "minProtocolVersion:TLS_AUTO|TLSV1_0|TLSV1_1|TLSV1_2|TLSV1_3 "
     "maxProtocolVersion:TLS_AUTO|TLSV1_0|TLSV1_1|TLSV1_2|TLSV1_3 cipherSuites:*string",
     "credentialName credentialNames tlsCertificates"},
    {"SidecarPort", "number:uint32 protocol:string name:string targetPort:uint32", ""},
    {"StringMatch", "exact:string prefix:string regex:string", "exact prefix regex"},
    {"TCPSettings",
     "maxConnections:count connectTimeout:duration tcpKeepalive:TcpKeepalive "
     "maxConnectionDuration:duration idleTimeout:any_duration",
     ""},
    {"TcpKeepalive", "probes:uint32 time:duration interval:duration", ""},
    {"TLSCertificate", "serverCertificate:string privateKey:string caCertificates:string", ""},
    {"TunnelSettings", "protocol:string !targetHost:string !targetPort:uint32", ""},
    {"ZoneAwareLbSetting",
     "enabled:bool minClusterSize:1-4294967295 failover:*Failover failoverPriority:*string", ""},
});
// NOLINTEND(modernize-use-designated-initializers)

constexpr std::int64_t kInt32 = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kUint32 = std::numeric_limits<std::uint32_t>::max();

struct TypeCheck {
  std::string_view name;
  void (*check)(const At& at);
};

void CheckIsString(const At& at) {
  at.Is(Node::Kind::kString);
}

void CheckIsBool(const At& at) {
  at.Is(Node::Kind::kBool);
}

void CheckNumber(const At& at) {
  double number = 0;
  ReadNumber(at, number);
}

void CheckPercent(const At& at) {
  constexpr double kMost = 100;
  double number = 0;
  ReadNumber(at, number);
  if (number < 0 || number > kMost) {
    at.NotAllowed("a percentage from 0 to 100 is allowed");
  }
}

void CheckAnyDuration(const At& at) {
  if (at.Is(Node::Kind::kString) && !ParseDuration(at.node().text)) {
    at.NotAllowed("a duration such as \"1.5s\" is allowed");
  }
}

// The rule of the CRDs: at least a millisecond. Whether it has to be whole ones, others check.
void CheckSomeDuration(const At& at) {
  if (!at.Is(Node::Kind::kString)) {
    return;
  }
  const auto duration = ParseDuration(at.node().text);
  if (!duration || *duration < std::chrono::milliseconds(1)) {
    at.NotAllowed("a duration of at least 1ms, such as \"1.5s\" is allowed");
  }
}

bool IsBase64(std::string_view text) {
  constexpr std::size_t kGroup = 4;
  constexpr int kMostPadding = 2;
  std::string_view digits = text;
  for (int padding = 0; padding < kMostPadding && digits.ends_with('='); ++padding) {
    digits.remove_suffix(1);
  }
  return text.size() % kGroup == 0 && std::ranges::all_of(digits, [](char c) {
           return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '+' || c == '/';
         });
}

void CheckBase64(const At& at) {
  if (at.Is(Node::Kind::kString) && !IsBase64(at.node().text)) {
    at.NotAllowed("bytes in base64 are allowed");
  }
}

constexpr auto kTypes = std::to_array<TypeCheck>({
    {"string", CheckIsString},
    {"bool", CheckIsBool},
    {"number", CheckNumber},
    {"percent", CheckPercent},
    {"duration", CheckSomeDuration},
    {"any_duration", CheckAnyDuration},
    {"base64", CheckBase64},
    {"int32", [](const At& at) { CheckInteger(at, -kInt32 - 1, kInt32); }},
    {"count", [](const At& at) { CheckInteger(at, 0, kInt32); }},
    {"uint32", [](const At& at) { CheckInteger(at, 0, kUint32); }},
});

// "1-600"
void CheckRange(const At& at, std::string_view range) {
  const std::size_t dash = range.find('-');
  std::int64_t least = 0;
  std::int64_t most = 0;
  const char* const begin = range.data();
  std::from_chars(begin, begin + dash, least);
  std::from_chars(begin + dash + 1, begin + range.size(), most);
  CheckInteger(at, least, most);
}

void CheckScalar(const At& at, std::string_view type) {
  if (type.find('|') != std::string_view::npos) {
    std::string names(type);
    std::ranges::replace(names, '|', ' ');
    std::string found;
    ReadOneOf(at, names, found);
    return;
  }
  const auto* const known = std::ranges::find(kTypes, type, &TypeCheck::name);
  if (known != kTypes.end()) {
    known->check(at);
  } else {
    CheckRange(at, type);
  }
}

std::vector<FieldType> FieldsOf(const MessageType& message) {
  std::vector<FieldType> fields;
  std::ranges::transform(SplitNames(message.fields), std::back_inserter(fields), SplitField);
  return fields;
}

void CheckMap(const At& at, const MessageType& message);

// One value of a type, or a list or map of them.
// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the messages above
void CheckValue(const At& at, std::string_view type) {
  const char form = type.front();
  if (form == '*' || form == '%') {
    if (!at.Is(form == '*' ? Node::Kind::kList : Node::Kind::kMap)) {
      return;
    }
    std::size_t index = 0;
    for (const Node* child = at.node().first; child != nullptr && !at.report().Full();
         child = child->next) {
      CheckValue(form == '*' ? at.Item(*child, index++) : at.Entry(*child), type.substr(1));
    }
    return;
  }
  const auto* const message = std::ranges::find(kMessages, type, &MessageType::name);
  if (message != kMessages.end()) {
    CheckMap(at, *message);
  } else {
    CheckScalar(at, type);
  }
}

// NOLINTNEXTLINE(misc-no-recursion): bounded by the depth of the messages above
void CheckMap(const At& at, const MessageType& message) {
  if (!at.Is(Node::Kind::kMap)) {
    return;
  }
  const std::vector<FieldType> fields = FieldsOf(message);
  for (const Node* child = at.node().first; child != nullptr && !at.report().Full();
       child = child->next) {
    const At field = at.Field(*child);
    const auto known = std::ranges::find(fields, child->key, &FieldType::name);
    if (known == fields.end()) {
      std::vector<std::string_view> names;
      std::ranges::transform(fields, std::back_inserter(names), &FieldType::name);
      UnknownField(field, std::move(names));
    } else if (!field.IsAbsent()) {
      CheckValue(field, known->type);
    }
  }
  for (const FieldType& field : fields) {
    if (field.required && at.node().Find(field.name) == nullptr) {
      at.Missing(field.name);
    }
  }
  CheckOneOf(at, message.one_of);
}

}  // namespace

FieldType SplitField(std::string_view text) {
  const bool required = text.starts_with('!');
  text.remove_prefix(required ? 1 : 0);
  const std::size_t colon = text.find(':');
  return {.name = text.substr(0, colon), .type = text.substr(colon + 1), .required = required};
}

const MessageType* FindMessage(std::string_view name) {
  const auto* const found = std::ranges::find(kMessages, name, &MessageType::name);
  return found == kMessages.end() ? nullptr : found;
}

void CheckMessage(const At& at, std::string_view type) {
  CheckValue(at, type);
}

}  // namespace vsplit::parse
