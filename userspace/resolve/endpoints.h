// SPDX-License-Identifier: Apache-2.0
// R14: the endpoints of a service port, or of those of them whose pods have a subset's labels.
#pragma once

#include <vector>

#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {

// The endpoints that may get connections, of both families, sorted, each once. Without labels the
// pods are not looked at.
std::vector<SocketAddress> EndpointsOf(const Scene& scene, const ObjectKey& service,
                                       const ServicePort& port, const Labels& labels);

}  // namespace vsplit::resolve
