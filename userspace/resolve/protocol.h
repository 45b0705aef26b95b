// SPDX-License-Identifier: Apache-2.0
// Istio's P-rules: what a service port declares to speak (pkg/config/kube/conversion.go).
#pragma once

#include <string_view>

#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

struct Declared {
  // kUdp also for SCTP and for TCP ports that call themselves udp: Istio makes no listener for
  // them.
  PortProtocol protocol = PortProtocol::kUndeclared;
  std::string_view word = "UnsupportedProtocol";  // Istio's, of its protocol.Instance
};
Declared DeclaredBy(const ServicePort& port);
Declared DeclaredBy(const ServiceEntryPort& port);

std::string_view WordOf(PortProtocol protocol);  // "http", "tls", "tcp", "undeclared", "udp"

}  // namespace vsplit::resolve
