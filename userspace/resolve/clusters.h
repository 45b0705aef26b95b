// SPDX-License-Identifier: Apache-2.0
// Destinations in, weighted clusters out: R2 (weights), R8 (short names), R12 (ports), R13 (broken
// destinations keep their share).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "delegates.h"
#include "scene.h"
#include "settings.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

struct Route {
  std::vector<ResolvedCluster> clusters;  // in the order of the rule, those of weight 0 left out
  Lifetime lifetime;                      // as the first destination has it
  std::string untouched;  // why connections must be left alone instead; empty: they need not
};

// R4: what a port does without a rule. `http`: requests are routed there, not connections.
Route PlainRoute(const Scene& scene, const HostName& host, std::uint16_t port, bool http);

// What a rule does with connections to port `dialled`.
Route RouteOf(const Scene& scene, const ListedRule& listed, std::uint16_t dialled);

// Whether any destination of the rule can be drawn: all of them 0 is no answer, one alone is all.
bool HasWeight(const Rule& rule);

}  // namespace vsplit::resolve
