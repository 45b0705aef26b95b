// SPDX-License-Identifier: Apache-2.0
// localityLbSetting and zoneAwareLbSetting: Istio's ValidateLocalityLbSetting and
// ValidateZoneAwareLbSetting.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"

namespace vsplit::parse {

namespace {

std::vector<std::string_view> PartsOf(std::string_view locality) {
  constexpr std::size_t kMost = 3;  // region, zone, subzone; what follows belongs to the subzone
  std::vector<std::string_view> parts;
  while (parts.size() + 1 < kMost && locality.find('/') != std::string_view::npos) {
    parts.push_back(locality.substr(0, locality.find('/')));
    locality.remove_prefix(locality.find('/') + 1);
  }
  parts.push_back(locality);
  return parts;
}

bool IsLocality(std::string_view text) {
  const std::size_t star = text.find('*');
  if (star != std::string_view::npos && star + 1 != text.size()) {
    return false;
  }
  return std::ranges::none_of(PartsOf(text), [](std::string_view part) { return part.empty(); });
}

// Whether places of the later one are in the earlier one already. A "*" after names of its level is
// for the rest, as Istio reads it.
bool Overlap(std::string_view earlier, std::string_view later) {
  const std::vector<std::string_view> before = PartsOf(earlier);
  const std::vector<std::string_view> after = PartsOf(later);
  for (std::size_t i = 0; i < std::min(before.size(), after.size()); ++i) {
    if (before[i] != after[i]) {
      return before[i] == "*";
    }
  }
  return true;
}

// Keeps the places of one level apart from each other.
class Places {
 public:
  void Take(const At& at, std::string_view place) {
    // Each is compared with all before it; no rule that people write has as many.
    constexpr std::size_t kMost = 1000;
    if (!IsLocality(place)) {
      at.ErrorAtKey(fmt::format(
          "found \"{}\", region/zone/subzone without empty parts, the last of which may be *, is "
          "allowed",
          place));
      return;
    }
    const auto earlier =
        std::ranges::find_if(seen_, [place](std::string_view one) { return Overlap(one, place); });
    if (earlier != seen_.end()) {
      at.ErrorAtKey(fmt::format(R"(found "{}", which overlaps with "{}")", place, *earlier));
    }
    if (seen_.size() < kMost) {
      seen_.push_back(place);
    }
  }

 private:
  std::vector<std::string_view> seen_;
};

void CheckShares(const At& to) {
  constexpr std::int64_t kAll = 100;
  if (to.node().kind != Node::Kind::kMap) {
    return;
  }
  Places places;
  std::int64_t sum = 0;
  for (const Node* child = to.node().first; child != nullptr; child = child->next) {
    const At entry = to.Entry(*child);
    const std::int64_t share = WholeNumber(*child).value_or(0);
    if (child->kind == Node::Kind::kInteger && (share < 1 || share > kAll)) {
      entry.NotAllowed("an integer from 1 to 100 is allowed");
    }
    sum += std::clamp<std::int64_t>(share, 0, kAll);
    places.Take(entry, child->key);
  }
  if (sum != kAll) {
    to.Error(fmt::format("found shares that add up to {}, 100 is allowed", sum));
  }
}

void CheckDistribute(const At& setting) {
  Places sources;
  EachItemOf(setting, "distribute", [&sources](const At& distribute) {
    if (Given(distribute.node(), "to") == nullptr) {
      distribute.Missing("to");
    }
    WithField(distribute, "to", CheckShares);
    if (Given(distribute.node(), "from") == nullptr) {
      distribute.Missing("from");
    }
    WithField(distribute, "from", [&sources](const At& from) {
      if (from.node().kind == Node::Kind::kString) {
        sources.Take(from, from.node().text);
      }
    });
  });
}

void CheckFailovers(const At& setting, bool has_outlier_detection) {
  EachItemOf(setting, "failover", [](const At& failover) {
    const std::string_view from = TextOf(failover.node(), "from");
    const std::string_view to = TextOf(failover.node(), "to");
    if (from == to) {
      failover.Error(fmt::format("found region \"{}\" twice, two regions are allowed", from));
    }
    for (const std::string_view end : {"from", "to"}) {
      WithField(failover, end, [](const At& region) {
        if (region.node().text.find_first_of("/*") != std::string_view::npos) {
          region.NotAllowed("the name of a region is allowed");
        }
      });
    }
  });
  const auto is_full = [&setting](std::string_view field) {
    const Node* list = Given(setting.node(), field);
    return list != nullptr && list->count > 0;
  };
  if ((is_full("failover") || is_full("failoverPriority")) && !has_outlier_detection) {
    setting.Warn("has no effect without outlierDetection beside loadBalancer");
  }
}

constexpr auto kTopology = std::to_array<std::string_view>(
    {"topology.kubernetes.io/region", "topology.kubernetes.io/zone", "topology.istio.io/subzone"});

// Labels of the places that failover decides about already.
void CheckPriorities(const At& setting, std::string_view why) {
  EachItemOf(setting, "failoverPriority", [why](const At& item) {
    if (std::ranges::find(kTopology, item.node().text) != kTopology.end()) {
      item.NotAllowed(why);
    }
  });
}

}  // namespace

void CheckLocality(const At& load_balancer, bool has_outlier_detection) {
  if (Given(load_balancer.node(), "localityLbSetting") != nullptr) {
    WithField(load_balancer, "zoneAwareLbSetting", [](const At& zones) {
      zones.ErrorAtKey("found beside localityLbSetting, one of them is allowed");
    });
  }
  WithField(load_balancer, "localityLbSetting", [has_outlier_detection](const At& setting) {
    const Node* distribute = Given(setting.node(), "distribute");
    const Node* failover = Given(setting.node(), "failover");
    const bool both = distribute != nullptr && distribute->count > 0 && failover != nullptr &&
                      failover->count > 0;
    if (both) {
      setting.Field(*failover).ErrorAtKey("found beside distribute, one of them is allowed");
    }
    if (failover != nullptr && failover->count > 0) {
      CheckPriorities(setting, "failover has regions, other labels are allowed beside it");
    }
    CheckDistribute(setting);
    CheckFailovers(setting, has_outlier_detection);
  });
  WithField(load_balancer, "zoneAwareLbSetting", [has_outlier_detection](const At& setting) {
    CheckPriorities(setting, "zones are looked at anyway, other labels are allowed");
    CheckFailovers(setting, has_outlier_detection);
  });
}

}  // namespace vsplit::parse
