// SPDX-License-Identifier: Apache-2.0
#include "subnets.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include "vsplit/address.h"

namespace vsplit::resolve {
namespace {

constexpr int kAddressBits = 128;

// How many bits of the piece the chain names; -1: it does not hold there.
int Reach(const std::vector<IpPrefix>& subnets, const IpPrefix& piece, const IpPrefix& frontend) {
  const bool single = frontend.bits == kAddressBits;
  if (subnets.empty()) {
    return single ? 0 : frontend.bits;
  }
  int best = -1;
  for (const IpPrefix& subnet : subnets) {
    if (subnet.Contains(piece) && (single || subnet.bits >= frontend.bits)) {
      best = std::max(best, int{subnet.bits});
    }
  }
  return best;
}

}  // namespace

std::vector<Piece> Divide(const std::vector<IpPrefix>& frontends,
                          const std::vector<std::vector<IpPrefix>>& chains) {
  std::vector<Piece> pieces;
  for (const IpPrefix& frontend : frontends) {
    std::set<IpPrefix> parts{frontend};
    for (const std::vector<IpPrefix>& subnets : chains) {
      std::ranges::copy_if(subnets, std::inserter(parts, parts.end()),
                           [&](const IpPrefix& subnet) { return frontend.Contains(subnet); });
    }
    for (const IpPrefix& part : parts) {
      Piece piece{.addresses = part};
      int longest = 0;
      for (std::size_t i = 0; i < chains.size(); ++i) {
        const int reach = Reach(chains[i], part, frontend);
        if (reach > longest) {
          piece.chains.clear();
          longest = reach;
        }
        if (reach == longest) {
          piece.chains.push_back(i);
        }
      }
      pieces.push_back(std::move(piece));
    }
  }
  return pieces;
}

}  // namespace vsplit::resolve
