// SPDX-License-Identifier: Apache-2.0
// Names of protocols as Istio's objects give them: pkg/config/protocol of istio/istio.
#pragma once

#include <string_view>

namespace vsplit::parse {

inline constexpr std::string_view kProtocolRule =
    "HTTP, HTTPS, GRPC, GRPC-Web, HTTP2, HTTP_PROXY, MONGO, MYSQL, REDIS, TCP, TLS, UDP are "
    "allowed";

// All of them in letters of either case.
bool IsProtocol(std::string_view name);
bool IsHttp(std::string_view name);
bool IsTls(std::string_view name);
bool IsTcpFamily(std::string_view name);           // carried by TCP, and not HTTP
bool IsDynamicDnsProtocol(std::string_view name);  // says the host in its first bytes

}  // namespace vsplit::parse
