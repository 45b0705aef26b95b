// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

const Json& At(const Json& object, const char* pointer) {
  static const Json nothing;
  const Json::json_pointer path(pointer);
  return object.contains(path) ? object[path] : nothing;
}

std::string Text(const Json& value) {
  if (value.is_string()) {
    return value.get<std::string>();
  }
  return value.is_null() ? "" : value.dump();
}

std::string TextAt(const Json& object, const char* pointer) {
  return Text(At(object, pointer));
}

// A list's items; none of what is no list.
const Json& ItemsAt(const Json& object, const char* pointer) {
  static const Json none = Json::array();
  const Json& found = At(object, pointer);
  return found.is_array() ? found : none;
}

std::string OrNone(std::string text) {
  return text.empty() ? "<none>" : text;
}

void Append(std::string& list, const std::string& text) {
  list += (list.empty() || text.empty() ? "" : ",") + text;
}

std::string Joined(const Json& items, const char* pointer) {
  std::string list;
  for (const Json& item : items) {
    Append(list, *pointer == '\0' ? Text(item) : TextAt(item, pointer));
  }
  return list;
}

// As the Kubernetes API prints lists of custom resources; nothing for none.
Json Quoted(const Json& list) {
  return list.empty() ? Json() : Json(list.dump());
}

Json TextOrNull(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

// "80/TCP", "80:30080/TCP"
std::string ServicePorts(const Json& object) {
  std::string list;
  for (const Json& port : ItemsAt(object, "/spec/ports")) {
    const std::string node = TextAt(port, "/nodePort");
    const std::string protocol = TextAt(port, "/protocol");
    Append(list, TextAt(port, "/port") + (node.empty() ? "" : ":" + node) + "/" +
                     (protocol.empty() ? "TCP" : protocol));
  }
  return OrNone(list);
}

std::string ExternalIps(const Json& object) {
  if (TextAt(object, "/spec/type") == "ExternalName") {
    return TextAt(object, "/spec/externalName");
  }
  std::string list = Joined(ItemsAt(object, "/status/loadBalancer/ingress"), "/ip");
  Append(list, Joined(ItemsAt(object, "/spec/externalIPs"), ""));
  return OrNone(list);
}

std::string Pairs(const Json& map) {
  std::string list;
  if (map.is_object()) {
    for (const auto& [key, value] : map.items()) {
      Append(list, key + "=" + Text(value));
    }
  }
  return OrNone(list);
}

// "1/2": containers that are ready.
std::string ReadyContainers(const Json& object) {
  const Json& statuses = ItemsAt(object, "/status/containerStatuses");
  std::size_t ready = 0;
  for (const Json& status : statuses) {
    ready += At(status, "/ready") == Json(true) ? 1 : 0;
  }
  return std::to_string(ready) + "/" + std::to_string(ItemsAt(object, "/spec/containers").size());
}

Json Restarts(const Json& object) {
  std::int64_t restarts = 0;
  for (const Json& status : ItemsAt(object, "/status/containerStatuses")) {
    const Json& count = At(status, "/restartCount");
    restarts += count.is_number_integer() ? count.get<std::int64_t>() : 0;
  }
  return restarts;
}

std::string PodStatus(const Json& object) {
  if (!TextAt(object, "/metadata/deletionTimestamp").empty()) {
    return "Terminating";
  }
  const std::string reason = TextAt(object, "/status/reason");
  return reason.empty() ? OrNone(TextAt(object, "/status/phase")) : reason;
}

// The status of the condition of this type.
std::string ConditionOf(const Json& object, std::string_view type, const char* pointer) {
  for (const Json& condition : ItemsAt(object, "/status/conditions")) {
    if (TextAt(condition, "/type") == type) {
      return TextAt(condition, pointer);
    }
  }
  return "";
}

std::string NodeStatus(const Json& object) {
  const std::string ready = ConditionOf(object, "Ready", "/status");
  std::string state = ready == "True" ? "Ready" : "NotReady";
  if (ready.empty()) {
    state = "Unknown";
  }
  return state + (At(object, "/spec/unschedulable") == Json(true) ? ",SchedulingDisabled" : "");
}

std::string SliceEndpoints(const Json& object) {
  constexpr std::size_t kShown = 3;
  std::string list;
  std::size_t count = 0;
  for (const Json& endpoint : ItemsAt(object, "/endpoints")) {
    for (const Json& address : ItemsAt(endpoint, "/addresses")) {
      if (++count <= kShown) {
        Append(list, Text(address));
      }
    }
  }
  if (count > kShown) {
    list += " + " + std::to_string(count - kShown) + " more...";
  }
  return list.empty() ? "<unset>" : list;
}

// "safe:90,risky:10", rules apart by a blank.
std::string Weights(const Json& object) {
  std::string text;
  for (const char* list : {"/spec/http", "/spec/tls", "/spec/tcp"}) {
    for (const Json& rule : ItemsAt(object, list)) {
      std::string weights;
      for (const Json& route : ItemsAt(rule, "/route")) {
        const std::string subset = TextAt(route, "/destination/subset");
        const std::string weight = TextAt(route, "/weight");
        Append(weights, (subset.empty() ? TextAt(route, "/destination/host") : subset) +
                            (weight.empty() ? "" : ":" + weight));
      }
      text += (text.empty() || weights.empty() ? "" : " ") + weights;
    }
  }
  return OrNone(text);
}

struct Column {
  Kind kind;
  std::string_view name;
  bool wide;
  Json (*read)(const Json& object);
  std::string_view description;
  std::string_view type = "string";
};

// Behind the name, in this order; the age comes before those that are wide.
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kColumns = {
    Column{Kind::kNamespace, "Status", false,
           [](const Json& o) {
             const std::string phase = TextAt(o, "/status/phase");
             return Json(phase.empty() ? "Active" : phase);
           },
           "The phase of the namespace"},
    Column{Kind::kNode, "Status", false, [](const Json& o) { return Json(NodeStatus(o)); },
           "Whether the node is ready"},
    Column{Kind::kNode, "Version", false,
           [](const Json& o) { return Json(TextAt(o, "/status/nodeInfo/kubeletVersion")); },
           "Version of the kubelet"},
    Column{Kind::kPod, "Ready", false, [](const Json& o) { return Json(ReadyContainers(o)); },
           "Containers that are ready"},
    Column{Kind::kPod, "Status", false, [](const Json& o) { return Json(PodStatus(o)); },
           "The phase of the pod"},
    Column{Kind::kPod, "Restarts", false, Restarts, "Restarts of its containers", "integer"},
    Column{Kind::kPod, "IP", true,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/status/podIP"))); },
           "Address of the pod"},
    Column{Kind::kPod, "Node", true,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/spec/nodeName"))); },
           "Node that runs the pod"},
    Column{Kind::kService, "Type", false,
           [](const Json& o) {
             const std::string type = TextAt(o, "/spec/type");
             return Json(type.empty() ? "ClusterIP" : type);
           },
           "How the Service is reached"},
    Column{Kind::kService, "Cluster-IP", false,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/spec/clusterIP"))); },
           "The Service's own address"},
    Column{Kind::kService, "External-IP", false, [](const Json& o) { return Json(ExternalIps(o)); },
           "Where it is reached from outside"},
    Column{Kind::kService, "Port(s)", false, [](const Json& o) { return Json(ServicePorts(o)); },
           "Ports of the Service"},
    Column{Kind::kService, "Selector", true,
           [](const Json& o) { return Json(Pairs(At(o, "/spec/selector"))); },
           "Labels of its pods"},
    Column{Kind::kEndpointSlice, "AddressType", false,
           [](const Json& o) { return Json(TextAt(o, "/addressType")); }, "Kind of addresses"},
    Column{Kind::kEndpointSlice, "Ports", false,
           [](const Json& o) {
             const std::string ports = Joined(ItemsAt(o, "/ports"), "/port");
             return Json(ports.empty() ? "<unset>" : ports);
           },
           "Ports of the endpoints"},
    Column{Kind::kEndpointSlice, "Endpoints", false,
           [](const Json& o) { return Json(SliceEndpoints(o)); }, "The first addresses"},
    Column{Kind::kWorkloadEntry, "Address", false,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/address")); },
           "Address of the workload"},
    Column{Kind::kServiceEntry, "Hosts", false,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/hosts")); }, "The hosts"},
    Column{Kind::kServiceEntry, "Location", false,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/location")); },
           "Inside or outside of the mesh"},
    Column{Kind::kServiceEntry, "Resolution", false,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/resolution")); },
           "Where its endpoints come from"},
    Column{Kind::kDestinationRule, "Host", false,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/host")); },
           "Whose connections it is about"},
    Column{Kind::kDestinationRule, "Subsets", false,
           [](const Json& o) { return Json(OrNone(Joined(ItemsAt(o, "/spec/subsets"), "/name"))); },
           "Names of the subsets"},
    Column{Kind::kVirtualService, "Hosts", false,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/hosts")); },
           "Whose connections it is about"},
    Column{Kind::kVirtualService, "Weights", false, [](const Json& o) { return Json(Weights(o)); },
           "Shares of the destinations, rule by rule"},
    Column{Kind::kVirtualService, "Enforced", false,
           [](const Json& o) { return TextOrNull(ConditionOf(o, "Enforced", "/status")); },
           "Whether connections are decided as written"},
    Column{Kind::kVirtualService, "Gateways", true,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/gateways")); },
           "Gateways that it is for"},
    Column{Kind::kVirtualService, "Reason", true,
           [](const Json& o) { return TextOrNull(ConditionOf(o, "Enforced", "/reason")); },
           "Why it is enforced or not"},
};
// NOLINTEND(modernize-use-designated-initializers)

Json Definition(std::string_view name, std::string_view type, std::string_view format,
                std::string_view description, int priority) {
  return {{"name", name},
          {"type", type},
          {"format", format},
          {"description", description},
          {"priority", priority}};
}

// "2024-10-10T07:03:57Z", fractions of a second left out.
std::optional<std::chrono::sys_seconds> TimeOf(const std::string& text) {
  int year = 0;
  unsigned month = 0;
  unsigned day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  constexpr int kParts = 6;
  // NOLINTNEXTLINE(cert-err34-c): checked by the count, and by the date
  if (std::sscanf(text.c_str(), "%4d-%2u-%2uT%2d:%2d:%2d", &year, &month, &day, &hour, &minute,
                  &second) != kParts) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(month),
                                         std::chrono::day(day)};
  if (!date.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
         std::chrono::seconds(second);
}

}  // namespace

// HumanDuration of k8s.io/apimachinery/pkg/util/duration.
std::string AgeOf(const std::string& since, const std::string& now) {
  const auto begin = TimeOf(since);
  const auto end = TimeOf(now);
  if (!begin || !end) {
    return "<unknown>";
  }
  const std::int64_t seconds = std::max<std::int64_t>((*end - *begin).count(), 0);
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  constexpr std::int64_t kYear = 365 * kDay;
  // Two units up to here, one beyond.
  constexpr std::int64_t kExactSeconds = 2 * kMinute;
  constexpr std::int64_t kExactMinutes = 10 * kMinute;
  constexpr std::int64_t kExactHours = 8 * kHour;
  constexpr std::int64_t kExactDays = 8 * kDay;
  constexpr std::int64_t kExactYears = 8 * kYear;
  const auto two = [seconds](std::int64_t large, const char* large_name, std::int64_t small,
                             const char* small_name) {
    const std::int64_t rest = seconds % large / small;
    return std::to_string(seconds / large) + large_name +
           (rest == 0 ? "" : std::to_string(rest) + small_name);
  };
  if (seconds < kExactSeconds) {
    return std::to_string(seconds) + "s";
  }
  if (seconds < kExactMinutes) {
    return two(kMinute, "m", 1, "s");
  }
  if (seconds < 3 * kHour) {
    return std::to_string(seconds / kMinute) + "m";
  }
  if (seconds < kExactHours) {
    return two(kHour, "h", kMinute, "m");
  }
  if (seconds < 2 * kDay) {
    return std::to_string(seconds / kHour) + "h";
  }
  if (seconds < kExactDays) {
    return two(kDay, "d", kHour, "h");
  }
  if (seconds < 2 * kYear) {
    return std::to_string(seconds / kDay) + "d";
  }
  return seconds < kExactYears ? two(kYear, "y", kDay, "d") : std::to_string(seconds / kYear) + "y";
}

Json ColumnsOf(Kind kind) {
  Json columns = Json::array({Definition("Name", "string", "name", "Unique in its namespace", 0)});
  for (const bool wide : {false, true}) {
    for (const Column& column : kColumns) {
      if (column.kind == kind && column.wide == wide) {
        columns.push_back(
            Definition(column.name, column.type, "", column.description, wide ? 1 : 0));
      }
    }
    if (!wide) {
      columns.push_back(Definition("Age", "string", "", "Since its creation", 0));
    }
  }
  return columns;
}

Json CellsOf(Kind kind, const Json& object, const std::string& now) {
  Json cells = Json::array({TextAt(object, "/metadata/name")});
  for (const bool wide : {false, true}) {
    for (const Column& column : kColumns) {
      if (column.kind == kind && column.wide == wide) {
        cells.push_back(column.read(object));
      }
    }
    if (!wide) {
      cells.push_back(AgeOf(TextAt(object, "/metadata/creationTimestamp"), now));
    }
  }
  return cells;
}

}  // namespace vsplit
