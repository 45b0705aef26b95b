// SPDX-License-Identifier: Apache-2.0
// What a client does not see, but may dial (R9): it is left to it, or refused under REGISTRY_ONLY,
// unless something that it sees has the address too.
#pragma once

#include <string>
#include <vector>

#include "registry.h"
#include "rules.h"
#include "scene.h"
#include "vsplit/address.h"

namespace vsplit::resolve {

// The ports under a host of objects that the client does not find there; what it finds may be null.
std::vector<DialledPort> UnseenPorts(const Scene& scene, const HostName& host,
                                     const RegistryService* found);

// The addresses of a port that the client does not see, without those that it sees under the same
// host, or in a range under another one: there Istio's listener for the range has the connections.
// On http ports it has one listener for all addresses, and finds the service by its name, as in a
// range on tls ports.
std::vector<IpPrefix> NotInRanges(const Scene& scene, const HostName& host,
                                  const RegistryPort& port);

}  // namespace vsplit::resolve
