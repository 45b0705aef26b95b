// SPDX-License-Identifier: Apache-2.0
// Namespace, Node and Pod. Fields: k8s.io/api/core/v1 of Kubernetes 1.32.
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// Specs and statuses that nothing is read from.
struct Nothing {};

constexpr Shape<Nothing> kNamespaceSpec = {"NamespaceSpec", {}, "finalizers"};
constexpr Shape<Nothing> kNamespaceStatus = {"NamespaceStatus", {}, "phase conditions"};
constexpr Shape<Nothing> kNodeSpec = {
    "NodeSpec", {}, "podCIDR podCIDRs providerID unschedulable taints configSource externalID"};
constexpr Shape<Nothing> kNodeStatus = {
    "NodeStatus",
    {},
    "capacity allocatable phase conditions addresses daemonEndpoints nodeInfo images volumesInUse "
    "volumesAttached config runtimeHandlers features"};

template <const Shape<Nothing>& shape, class T>
void CheckFields(const At& at, T& /*out*/) {
  Nothing nothing;
  ReadMap(at, shape, nothing);
}

constexpr auto kNamespaceFields = std::to_array<Field<Namespace>>({
    {"spec", CheckFields<kNamespaceSpec>},
    {"status", CheckFields<kNamespaceStatus>},
});

constexpr auto kNodeFields = std::to_array<Field<vsplit::Node>>({
    {"spec", CheckFields<kNodeSpec>},
    {"status", CheckFields<kNodeStatus>},
});

constexpr auto kPodSpecFields = std::to_array<Field<Pod>>({
    {"nodeName", Into<&Pod::node_name, ReadString>},
    {"hostNetwork", Into<&Pod::host_network, ReadBool>},
});
constexpr Shape<Pod> kPodSpec = {
    "PodSpec", kPodSpecFields,
    "volumes initContainers containers ephemeralContainers restartPolicy "
    "terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName "
    "serviceAccount automountServiceAccountToken hostPID hostIPC shareProcessNamespace "
    "securityContext imagePullSecrets hostname subdomain affinity schedulerName tolerations "
    "hostAliases priorityClassName priority dnsConfig readinessGates runtimeClassName "
    "enableServiceLinks preemptionPolicy overhead topologySpreadConstraints setHostnameAsFQDN os "
    "hostUsers schedulingGates resourceClaims resources"};

// A condition of a pod.
struct Condition {
  std::string type, status;
};

constexpr auto kConditionFields = std::to_array<Field<Condition>>({
    {"type", Into<&Condition::type, ReadString>},
    {"status", Into<&Condition::status, ReadString>},
});
constexpr Shape<Condition> kCondition = {
    "PodCondition", kConditionFields,
    "lastProbeTime lastTransitionTime message observedGeneration reason"};

struct PodStatus {
  std::string phase;
  std::vector<Condition> conditions;
  IpAddress ip;
  bool has_ip = false;
  std::vector<IpAddress> ips;
};

void ReadPodIp(const At& at, PodStatus& out) {
  if (at.node().kind == Node::Kind::kString && at.node().text.empty()) {
    return;  // not scheduled yet
  }
  ReadIp(at, out.ip);
  out.has_ip = true;
}

constexpr auto kPodIpFields = std::to_array<Field<IpAddress>>({{"ip", ReadIp}});
constexpr Shape<IpAddress> kPodIp = {"PodIP", kPodIpFields, ""};

void ReadPodIpEntry(const At& at, IpAddress& out) {
  ReadMap(at, kPodIp, out);
}

constexpr auto kPodStatusFields = std::to_array<Field<PodStatus>>({
    {"phase", Into<&PodStatus::phase, ReadString>},
    {"conditions", Into<&PodStatus::conditions, List<Condition, Message<Condition, kCondition>>>},
    {"podIP", ReadPodIp},
    {"podIPs", Into<&PodStatus::ips, List<IpAddress, ReadPodIpEntry>>},
});
constexpr Shape<PodStatus> kPodStatus = {
    "PodStatus", kPodStatusFields,
    "observedGeneration message reason nominatedNodeName hostIP hostIPs startTime "
    "initContainerStatuses containerStatuses qosClass ephemeralContainerStatuses resize "
    "resourceClaimStatuses"};

void ReadPodSpec(const At& at, Pod& out) {
  ReadMap(at, kPodSpec, out);
}

void ReadPodStatus(const At& at, Pod& out) {
  PodStatus status;
  ReadMap(at, kPodStatus, status);
  out.phase = std::move(status.phase);
  for (const Condition& condition : status.conditions) {
    if (condition.type == "Ready") {
      out.ready = condition.status == "True";
    }
  }
  out.ips = std::move(status.ips);
  if (out.ips.empty() && status.has_ip) {
    out.ips.push_back(status.ip);
  }
}

constexpr auto kPodFields = std::to_array<Field<Pod>>({
    {"spec", ReadPodSpec},
    {"status", ReadPodStatus},
});

}  // namespace

void ReadNamespace(const At& root, Object& object) {
  ReadMap(root, Shape<Namespace>{"Namespace", kNamespaceFields, kHeaderFields},
          object.spec.Emplace<Namespace>());
}

void ReadNode(const At& root, Object& object) {
  ReadMap(root, Shape<vsplit::Node>{"Node", kNodeFields, kHeaderFields},
          object.spec.Emplace<vsplit::Node>());
}

void ReadPod(const At& root, Object& object) {
  Pod& pod = object.spec.Emplace<Pod>();
  ReadMap(root, Shape<Pod>{"Pod", kPodFields, kHeaderFields}, pod);
  const Node* metadata = root.node().Find("metadata");
  const Node* uid = metadata == nullptr ? nullptr : metadata->Find("uid");
  if (uid != nullptr && uid->kind == Node::Kind::kString) {
    pod.uid = uid->text;
  }
}

}  // namespace vsplit::parse
