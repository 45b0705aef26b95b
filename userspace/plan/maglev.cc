// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "managed.h"
#include "vsplit/address.h"
#include "vsplit/policy.h"
#include "vsplit/schema.h"
#include "vsplit/split.h"

namespace vsplit {
namespace {

// An endpoint's way through the slots: every one of them once, in an order of its own.
struct Walk {
  std::uint64_t slot = 0;  // the next one
  std::uint64_t skip = 1;
  std::uint64_t target = 0;  // takes a slot in the first round whose number times weight reaches it
  std::uint32_t weight = 1;
};

std::uint32_t HashOf(const SocketAddress& address, std::uint32_t seed) {
  std::array<std::uint64_t, 2> halves{};
  std::memcpy(halves.data(), address.ip.bytes.data(), sizeof(halves));
  const std::uint64_t first = split_hash(halves[0] + ((std::uint64_t{seed} << 32) | address.port));
  return split_hash(halves[1] ^ (first << 32) ^ first);
}

std::vector<Walk> WalksOf(const std::vector<Endpoint>& endpoints, std::uint32_t size) {
  std::vector<Walk> walks;
  walks.reserve(endpoints.size());
  for (const Endpoint& endpoint : endpoints) {
    walks.push_back({.slot = HashOf(endpoint.address, 1) % size,
                     .skip = size > 2 ? HashOf(endpoint.address, 2) % (size - 1) + 1 : 1,
                     .target = 0,
                     .weight = endpoint.weight});
  }
  return walks;
}

}  // namespace

std::vector<hash_row> MaglevTable(const std::vector<Endpoint>& endpoints, std::uint32_t size) {
  std::vector<hash_row> rows((size + HASH_SLOTS - 1) / HASH_SLOTS);
  if (endpoints.empty()) {
    return rows;
  }
  std::vector<Walk> walks = WalksOf(endpoints, size);
  const std::uint64_t heaviest = std::ranges::max(endpoints, {}, &Endpoint::weight).weight;
  std::vector<bool> taken(size);
  std::uint32_t left = size;
  for (std::uint64_t round = 1; left > 0; ++round) {
    for (std::size_t i = 0; i < walks.size() && left > 0; ++i) {
      Walk& walk = walks[i];
      if (round * walk.weight < walk.target) {
        continue;
      }
      walk.target += heaviest;
      while (taken[walk.slot]) {
        walk.slot = (walk.slot + walk.skip) % size;
      }
      taken[walk.slot] = true;
      rows[walk.slot / HASH_SLOTS].index[walk.slot % HASH_SLOTS] = static_cast<__u16>(i);
      --left;
    }
  }
  return rows;
}

}  // namespace vsplit
