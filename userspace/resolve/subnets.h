// SPDX-License-Identifier: Apache-2.0
// R7: which rules hold for which addresses. destinationSubnets do not take turns in the order of
// the rules: for every address the longest prefix that contains it counts, as Envoy matches its
// filter chains.
#pragma once

#include <cstddef>
#include <vector>

#include "vsplit/address.h"

namespace vsplit::resolve {

struct Piece {
  IpPrefix addresses;
  std::vector<std::size_t> chains;  // that hold here, in their order; none: the plain service
};

// Divides the frontends of a port. `chains`: the subnets of each; empty: every address, but as
// shorter than any subnet of a single address, and as long as the whole of a frontend that is a
// subnet itself. Of two pieces that contain an address the longer one counts.
std::vector<Piece> Divide(const std::vector<IpPrefix>& frontends,
                          const std::vector<std::vector<IpPrefix>>& chains);

}  // namespace vsplit::resolve
