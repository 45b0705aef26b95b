// SPDX-License-Identifier: Apache-2.0
#include "chains.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "matches.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {
namespace {

std::vector<IpPrefix> Parse(const std::vector<std::string>& texts) {
  std::vector<IpPrefix> prefixes;
  for (const std::string& text : texts) {
    if (const std::optional<IpPrefix> prefix = ParseIpPrefix(text)) {
      prefixes.push_back(*prefix);
    }
  }
  return prefixes;
}

bool Fits(const Scene& scene, const Match& match, RuleList list, std::uint16_t port) {
  return FitOf(scene, match, list, port) >= Fit::kPerhaps;
}

// The longest name of the chain that covers the host; an exact one is longer than any wildcard.
std::size_t Closeness(const Chain& chain, const HostName& host) {
  std::size_t best = 0;
  for (const HostName& name : chain.sni_hosts) {
    if (HostCovers(name, host)) {
      best = std::max(best, name == host ? std::string::npos : name.size());
    }
  }
  return best;
}

}  // namespace

std::vector<Chain> TcpChains(const Scene& scene, const std::vector<const Rule*>& rules,
                             std::uint16_t port) {
  std::vector<Chain> chains;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    Chain chain{.rule = i};
    bool everywhere = rules[i]->matches.empty();
    for (const Match& match : rules[i]->matches) {
      if (everywhere || !Fits(scene, match, RuleList::kTcp, port)) {
        continue;
      }
      everywhere = match.destination_subnets.empty();
      std::ranges::move(Parse(match.destination_subnets), std::back_inserter(chain.subnets));
    }
    if (everywhere) {
      chain.subnets.clear();
    }
    chains.push_back(std::move(chain));
    if (everywhere) {
      break;
    }
  }
  return chains;
}

std::vector<Chain> TlsChains(const Scene& scene, const std::vector<const Rule*>& rules,
                             std::uint16_t port) {
  std::vector<Chain> chains;
  std::set<std::pair<std::vector<std::string>, std::vector<std::string>>> seen;
  // Once a match names subnets, those after it that name none keep them: istiod assigns them to
  // what it was handed as the service's own.
  std::vector<IpPrefix> subnets;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    for (const Match& match : rules[i]->matches) {
      if (!Fits(scene, match, RuleList::kTls, port)) {
        continue;
      }
      if (!match.destination_subnets.empty()) {
        subnets = Parse(match.destination_subnets);
      }
      if (seen.emplace(match.sni_hosts, match.destination_subnets).second) {
        chains.push_back({.rule = i, .subnets = subnets, .sni_hosts = match.sni_hosts});
      }
    }
  }
  return chains;
}

Sni ChainForHost(const std::vector<Chain>& chains, const std::vector<std::size_t>& among,
                 const HostName& host) {
  Sni found;
  std::size_t closest = 0;
  for (const std::size_t i : among) {
    const std::size_t closeness = Closeness(chains[i], host);
    if (closeness > closest) {
      closest = closeness;
      found.chain = i;
    }
  }
  const auto within = [&host](const HostName& name) { return HostCovers(host, name); };
  found.is_divided = IsWildcard(host) && std::ranges::any_of(among, [&](std::size_t i) {
                       return i != found.chain && std::ranges::any_of(chains[i].sni_hosts, within);
                     });
  return found;
}

}  // namespace vsplit::resolve
