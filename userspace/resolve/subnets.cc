// SPDX-License-Identifier: Apache-2.0
#include "subnets.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <vector>

#include "vsplit/address.h"

namespace vsplit::resolve {
namespace {

constexpr int kAddressBits = 128;

// The subnets of all chains. Of two that overlap one contains the other, and in their order
// everything within a subnet follows right behind it.
class Subnets {
 public:
  explicit Subnets(const std::vector<std::vector<IpPrefix>>& chains) {
    for (std::size_t i = 0; i < chains.size(); ++i) {
      if (chains[i].empty()) {
        everywhere_.push_back(i);
      }
      for (const IpPrefix& subnet : chains[i]) {
        std::vector<std::size_t>& naming = named_[subnet].chains;
        if (naming.empty() || naming.back() != i) {
          naming.push_back(i);
        }
      }
    }
    const Named* before = nullptr;
    for (auto& [prefix, named] : named_) {
      named.prefix = prefix;
      named.around = Around(before, prefix);
      before = &named;
    }
  }

  void Divide(const IpPrefix& frontend, std::vector<Piece>& pieces) const {
    const auto behind = named_.upper_bound(frontend);
    pieces.push_back(
        {.addresses = frontend,
         .chains =
             ClosestTo(frontend, behind == named_.begin() ? nullptr : &std::prev(behind)->second)});
    for (auto at = behind; at != named_.end() && frontend.Contains(at->first); ++at) {
      pieces.push_back({.addresses = at->first, .chains = at->second.chains});
    }
  }

 private:
  struct Named {
    IpPrefix prefix;
    std::vector<std::size_t> chains;  // that name it, in their order
    const Named* around = nullptr;    // the longest one that contains it
  };

  // The longest one that contains the prefix. `before`: the last one in front of it.
  static const Named* Around(const Named* before, const IpPrefix& prefix) {
    while (before != nullptr && !before->prefix.Contains(prefix)) {
      before = before->around;
    }
    return before;
  }

  // The chains that name most bits of a frontend.
  std::vector<std::size_t> ClosestTo(const IpPrefix& frontend, const Named* before) const {
    // As many as those name that hold for every address; what names less does not count.
    const int least = frontend.bits == kAddressBits ? 0 : frontend.bits;
    const Named* named = Around(before, frontend);
    if (named == nullptr || named->prefix.bits < least) {
      return everywhere_;
    }
    if (named->prefix.bits > least) {
      return named->chains;
    }
    std::vector<std::size_t> both;
    std::ranges::merge(named->chains, everywhere_, std::back_inserter(both));
    return both;
  }

  std::map<IpPrefix, Named> named_;
  std::vector<std::size_t> everywhere_;  // chains without subnets
};

}  // namespace

std::vector<Piece> Divide(const std::vector<IpPrefix>& frontends,
                          const std::vector<std::vector<IpPrefix>>& chains) {
  const Subnets subnets(chains);
  std::vector<Piece> pieces;
  for (const IpPrefix& frontend : frontends) {
    subnets.Divide(frontend, pieces);
  }
  return pieces;
}

}  // namespace vsplit::resolve
