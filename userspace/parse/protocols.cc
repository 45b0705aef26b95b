// SPDX-License-Identifier: Apache-2.0
#include "protocols.h"

#include <string_view>

#include "fields.h"
#include "vsplit/text.h"

namespace vsplit::parse {

namespace {

bool IsOneOf(std::string_view name, std::string_view names) {
  return IsListed(Lower(name), names);
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
