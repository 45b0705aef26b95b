// SPDX-License-Identifier: Apache-2.0
// What the tables say: adopting them as they lie in the kernel, and reading the image out of them.
#include <fmt/core.h>
#include <linux/in.h>  // IWYU pragma: keep, for IPPROTO_TCP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "keys.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {
namespace {

// Takes what is in force out of the raw tables, checking every row number on the way.
class Adopter {
 public:
  explicit Adopter(const RawTables& raw)
      : raw_(raw),
        route_used_(raw.routes.size()),
        endpoint_used_(raw.endpoints.size()),
        turn_used_(raw.turns),
        state_used_(raw.endpoint_states.size()),
        counter_used_(raw.counters.size()) {}

  Result<Tables> Adopt() {
    tables_.generation = raw_.control.active_generation;
    AdoptNames();
    AdoptStates();
    AdoptCounters();
    tables_.frontend_space = FrontendSpace(static_cast<std::uint32_t>(raw_.frontends.size()));
    for (std::uint32_t place = 0; place < raw_.frontends.size(); ++place) {
      if (raw_.frontends[place].state == FRONTEND_GONE) {
        tables_.frontend_space.SetGone(place);
      } else if (raw_.frontends[place].state != FRONTEND_USED) {
        continue;
      } else if (Result<void> adopted = AdoptFrontend(place); !adopted) {
        return Fail("tables", adopted.error());
      }
    }
    tables_.route_space = IdSpace::FromUsed(route_used_);
    tables_.endpoint_space = IdSpace::FromUsed(endpoint_used_);
    tables_.turn_space = IdSpace::FromUsed(turn_used_);
    tables_.state_space = IdSpace::FromUsed(state_used_);
    tables_.counter_space = IdSpace::FromUsed(counter_used_);
    return std::move(tables_);
  }

 private:
  static IdSpace AdoptNames(const std::vector<std::pair<std::uint32_t, std::string>>& names,
                            std::uint32_t capacity,
                            std::unordered_map<std::uint32_t, std::string>& by_id,
                            std::unordered_map<std::string, std::uint32_t>& by_name) {
    std::vector<bool> used(capacity);
    for (const auto& [id, name] : names) {
      if (id > 0 && id < capacity && by_name.emplace(name, id).second) {
        by_id.emplace(id, name);
        used[id] = true;
      }
    }
    IdSpace space = IdSpace::FromUsed(used);
    space.Recycle();
    return space;
  }

  void AdoptNames() {
    tables_.cluster_space =
        AdoptNames(raw_.cluster_names, raw_.clusters, tables_.cluster_names, tables_.cluster_ids);
    tables_.host_space =
        AdoptNames(raw_.host_names, raw_.hosts, tables_.host_names, tables_.host_ids);
  }

  void AdoptStates() {
    for (std::uint32_t id = 1; id < raw_.endpoint_states.size(); ++id) {
      const endpoint_state& state = raw_.endpoint_states[id];
      if (InUse(state.since) && tables_.cluster_names.contains(state.cluster)) {
        const SocketAddress address = AddressOf(state.address, state.port);
        state_used_[id] =
            tables_.endpoint_ids.emplace(std::pair(state.cluster, address), id).second &&
            tables_.endpoint_addresses.emplace(id, address).second;
      }
    }
  }

  void AdoptCounters() {
    for (std::uint32_t index = 1; index < raw_.counters.size(); ++index) {
      const route_counter& counter = raw_.counters[index];
      if (InUse(counter.since) && tables_.cluster_names.contains(counter.cluster)) {
        counter_used_[index] =
            tables_.counters.emplace(std::pair(counter.frontend, counter.cluster), index).second;
      }
    }
  }

  Result<void> AdoptFrontend(std::uint32_t place) {
    const frontend_value& value = raw_.frontends[place];
    const Frontend frontend{AddressOf(value.address, value.port)};
    // What no row in force names may still be counted in by a program that runs.
    const std::uint32_t all = (1U << FRONTEND_SEQUENCES) - 1;
    Tables::FrontendRow row{place, {value.words[0], value.words[1]}, all};
    const std::uint32_t head = tables_.RowInForce(row);
    if (head != 0 && head < raw_.routes.size() && raw_.routes[head].sequence < FRONTEND_SEQUENCES) {
      row.retired_sequences &= ~(1U << raw_.routes[head].sequence);
    }
    if (!tables_.frontends.emplace(frontend, row).second) {
      return Fail(fmt::format("frontend {} is there twice", ToString(frontend.address)));
    }
    tables_.frontend_space.Claim(place);
    tables_.with_retired_sequences.push_back(frontend);
    std::uint32_t next = tables_.RowInForce(row);
    for (int i = 0; next != 0; ++i) {
      if (i == ROUTE_ROWS || next >= raw_.routes.size() || route_used_[next]) {
        return Fail(fmt::format("frontend {} names the route row {}, which is not its own",
                                ToString(frontend.address), next));
      }
      if (Result<void> adopted = AdoptRoute(next); !adopted) {
        return Fail(fmt::format("frontend {}", ToString(frontend.address)), adopted.error());
      }
      next = raw_.routes[next].next;
    }
    return {};
  }

  Result<void> AdoptRoute(std::uint32_t row) {
    const route_value& route = raw_.routes[row];
    if (route.count == 0 || route.count > ROUTE_CLUSTERS ||
        !tables_.host_names.contains(route.host)) {
      return Fail(fmt::format("route row {} makes no sense", row));
    }
    route_used_[row] = true;
    tables_.routes.emplace(row, route);
    ++tables_.host_uses[route.host];
    for (std::size_t i = 0; i < route.count; ++i) {
      const route_cluster& cluster = route.clusters[i];
      if (!tables_.cluster_names.contains(cluster.cluster) ||
          cluster.counter >= counter_used_.size() || !counter_used_[cluster.counter] ||
          !Claim(turn_used_, route.turns[i])) {
        return Fail(fmt::format("route row {} names a cluster that is not there", row));
      }
      ++tables_.cluster_uses[cluster.cluster];
      if (Result<void> adopted = AdoptEndpoints(cluster); !adopted) {
        return adopted;
      }
    }
    return {};
  }

  Result<void> AdoptEndpoints(const route_cluster& cluster) {
    for (std::uint32_t row = cluster.first; row < cluster.first + cluster.count; ++row) {
      if (row == 0 || row >= raw_.endpoints.size() || endpoint_used_[row] ||
          raw_.endpoints[row].endpoint >= state_used_.size() ||
          !state_used_[raw_.endpoints[row].endpoint]) {
        return Fail(fmt::format("endpoint row {} makes no sense", row));
      }
      endpoint_used_[row] = true;
      tables_.endpoints.emplace(row, raw_.endpoints[row]);
      ++tables_.endpoint_uses[raw_.endpoints[row].endpoint];
    }
    return {};
  }

  static bool InUse(std::uint64_t since) { return since != 0 && since != SINCE_NOBODY; }

  // Turn 0 is nobody's.
  static bool Claim(std::vector<bool>& used, std::uint32_t id) {
    if (id >= used.size()) {
      return false;
    }
    used[id] = id != 0;
    return true;
  }

  const RawTables& raw_;
  Tables tables_;
  std::vector<bool> route_used_, endpoint_used_, turn_used_, state_used_, counter_used_;
};

}  // namespace

frontend_key KeyOf(const Frontend& frontend) {
  frontend_key key{.protocol = IPPROTO_TCP};
  CopyAddress(frontend.address, key.address, key.port);
  return key;
}

std::uint32_t Tables::RowInForce(const FrontendRow& frontend) const {
  std::uint64_t word = 0;
  for (const std::uint64_t candidate : frontend.words) {
    if (candidate >> ROUTE_ROW_BITS <= generation) {
      word = std::max(word, candidate);
    }
  }
  return static_cast<std::uint32_t>(word & ROUTE_ROW_MASK);
}

Result<Tables> Adopt(const RawTables& raw) {
  return Adopter(raw).Adopt();
}

std::optional<ImageFrontend> DecodeFrontend(const Tables& tables, const Frontend& frontend) {
  const auto found = tables.frontends.find(frontend);
  std::uint32_t row = found == tables.frontends.end() ? 0 : tables.RowInForce(found->second);
  if (row == 0) {
    return std::nullopt;
  }
  const route_value& head = tables.routes.at(row);
  ImageRoute image{.host = tables.host_names.at(head.host),
                   .policy = static_cast<Policy>(head.policy),
                   .stride = head.stride,
                   .clusters = {}};
  std::uint32_t below = 0;
  while (row != 0) {
    const route_value& route = tables.routes.at(row);
    for (const route_cluster& cluster : std::span(route.clusters, route.count)) {
      ImageCluster& added = image.clusters.emplace_back();
      added.name = tables.cluster_names.at(cluster.cluster);
      added.weight = cluster.bound - below;
      added.settings.algorithm = static_cast<Algorithm>(cluster.algorithm);
      below = cluster.bound;
      if (cluster.count > 0) {
        added.groups.emplace_back();
      }
      for (std::uint32_t at = cluster.first; at < cluster.first + cluster.count; ++at) {
        added.groups[0].endpoints.push_back(
            {.address = tables.endpoint_addresses.at(tables.endpoints.at(at).endpoint),
             .name = {}});
      }
    }
    row = route.next;
  }
  return ImageFrontend{.everyone = std::move(image), .sources = {}};
}

TableImage Decode(const Tables& tables) {
  TableImage image;
  for (const auto& [frontend, row] : tables.frontends) {
    if (std::optional<ImageFrontend> found = DecodeFrontend(tables, frontend)) {
      image.frontends.emplace_hint(image.frontends.end(), frontend, *std::move(found));
    }
  }
  return image;
}

}  // namespace vsplit
