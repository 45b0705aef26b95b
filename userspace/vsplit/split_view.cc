// SPDX-License-Identifier: Apache-2.0
#include "split_view.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "table.h"
#include "vsplit/json.h"

namespace vsplit {
namespace {

constexpr std::size_t kLeastBar = 10;
constexpr std::size_t kMostBar = 50;
constexpr std::size_t kNamed = 5;     // endpoints, or pools, of one cluster
constexpr std::size_t kNumbers = 80;  // columns that everything but the bar usually takes

// Connections that were drawn for a cluster: opened ones, and those refused for want of an endpoint
// or because a pool was full.
struct Drawn {
  double opened = 0;
  double refused = 0;

  double All() const { return opened + refused; }
};

using DrawnByCluster = std::map<std::pair<std::string, std::string>, Drawn>;

Drawn DrawnFor(const Json& cluster) {
  return {.opened = NumberAt(cluster, "/opened"),
          .refused = NumberAt(cluster, "/refused") + NumberAt(cluster, "/limited")};
}

DrawnByCluster Index(const Json* split) {
  DrawnByCluster index;
  if (split == nullptr) {
    return index;
  }
  for (const Json& route : ItemsAt(*split, "/routes")) {
    for (const Json& cluster : ItemsAt(route, "/clusters")) {
      index[{TextAt(route, "/frontend"), TextAt(cluster, "/name")}] = DrawnFor(cluster);
    }
  }
  return index;
}

// Since the snapshot before; a counter that was begun anew counts from zero.
double Since(const DrawnByCluster& before, const Json& route, const Json& cluster) {
  const auto found = before.find({TextAt(route, "/frontend"), TextAt(cluster, "/name")});
  const double total = DrawnFor(cluster).All();
  const double old = found == before.end() ? 0 : found->second.All();
  return total >= old ? total - old : total;
}

double Share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

std::string SubsetName(const Json& cluster) {
  std::string subset = TextAt(cluster, "/subset");
  if (!subset.empty()) {
    return subset;
  }
  const std::string name = TextAt(cluster, "/name");
  return name.substr(name.rfind('|') + 1);  // the host: a cluster without subset
}

std::string Heading(const Json& route) {
  std::string text = TextAt(route, "/host");
  if (const std::string port = TextAt(route, "/port"); !port.empty() && port != "0") {
    text += ":" + port;
  }
  for (const char* part : {"/frontend", "/policy", "/rule"}) {
    const std::string value = TextAt(route, part);
    text += value.empty() ? "" : "   " + value;
  }
  return text + "\n";
}

// A line for each of them up to kNamed, and how many more there are.
std::string Lines(const std::string& subset, const std::vector<std::string>& items,
                  const char* more) {
  std::string text;
  for (std::size_t i = 0; i < std::min(items.size(), kNamed); ++i) {
    text += fmt::format("  {}: {}\n", subset, items[i]);
  }
  return items.size() <= kNamed
             ? text
             : text + fmt::format("  {}: {} more {}\n", subset, items.size() - kNamed, more);
}

std::vector<std::string> Ejections(const Json& cluster) {
  constexpr double kMilliseconds = 1000;
  std::vector<std::string> ejections;
  for (const Json& endpoint : ItemsAt(cluster, "/endpoints")) {
    if (const double left = NumberAt(endpoint, "/ejected_ms"); left > 0) {
      const std::string workload = TextAt(endpoint, "/workload");
      ejections.push_back(fmt::format("{}{} is ejected for {:.0f} s more: {}",
                                      TextAt(endpoint, "/address"),
                                      workload.empty() ? "" : " (" + workload + ")",
                                      std::ceil(left / kMilliseconds), TextAt(endpoint, "/why")));
    }
  }
  return ejections;
}

std::vector<std::string> FullPools(const Json& cluster) {
  std::vector<std::string> full;
  const std::int64_t limit = IntegerAt(cluster, "/max_connections");
  for (const Json& pool : ItemsAt(cluster, "/pools")) {
    if (const std::int64_t active = IntegerAt(pool, "/active"); active >= limit) {
      const std::string workload = TextAt(pool, "/workload");
      full.push_back(fmt::format("the pool of {} is full: {} of {} connections (maxConnections)",
                                 workload.empty() ? "everyone else" : workload, active, limit));
    }
  }
  return full;
}

// Why clusters have no endpoint, or fewer of them, or no connection left.
std::string Troubles(const Json& clusters) {
  std::string text;
  for (const Json& cluster : clusters) {
    const std::string subset = SubsetName(cluster);
    if (const std::string broken = TextAt(cluster, "/broken"); !broken.empty()) {
      text += fmt::format("  {}: {}\n", subset, broken);
    }
    text += Lines(subset, Ejections(cluster), "are ejected");
    text += Lines(subset, FullPools(cluster), "pools are full");
  }
  return text;
}

// Columns that only some routes have a use for.
struct Extras {
  bool pools = false;    // some cluster has maxConnections
  bool ejected = false;  // some cluster has an outlierDetection
};

Extras ExtrasOf(const Json& clusters) {
  return {.pools = std::ranges::any_of(
              clusters, [](const Json& cluster) { return cluster.contains("max_connections"); }),
          .ejected = std::ranges::any_of(clusters, [](const Json& cluster) {
            return TruthAt(cluster, "/outlier_detection");
          })};
}

// "3/10": of the workload that has the most.
std::string FullestPool(const Json& cluster) {
  if (!cluster.contains("max_connections")) {
    return "-";
  }
  std::int64_t most = 0;
  for (const Json& pool : ItemsAt(cluster, "/pools")) {
    most = std::max(most, IntegerAt(pool, "/active"));
  }
  return fmt::format("{}/{}", most, IntegerAt(cluster, "/max_connections"));
}

// "1/3": of the endpoints.
std::string Ejected(const Json& cluster) {
  return TruthAt(cluster, "/outlier_detection") ? fmt::format("{}/{}", Ejections(cluster).size(),
                                                              ItemsAt(cluster, "/endpoints").size())
                                                : "-";
}

void AddExtras(const Extras& extras, const Json& cluster, Row& row) {
  if (extras.pools) {
    const std::string overflow = TextAt(cluster, "/limited");
    row.push_back(FullestPool(cluster));
    row.push_back(overflow.empty() ? "0" : overflow);
  }
  if (extras.ejected) {
    row.push_back(Ejected(cluster));
  }
}

std::string RouteView(const Json& route, const DrawnByCluster* before, const ViewOptions& options) {
  const Json& clusters = ItemsAt(route, "/clusters");
  double weights = 0;
  double total = 0;
  double since = 0;
  for (const Json& cluster : clusters) {
    weights += NumberAt(cluster, "/weight");
    total += DrawnFor(cluster).All();
    since += before != nullptr ? Since(*before, route, cluster) : 0;
  }
  const std::size_t bar_width =
      std::clamp(options.width > kNumbers ? options.width - kNumbers : 0, kLeastBar, kMostBar);
  Row header = {"SUBSET", "TARGET"};
  if (before != nullptr) {
    header.emplace_back("NOW");
  }
  header.insert(header.end(), {"TOTAL", "", "OPENED", "ACTIVE", "FAILED", "REFUSED"});
  const Extras extras = ExtrasOf(clusters);
  if (extras.pools) {
    header.insert(header.end(), {"POOL", "OVERFLOW"});
  }
  if (extras.ejected) {
    header.emplace_back("EJECTED");
  }
  Table table(std::move(header));
  for (const Json& cluster : clusters) {
    const double weight = NumberAt(cluster, "/weight");
    Row row = {SubsetName(cluster), Percent(weight, weights)};
    const double recent = before != nullptr ? Since(*before, route, cluster) : 0;
    if (before != nullptr) {
      row.push_back(Percent(recent, since));
    }
    const double all = DrawnFor(cluster).All();
    row.push_back(Percent(all, total));
    const double share = since > 0 ? Share(recent, since) : Share(all, total);
    row.push_back(Bar(share, Share(weight, weights), bar_width, options.utf8));
    for (const char* counter : {"/opened", "/active", "/failed", "/refused"}) {
      row.push_back(TextAt(cluster, counter));
    }
    AddExtras(extras, cluster, row);
    table.Add(std::move(row));
  }
  constexpr std::size_t kIndent = 2;
  return Heading(route) + table.Text(kIndent) + Troubles(clusters);
}

bool Wanted(const Json& route, const std::string& host) {
  return TextAt(route, "/host").find(host) != std::string::npos ||
         TextAt(route, "/frontend").find(host) != std::string::npos;
}

}  // namespace

std::string Bar(double share, double target, std::size_t width, bool utf8) {
  const auto cells = [width](double part) {
    return static_cast<std::size_t>(
        std::lround(std::clamp(part, 0.0, 1.0) * static_cast<double>(width)));
  };
  const std::size_t filled = cells(share);
  const std::size_t mark = std::min(cells(target), width);
  const char* full = utf8 ? "█" : "#";
  const char* empty = utf8 ? "·" : ".";
  std::string bar;
  for (std::size_t i = 0; i <= width; ++i) {
    if (i == mark) {
      bar += '|';
    }
    if (i < width) {
      bar += i < filled ? full : empty;
    }
  }
  return bar;
}

std::string SplitView(const Json& now, const Json* before, const ViewOptions& options) {
  const DrawnByCluster index = Index(before);
  std::string text;
  for (const Json& route : ItemsAt(now, "/routes")) {
    if (Wanted(route, options.host)) {
      text += (text.empty() ? "" : "\n") +
              RouteView(route, before != nullptr ? &index : nullptr, options);
    }
  }
  return text;
}

}  // namespace vsplit
