// SPDX-License-Identifier: Apache-2.0
// The live split as text: what each route was told to do, and what it does.
#pragma once

#include <cstddef>
#include <string>

#include "vsplit/json.h"

namespace vsplit {

struct ViewOptions {
  std::size_t width = 100;  // columns of the terminal
  bool utf8 = true;         // block characters, else '#'
  std::string host;         // only routes whose host or frontend contains this; empty: all
};

// `now` and `before` are answers of the agent's /split. With `before` the shares since then are
// shown beside those in total. A bar shows the share since `before` if there is one and anything
// was opened since, else the share in total; '|' marks the target.
//
// reviews.default.svc.cluster.local:80   10.96.0.7:80   exact   VirtualService default/reviews
//   SUBSET   TARGET   NOW      TOTAL    |                    OPENED   ACTIVE   FAILED   REFUSED
//   safe     90.0 %   90.0 %   90.0 %   ##################|#    900        2        0         0
//
// Where a cluster has maxConnections: POOL, "3/10", connections of the workload that has the most
// of them, and OVERFLOW, connections that were refused because a pool was full. Where one has an
// outlierDetection: EJECTED, "1/3", of its endpoints. Below, which endpoints and pools these are.
std::string SplitView(const Json& now, const Json* before, const ViewOptions& options);

// "████████··|·": `share` and `target` are in [0, 1].
std::string Bar(double share, double target, std::size_t width, bool utf8);

}  // namespace vsplit
