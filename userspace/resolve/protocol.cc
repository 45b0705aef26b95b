// SPDX-License-Identifier: Apache-2.0
#include "protocol.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/text.h"

namespace vsplit::resolve {
namespace {

struct Word {
  std::string_view written;  // in lower case
  Declared declared;
};

constexpr Declared kTcp{.protocol = PortProtocol::kTcp, .word = "TCP"};
constexpr Declared kUdp{.protocol = PortProtocol::kUdp, .word = "UDP"};
constexpr Declared kHttp{.protocol = PortProtocol::kHttp, .word = "HTTP"};
constexpr Declared kHttp2{.protocol = PortProtocol::kHttp, .word = "HTTP2"};
constexpr Declared kGrpcWeb{.protocol = PortProtocol::kHttp, .word = "GRPC-Web"};
constexpr Declared kHttps{.protocol = PortProtocol::kTls, .word = "HTTPS"};

// pkg/config/protocol/instance.go. Kubernetes' own names count only as appProtocol, but they cannot
// be port names anyway.
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kWords{
    Word{"tcp", kTcp},
    Word{"mongo", {PortProtocol::kTcp, "Mongo"}},
    Word{"redis", {PortProtocol::kTcp, "Redis"}},
    Word{"mysql", {PortProtocol::kTcp, "MySQL"}},
    Word{"udp", kUdp},
    Word{"http", kHttp},
    Word{"http2", kHttp2},
    Word{"http_proxy", {PortProtocol::kHttp, "HTTP_PROXY"}},
    Word{"grpc", {PortProtocol::kHttp, "GRPC"}},
    Word{"kubernetes.io/h2c", kHttp2},
    Word{"kubernetes.io/ws", kHttp},
    Word{"https", kHttps},
    Word{"tls", {PortProtocol::kTls, "TLS"}},
    Word{"kubernetes.io/wss", kHttps},
};
// NOLINTEND(modernize-use-designated-initializers)

// SMTP, DNS, MySQL, MongoDB: the server speaks first there, so sniffing would wait for ever.
constexpr std::array<std::uint16_t, 4> kServerFirst{25, 53, 3306, 27017};

}  // namespace

Declared DeclaredBy(const ServicePort& port) {
  if (port.protocol != "TCP") {
    return kUdp;
  }
  const std::string name = Lower(port.app_protocol.empty() ? port.name : port.app_protocol);
  if (name.starts_with("grpc-web")) {
    return kGrpcWeb;
  }
  const std::string_view word = std::string_view(name).substr(0, name.find('-'));
  const auto* const found = std::ranges::find(kWords, word, &Word::written);
  if (found != kWords.end()) {
    return found->declared;
  }
  return std::ranges::find(kServerFirst, port.port) != kServerFirst.end() ? kTcp : Declared{};
}

Declared DeclaredBy(const ServiceEntryPort& port) {
  const std::string name = Lower(port.protocol);
  const auto* const found = std::ranges::find(kWords, name, &Word::written);
  if (name == "grpc-web") {
    return kGrpcWeb;
  }
  return found == kWords.end() ? Declared{} : found->declared;
}

std::string_view WordOf(PortProtocol protocol) {
  constexpr std::array<std::string_view, 5> kNames{"http", "tls", "tcp", "undeclared", "udp"};
  return kNames.at(static_cast<std::size_t>(protocol));
}

}  // namespace vsplit::resolve

namespace vsplit {

PortProtocol DeclaredProtocol(const ServicePort& port) {
  return resolve::DeclaredBy(port).protocol;
}

}  // namespace vsplit
