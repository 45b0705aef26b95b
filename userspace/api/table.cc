// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
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

// "control-plane,worker", of labels such as node-role.kubernetes.io/worker.
std::string NodeRoles(const Json& object) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& [label, value] : ItemsAt(object, "/metadata/labels").items()) {
    if (label.starts_with(kPrefix) && label.size() > kPrefix.size()) {
      roles.insert(label.substr(kPrefix.size()));
    } else if (label == "kubernetes.io/role" && value.is_string() && value != "") {
      roles.insert(value.get<std::string>());
    }
  }
  std::string list;
  for (const std::string& role : roles) {
    Append(list, role);
  }
  return OrNone(list);
}

std::string NodeAddress(const Json& object, std::string_view type) {
  for (const Json& address : ItemsAt(object, "/status/addresses")) {
    if (TextAt(address, "/type") == type) {
      return TextAt(address, "/address");
    }
  }
  return "<none>";
}

Json NodeText(const Json& object, const char* pointer) {
  const std::string text = TextAt(object, pointer);
  return text.empty() ? "<unknown>" : text;
}

// "1/2": conditions that are true, of those that the pod's readiness waits for.
std::string ReadinessGates(const Json& object) {
  const Json& gates = ItemsAt(object, "/spec/readinessGates");
  std::size_t open = 0;
  for (const Json& gate : gates) {
    open += ConditionOf(object, TextAt(gate, "/conditionType"), "/status") == "True" ? 1 : 0;
  }
  return gates.empty() ? "<none>" : std::to_string(open) + "/" + std::to_string(gates.size());
}

// Behind the name; the age comes behind those that are first, and what is wide last.
enum class At { kFirst, kBehindAge, kWide };

struct Column {
  Kind kind;
  std::string_view name;
  At at;
  Json (*read)(const Json& object);
  std::string_view description;
  std::string_view type = "string";
};

// In this order.
// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kColumns = {
    Column{Kind::kNamespace, "Status", At::kFirst,
           [](const Json& o) {
             const std::string phase = TextAt(o, "/status/phase");
             return Json(phase.empty() ? "Active" : phase);
           },
           "The phase of the namespace"},
    Column{Kind::kNode, "Status", At::kFirst, [](const Json& o) { return Json(NodeStatus(o)); },
           "Whether the node is ready"},
    Column{Kind::kNode, "Roles", At::kFirst, [](const Json& o) { return Json(NodeRoles(o)); },
           "What its labels say it is for"},
    Column{Kind::kNode, "Version", At::kBehindAge,
           [](const Json& o) { return Json(TextAt(o, "/status/nodeInfo/kubeletVersion")); },
           "Version of the kubelet"},
    Column{Kind::kNode, "Internal-IP", At::kWide,
           [](const Json& o) { return Json(NodeAddress(o, "InternalIP")); },
           "Its address in the cluster"},
    Column{Kind::kNode, "External-IP", At::kWide,
           [](const Json& o) { return Json(NodeAddress(o, "ExternalIP")); },
           "Its address outside of the cluster"},
    Column{Kind::kNode, "OS-Image", At::kWide,
           [](const Json& o) { return NodeText(o, "/status/nodeInfo/osImage"); },
           "Its operating system"},
    Column{Kind::kNode, "Kernel-Version", At::kWide,
           [](const Json& o) { return NodeText(o, "/status/nodeInfo/kernelVersion"); },
           "Version of its kernel"},
    Column{Kind::kNode, "Container-Runtime", At::kWide,
           [](const Json& o) { return NodeText(o, "/status/nodeInfo/containerRuntimeVersion"); },
           "What runs its containers"},
    Column{Kind::kPod, "Ready", At::kFirst, [](const Json& o) { return Json(ReadyContainers(o)); },
           "Containers that are ready"},
    Column{Kind::kPod, "Status", At::kFirst, [](const Json& o) { return Json(PodStatus(o)); },
           "The phase of the pod"},
    Column{Kind::kPod, "Restarts", At::kFirst, Restarts, "Restarts of its containers", "integer"},
    Column{Kind::kPod, "IP", At::kWide,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/status/podIP"))); },
           "Address of the pod"},
    Column{Kind::kPod, "Node", At::kWide,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/spec/nodeName"))); },
           "Node that runs the pod"},
    Column{Kind::kPod, "Nominated Node", At::kWide,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/status/nominatedNodeName"))); },
           "Node that is to run the pod"},
    Column{Kind::kPod, "Readiness Gates", At::kWide,
           [](const Json& o) { return Json(ReadinessGates(o)); },
           "Conditions besides its containers that are fulfilled"},
    Column{Kind::kService, "Type", At::kFirst,
           [](const Json& o) {
             const std::string type = TextAt(o, "/spec/type");
             return Json(type.empty() ? "ClusterIP" : type);
           },
           "How the Service is reached"},
    Column{Kind::kService, "Cluster-IP", At::kFirst,
           [](const Json& o) { return Json(OrNone(TextAt(o, "/spec/clusterIP"))); },
           "The Service's own address"},
    Column{Kind::kService, "External-IP", At::kFirst,
           [](const Json& o) { return Json(ExternalIps(o)); }, "Where it is reached from outside"},
    Column{Kind::kService, "Port(s)", At::kFirst,
           [](const Json& o) { return Json(ServicePorts(o)); }, "Ports of the Service"},
    Column{Kind::kService, "Selector", At::kWide,
           [](const Json& o) { return Json(Pairs(ItemsAt(o, "/spec/selector"))); },
           "Labels of its pods"},
    Column{Kind::kEndpointSlice, "AddressType", At::kFirst,
           [](const Json& o) { return Json(TextAt(o, "/addressType")); }, "Kind of addresses"},
    Column{Kind::kEndpointSlice, "Ports", At::kFirst,
           [](const Json& o) { return Json(SlicePorts(o)); }, "Ports of the endpoints"},
    Column{Kind::kEndpointSlice, "Endpoints", At::kFirst,
           [](const Json& o) { return Json(SliceEndpoints(o)); }, "The first addresses"},
    Column{Kind::kWorkloadEntry, "Address", At::kFirst,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/address")); },
           "Address of the workload"},
    Column{Kind::kServiceEntry, "Hosts", At::kFirst,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/hosts")); }, "The hosts"},
    Column{Kind::kServiceEntry, "Location", At::kFirst,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/location")); },
           "Inside or outside of the mesh"},
    Column{Kind::kServiceEntry, "Resolution", At::kFirst,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/resolution")); },
           "Where its endpoints come from"},
    Column{Kind::kDestinationRule, "Host", At::kFirst,
           [](const Json& o) { return TextOrNull(TextAt(o, "/spec/host")); },
           "Whose connections it is about"},
    Column{Kind::kDestinationRule, "Subsets", At::kFirst,
           [](const Json& o) { return Json(OrNone(Joined(ItemsAt(o, "/spec/subsets"), "/name"))); },
           "Names of the subsets"},
    Column{Kind::kVirtualService, "Hosts", At::kFirst,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/hosts")); },
           "Whose connections it is about"},
    Column{Kind::kVirtualService, "Weights", At::kFirst,
           [](const Json& o) { return Json(RouteWeights(o)); },
           "Shares of the destinations, rule by rule"},
    Column{Kind::kVirtualService, "Enforced", At::kFirst,
           [](const Json& o) { return TextOrNull(ConditionOf(o, "Enforced", "/status")); },
           "Whether connections are decided as written"},
    Column{Kind::kVirtualService, "Gateways", At::kWide,
           [](const Json& o) { return Quoted(ItemsAt(o, "/spec/gateways")); },
           "Gateways that it is for"},
    Column{Kind::kVirtualService, "Reason", At::kWide,
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
  for (const At at : {At::kFirst, At::kBehindAge, At::kWide}) {
    for (const Column& column : kColumns) {
      if (column.kind == kind && column.at == at) {
        columns.push_back(
            Definition(column.name, column.type, "", column.description, at == At::kWide ? 1 : 0));
      }
    }
    if (at == At::kFirst) {
      columns.push_back(Definition("Age", "string", "", "Since its creation", 0));
    }
  }
  return columns;
}

Json CellsOf(Kind kind, const Json& object, const std::string& now) {
  Json cells = Json::array({TextAt(object, "/metadata/name")});
  for (const At at : {At::kFirst, At::kBehindAge, At::kWide}) {
    for (const Column& column : kColumns) {
      if (column.kind == kind && column.at == at) {
        cells.push_back(column.read(object));
      }
    }
    if (at == At::kFirst) {
      cells.push_back(AgeOf(TextAt(object, "/metadata/creationTimestamp"), now));
    }
  }
  return cells;
}

}  // namespace vsplit
