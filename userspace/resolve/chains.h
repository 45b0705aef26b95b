// SPDX-License-Identifier: Apache-2.0
// R6, R7: the tcp or tls rules of a port as the filter chains that Istio makes of them, and which
// of these a connection takes (core/tls.go).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {

struct Chain {
  std::size_t rule = 0;             // index into the list that the chains were made of
  std::vector<IpPrefix> subnets;    // empty: every address
  std::vector<HostName> sni_hosts;  // tls
};

// The chains of tcp rules, up to the first that holds for every address. `rules`: in the order of
// precedence, all of which fit the client and port.
std::vector<Chain> TcpChains(const Scene& scene, const std::vector<const Rule*>& rules,
                             std::uint16_t port);
// The chains of tls rules, each pair of names and subnets once.
std::vector<Chain> TlsChains(const Scene& scene, const std::vector<const Rule*>& rules,
                             std::uint16_t port);

// Which of these chains takes a connection whose hello names the host: the one with the most
// specific name, if any has such a name.
struct Sni {
  std::optional<std::size_t> chain;
  // The host is a wildcard, and some of the names that it stands for lead to other chains.
  bool is_divided = false;
};
Sni ChainForHost(const std::vector<Chain>& chains, const std::vector<std::size_t>& among,
                 const HostName& host);

}  // namespace vsplit::resolve
