// SPDX-License-Identifier: Apache-2.0
#include "split_view.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "json.h"
#include "table.h"

namespace vsplit {
namespace {

constexpr std::size_t kLeastBar = 10;
constexpr std::size_t kMostBar = 50;
constexpr std::size_t kNumbers = 80;  // columns that everything but the bar usually takes

// Connections that were drawn for a cluster: opened ones and those refused for want of an endpoint.
struct Drawn {
  double opened = 0;
  double refused = 0;

  double All() const { return opened + refused; }
};

using DrawnByCluster = std::map<std::pair<std::string, std::string>, Drawn>;

Drawn DrawnFor(const Json& cluster) {
  return {.opened = NumberAt(cluster, "/opened"), .refused = NumberAt(cluster, "/refused")};
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

// Why clusters have no endpoint, a line each.
std::string Troubles(const Json& clusters) {
  std::string text;
  for (const Json& cluster : clusters) {
    if (const std::string broken = TextAt(cluster, "/broken"); !broken.empty()) {
      text.append("  ").append(SubsetName(cluster)).append(": ").append(broken).append("\n");
    }
  }
  return text;
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
