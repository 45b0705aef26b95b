// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

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

// "1/2": containers that are ready.
std::string ReadyContainers(const Json& object) {
  const Json& statuses = ItemsAt(object, "/status/containerStatuses");
  std::size_t ready = 0;
  for (const Json& status : statuses) {
    ready += TruthAt(status, "/ready") ? 1 : 0;
  }
  return std::to_string(ready) + "/" + std::to_string(ItemsAt(object, "/spec/containers").size());
}

Json Restarts(const Json& object) {
  std::int64_t restarts = 0;
  for (const Json& status : ItemsAt(object, "/status/containerStatuses")) {
    restarts += IntegerAt(status, "/restartCount");
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
  return state + (TruthAt(object, "/spec/unschedulable") ? ",SchedulingDisabled" : "");
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
           [](const Json& o) { return Json(Pairs(ItemsAt(o, "/spec/selector"))); },
           "Labels of its pods"},
    Column{Kind::kEndpointSlice, "AddressType", false,
           [](const Json& o) { return Json(TextAt(o, "/addressType")); }, "Kind of addresses"},
    Column{Kind::kEndpointSlice, "Ports", false, [](const Json& o) { return Json(SlicePorts(o)); },
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
    Column{Kind::kVirtualService, "Weights", false,
           [](const Json& o) { return Json(RouteWeights(o)); },
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

}  // namespace

std::string AgeOf(const std::string& since, const std::string& now) {
  const auto begin = ReadTime(since);
  const auto end = ReadTime(now);
  return begin && end ? Age(*end - *begin) : "<unknown>";
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
