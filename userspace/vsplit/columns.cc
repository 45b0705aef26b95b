// SPDX-License-Identifier: Apache-2.0
#include "columns.h"

#include <array>
#include <string>
#include <string_view>

#include "kinds.h"
#include "table.h"
#include "vsplit/json.h"

namespace vsplit {
namespace {

using Reader = std::string (*)(const Json&);

struct Column {
  std::string_view kind;  // plural
  std::string_view title;
  bool wide;
  Reader read;
};

constexpr Column Narrow(std::string_view kind, std::string_view title, Reader read) {
  return {.kind = kind, .title = title, .wide = false, .read = read};
}

constexpr Column Wide(std::string_view kind, std::string_view title, Reader read) {
  return {.kind = kind, .title = title, .wide = true, .read = read};
}

// ["a","b"] as kubectl prints lists of custom resources.
std::string Quoted(const Json& list) {
  return list.empty() ? std::string() : list.dump();
}

std::string ServiceType(const Json& object) {
  const std::string type = TextAt(object, "/spec/type");
  return type.empty() ? "ClusterIP" : type;
}

std::string ServicePorts(const Json& object) {
  std::string list;
  for (const Json& port : ItemsAt(object, "/spec/ports")) {
    const std::string protocol = TextAt(port, "/protocol");
    Append(list, TextAt(port, "/port") + "/" + (protocol.empty() ? "TCP" : protocol));
  }
  return OrNone(list);
}

std::string ClusterIps(const Json& object) {
  const std::string list = Joined(ItemsAt(object, "/spec/clusterIPs"), "");
  return OrNone(list.empty() ? TextAt(object, "/spec/clusterIP") : list);
}

std::string PodIps(const Json& object) {
  const std::string list = Joined(ItemsAt(object, "/status/podIPs"), "/ip");
  return OrNone(list.empty() ? TextAt(object, "/status/podIP") : list);
}

std::string Subsets(const Json& object) {
  return OrNone(Joined(ItemsAt(object, "/spec/subsets"), "/name"));
}

constexpr std::array kColumns = {
    Narrow("namespaces", "STATUS",
           [](const Json& object) {
             const std::string phase = TextAt(object, "/status/phase");
             return phase.empty() ? std::string("Active") : phase;
           }),
    Narrow("pods", "STATUS",
           [](const Json& object) { return OrNone(TextAt(object, "/status/phase")); }),
    Narrow("pods", "IP", PodIps),
    Wide("pods", "NODE",
         [](const Json& object) { return OrNone(TextAt(object, "/spec/nodeName")); }),
    Wide("pods", "LABELS",
         [](const Json& object) { return Pairs(ItemsAt(object, "/metadata/labels")); }),
    Narrow("services", "TYPE", ServiceType),
    Narrow("services", "CLUSTER-IP", ClusterIps),
    Narrow("services", "PORT(S)", ServicePorts),
    Wide("services", "SELECTOR",
         [](const Json& object) { return Pairs(ItemsAt(object, "/spec/selector")); }),
    Narrow("endpointslices", "ADDRESSTYPE",
           [](const Json& object) { return TextAt(object, "/addressType"); }),
    Narrow("endpointslices", "PORTS", SlicePorts),
    Narrow("endpointslices", "ENDPOINTS", SliceEndpoints),
    Narrow("workloadentries", "ADDRESS",
           [](const Json& object) { return TextAt(object, "/spec/address"); }),
    Narrow("serviceentries", "HOSTS",
           [](const Json& object) { return Quoted(ItemsAt(object, "/spec/hosts")); }),
    Narrow("serviceentries", "LOCATION",
           [](const Json& object) { return TextAt(object, "/spec/location"); }),
    Narrow("serviceentries", "RESOLUTION",
           [](const Json& object) { return TextAt(object, "/spec/resolution"); }),
    Narrow("destinationrules", "HOST",
           [](const Json& object) { return TextAt(object, "/spec/host"); }),
    Wide("destinationrules", "SUBSETS", Subsets),
    Narrow("virtualservices", "GATEWAYS",
           [](const Json& object) { return Quoted(ItemsAt(object, "/spec/gateways")); }),
    Narrow("virtualservices", "HOSTS",
           [](const Json& object) { return Quoted(ItemsAt(object, "/spec/hosts")); }),
    Wide("virtualservices", "WEIGHTS", RouteWeights),
};

// The narrow columns, AGE, and behind it the wide ones, as kubectl does.
template <class Take>
void ForColumns(const KindName& kind, bool wide, Take take) {
  for (const Column& column : kColumns) {
    if (column.kind == kind.plural && column.wide == wide) {
      take(column);
    }
  }
}

}  // namespace

Row HeaderOf(const KindName& kind, const ColumnOptions& options) {
  Row row;
  if (options.with_namespace) {
    row.emplace_back("NAMESPACE");
  }
  row.emplace_back("NAME");
  const auto title = [&row](const Column& column) { row.emplace_back(column.title); };
  ForColumns(kind, false, title);
  row.emplace_back("AGE");
  if (options.wide) {
    ForColumns(kind, true, title);
  }
  return row;
}

Row RowOf(const KindName& kind, const Json& object, const ColumnOptions& options) {
  Row row;
  if (options.with_namespace) {
    row.push_back(TextAt(object, "/metadata/namespace"));
  }
  const std::string name = TextAt(object, "/metadata/name");
  row.push_back(options.with_kind ? QualifiedName(kind) + "/" + name : name);
  const auto cell = [&](const Column& column) { row.push_back(column.read(object)); };
  ForColumns(kind, false, cell);
  row.push_back(AgeOf(TextAt(object, "/metadata/creationTimestamp"), options.now));
  if (options.wide) {
    ForColumns(kind, true, cell);
  }
  return row;
}

}  // namespace vsplit
