// SPDX-License-Identifier: Apache-2.0
#include "protocols.h"

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>

#include "fields.h"

namespace vsplit::parse {

namespace {

bool IsOneOf(std::string_view name, std::string_view names) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return IsListed(lower, names);
}

}  // namespace

bool IsProtocol(std::string_view name) {
  return IsOneOf(name, "tcp udp grpc grpc-web http http_proxy http2 https tls mongo redis mysql");
}

bool IsHttp(std::string_view name) {
  return IsOneOf(name, "http http2 http_proxy grpc grpc-web");
}

bool IsTls(std::string_view name) {
  return IsOneOf(name, "https tls");
}

bool IsTcpFamily(std::string_view name) {
  return IsOneOf(name, "tcp https tls mongo redis mysql");
}

bool IsDynamicDnsProtocol(std::string_view name) {
  return IsOneOf(name, "http tls grpc http2");
}

}  // namespace vsplit::parse
