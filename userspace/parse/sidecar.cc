// SPDX-License-Identifier: Apache-2.0
// Sidecar. Fields: istio/api networking/v1alpha3/sidecar.proto. What a workload may see is read;
// its own listeners are about a proxy that is not there.
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "checks.h"
#include "fields.h"
#include "kinds.h"
#include "schema.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// A number of 0 stands for a socket file, whose listener no service has.
void ReadListenerPort(const At& at, std::optional<std::uint16_t>& out) {
  constexpr std::int64_t kLast = std::numeric_limits<std::uint16_t>::max();
  CheckMessage(at, "SidecarPort");
  const std::int64_t number = IntegerOf(at.node(), "number");
  out = static_cast<std::uint16_t>(number >= 0 && number <= kLast ? number : 0);
}

void ReadCaptureMode(const At& at, SidecarEgress& /*out*/) {
  std::string mode;
  ReadOneOf(at, "DEFAULT IPTABLES NONE", mode);
}

constexpr auto kEgressFields = std::to_array<Field<SidecarEgress>>({
    {"port", Into<&SidecarEgress::port, ReadListenerPort>},
    {"bind", Into<&SidecarEgress::bind, ReadString>},
    {"captureMode", ReadCaptureMode},
    {"hosts", Into<&SidecarEgress::hosts, List<std::string, ReadString>>},
});
constexpr Shape<SidecarEgress> kEgress = {"IstioEgressListener", kEgressFields, ""};

void ReadEgress(const At& at, SidecarEgress& out) {
  ReadMap(at, kEgress, out);
  RequireField(at, "hosts");
}

void ReadMode(const At& at, std::string& out) {
  ReadOneOf(at, "REGISTRY_ONLY ALLOW_ANY", out);
}

void ReadEgressProxy(const At& at, std::string& /*out*/) {
  CheckMessage(at, "Destination");
}

constexpr auto kPolicyFields = std::to_array<Field<std::string>>({
    {"mode", ReadMode},
    {"egressProxy", ReadEgressProxy},
});
constexpr Shape<std::string> kPolicy = {"OutboundTrafficPolicy", kPolicyFields, ""};

void ReadPolicy(const At& at, std::string& out) {
  out = "REGISTRY_ONLY";  // Istio's default for a block without mode
  ReadMap(at, kPolicy, out);
}

void CheckIngress(const At& at, Sidecar& /*out*/) {
  CheckMessage(at, "*IstioIngressListener");
}

void CheckInboundPool(const At& at, Sidecar& /*out*/) {
  CheckMessage(at, "ConnectionPoolSettings");
}

constexpr auto kSelectorFields = std::to_array<Field<Labels>>({{"labels", ReadStringMap}});
constexpr Shape<Labels> kSelector = {"WorkloadSelector", kSelectorFields, ""};

constexpr auto kSidecarFields = std::to_array<Field<Sidecar>>({
    {"workloadSelector",
     Into<&Sidecar::workload_selector, Optional<Labels, Message<Labels, kSelector>>>},
    {"ingress", CheckIngress},
    {"egress", Into<&Sidecar::egress, List<SidecarEgress, ReadEgress>>},
    {"inboundConnectionPool", CheckInboundPool},
    {"outboundTrafficPolicy", Into<&Sidecar::outbound_traffic_policy, ReadPolicy>},
});
constexpr Shape<Sidecar> kSidecar = {"Sidecar", kSidecarFields, ""};

constexpr auto kDocumentFields = std::to_array<Field<Sidecar>>({
    {"spec", Message<Sidecar, kSidecar>},
    {"status", nullptr},
});

}  // namespace

void ReadSidecar(const At& root, Object& object) {
  auto& sidecar = object.spec.Emplace<Sidecar>();
  ReadMap(root, Shape<Sidecar>{"", kDocumentFields, kHeaderFields}, sidecar);
  RequireSpec(root);
  WithField(root, "spec", [&object](const At& spec) { CheckSidecar(spec, object); });
}

}  // namespace vsplit::parse
