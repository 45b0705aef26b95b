// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "resolve/subnets.h"
#include "vsplit/address.h"

namespace vsplit::resolve {
namespace {

using Chains = std::vector<std::vector<IpPrefix>>;

IpPrefix At(const std::string& text) {
  return ParseIpPrefix(text).value_or(IpPrefix{});
}

// How many bits of the piece the chain names; -1: it does not hold there.
int Reach(const std::vector<IpPrefix>& subnets, const IpPrefix& piece, const IpPrefix& frontend) {
  const int least = frontend.bits == 128 ? 0 : frontend.bits;
  int best = subnets.empty() ? least : -1;
  for (const IpPrefix& subnet : subnets) {
    if (subnet.Contains(piece) && subnet.bits >= least) {
      best = std::max(best, int{subnet.bits});
    }
  }
  return best;
}

// Every chain asked about every piece.
std::vector<std::size_t> Closest(const Chains& chains, const IpPrefix& piece,
                                 const IpPrefix& frontend) {
  int longest = 0;
  for (const auto& subnets : chains) {
    longest = std::max(longest, Reach(subnets, piece, frontend));
  }
  std::vector<std::size_t> closest;
  for (std::size_t i = 0; i < chains.size(); ++i) {
    if (Reach(chains[i], piece, frontend) == longest) {
      closest.push_back(i);
    }
  }
  return closest;
}

// Few addresses and all lengths, so that prefixes are the same or within one another often.
IpPrefix AnyPrefix(std::minstd_rand& random) {
  if (random() % 8 == 0) {
    return At(random() % 2 == 0 ? "::/0" : "fd00::/" + std::to_string(random() % 129));
  }
  return At("10.0.0." + std::to_string(random() % 256) + "/" + std::to_string(random() % 33));
}

TEST(Subnets, EachPieceHasTheChainsThatNameMostOfIt) {
  std::minstd_rand random(1);
  for (int round = 0; round < 2000; ++round) {
    Chains chains(random() % 6);
    for (auto& subnets : chains) {
      for (std::size_t left = random() % 4; left > 0; --left) {
        subnets.push_back(AnyPrefix(random));
      }
    }
    const IpPrefix frontend = random() % 2 == 0 ? AnyPrefix(random) : At("10.0.0.7");
    std::set<IpPrefix> wanted{frontend};
    for (const auto& subnets : chains) {
      std::ranges::copy_if(subnets, std::inserter(wanted, wanted.end()),
                           [&](const IpPrefix& subnet) { return frontend.Contains(subnet); });
    }
    std::set<IpPrefix> found;
    for (const Piece& piece : Divide({frontend}, chains)) {
      EXPECT_TRUE(found.insert(piece.addresses).second) << ToString(piece.addresses);
      EXPECT_EQ(piece.chains, Closest(chains, piece.addresses, frontend))
          << ToString(piece.addresses) << " of " << ToString(frontend) << " in round " << round;
    }
    EXPECT_EQ(found, wanted);
  }
}

// As many as one text may hold are divided in the time that it takes to read them.
TEST(Subnets, ManyAreNotComparedOneWithAnother) {
  constexpr std::size_t kMany = 50'000;
  Chains chains;
  for (std::size_t i = 0; i < kMany; ++i) {
    IpPrefix subnet = At("fd00::/112");
    for (std::size_t byte = 0; byte < 4; ++byte) {
      subnet.address.bytes.at(4 + byte) = static_cast<std::uint8_t>(i >> (8 * byte));
    }
    chains.push_back({subnet});
  }
  const std::vector<Piece> pieces = Divide({At("fd00::/16")}, chains);
  ASSERT_EQ(pieces.size(), kMany + 1);
  EXPECT_TRUE(pieces.front().chains.empty());
  for (std::size_t i = 1; i < pieces.size(); ++i) {
    ASSERT_EQ(pieces[i].chains.size(), 1U);
    EXPECT_EQ(chains[pieces[i].chains[0]][0], pieces[i].addresses);
  }
}

}  // namespace
}  // namespace vsplit::resolve
