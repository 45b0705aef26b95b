// SPDX-License-Identifier: Apache-2.0
#include "protocol.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {
namespace {

using Word = std::pair<std::string_view, PortProtocol>;

// pkg/config/protocol/instance.go. Kubernetes' own names count only as appProtocol, but they cannot
// be port names anyway.
constexpr std::array kWords{
    Word{"tcp", PortProtocol::kTcp},
    Word{"mongo", PortProtocol::kTcp},
    Word{"redis", PortProtocol::kTcp},
    Word{"mysql", PortProtocol::kTcp},
    Word{"udp", PortProtocol::kUdp},
    Word{"http", PortProtocol::kHttp},
    Word{"http2", PortProtocol::kHttp},
    Word{"http_proxy", PortProtocol::kHttp},
    Word{"grpc", PortProtocol::kHttp},
    Word{"kubernetes.io/h2c", PortProtocol::kHttp},
    Word{"kubernetes.io/ws", PortProtocol::kHttp},
    Word{"https", PortProtocol::kTls},
    Word{"tls", PortProtocol::kTls},
    Word{"kubernetes.io/wss", PortProtocol::kTls},
};

// SMTP, DNS, MySQL, MongoDB: the server speaks first there, so sniffing would wait for ever.
constexpr std::array<std::uint16_t, 4> kServerFirst{25, 53, 3306, 27017};

std::string LowerCase(std::string word) {
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

}  // namespace

PortProtocol ProtocolOf(const ServicePort& port) {
  if (port.protocol != "TCP") {
    return PortProtocol::kUdp;
  }
  const std::string name = LowerCase(port.app_protocol.empty() ? port.name : port.app_protocol);
  if (name.starts_with("grpc-web")) {
    return PortProtocol::kHttp;
  }
  const std::string_view word = std::string_view(name).substr(0, name.find('-'));
  const auto* const found = std::ranges::find(kWords, word, &Word::first);
  if (found != kWords.end()) {
    return found->second;
  }
  return std::ranges::find(kServerFirst, port.port) != kServerFirst.end()
             ? PortProtocol::kTcp
             : PortProtocol::kUndeclared;
}

PortProtocol ProtocolOf(const ServiceEntryPort& port) {
  const std::string name = LowerCase(port.protocol);
  const auto* const found = std::ranges::find(kWords, name, &Word::first);
  if (name == "grpc-web") {
    return PortProtocol::kHttp;
  }
  return found == kWords.end() ? PortProtocol::kUndeclared : found->second;
}

std::string_view WordOf(PortProtocol protocol) {
  constexpr std::array<std::string_view, 5> kNames{"http", "tls", "tcp", "undeclared", "udp"};
  return kNames.at(static_cast<std::size_t>(protocol));
}

}  // namespace vsplit::resolve

namespace vsplit {

PortProtocol DeclaredProtocol(const ServicePort& port) {
  return resolve::ProtocolOf(port);
}

}  // namespace vsplit
