// SPDX-License-Identifier: Apache-2.0
// ServiceEntry and WorkloadEntry. Fields: istio/api networking/v1alpha3/{service_entry,
// workload_entry}.proto.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "kinds.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

namespace {

// ---- WorkloadEntry -----------------------------------------------------------------------------

void ReadPorts(const At& at, std::map<std::string, std::uint16_t>& out) {
  if (!at.Is(Node::Kind::kMap)) {
    return;
  }
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    ReadPort(at.Entry(*child), out[std::string(child->key)]);
  }
}

constexpr auto kWorkloadFields = std::to_array<Field<WorkloadEntry>>({
    {"address", Into<&WorkloadEntry::address, ReadString>},
    {"ports", Into<&WorkloadEntry::ports, ReadPorts>},
    {"labels", Into<&WorkloadEntry::labels, ReadSelectorLabels>},
    {"network", Into<&WorkloadEntry::network, ReadString>},
    {"locality", Into<&WorkloadEntry::locality, ReadString>},
    {"weight", Into<&WorkloadEntry::weight, ReadUint32>},
    {"serviceAccount", Into<&WorkloadEntry::service_account, ReadString>},
});
constexpr Shape<WorkloadEntry> kWorkload = {"WorkloadEntry", kWorkloadFields, ""};

void ReadWorkload(const At& at, WorkloadEntry& out) {
  ReadMap(at, kWorkload, out);
}

constexpr auto kWorkloadDocument = std::to_array<Field<WorkloadEntry>>({
    {"spec", ReadWorkload},
    {"status", nullptr},
});

// ---- ServiceEntry ------------------------------------------------------------------------------

constexpr auto kPortFields = std::to_array<Field<ServiceEntryPort>>({
    {"number", Into<&ServiceEntryPort::number, ReadPort>},
    {"protocol", Into<&ServiceEntryPort::protocol, ReadString>},
    {"name", Into<&ServiceEntryPort::name, ReadString>},
    {"targetPort", Into<&ServiceEntryPort::target_port, ReadPort>},
});
constexpr Shape<ServiceEntryPort> kPort = {"ServicePort", kPortFields, ""};

void ReadServiceEntryPort(const At& at, ServiceEntryPort& out) {
  ReadMap(at, kPort, out);
  RequireField(at, "number");
  RequireField(at, "name");
}

void ReadLocation(const At& at, std::string& out) {
  ReadOneOf(at, "MESH_EXTERNAL MESH_INTERNAL", out);
}

void ReadResolution(const At& at, Resolution& out) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"});  // in the order of Resolution
  std::string name;
  ReadOneOf(at, "NONE STATIC DNS DNS_ROUND_ROBIN DYNAMIC_DNS", name);
  for (std::size_t index = 0; index < kNames.size(); ++index) {
    if (kNames.at(index) == name) {
      out = static_cast<Resolution>(index);
    }
  }
}

constexpr auto kSelectorFields = std::to_array<Field<Labels>>({{"labels", ReadStringMap}});
constexpr Shape<Labels> kSelector = {"WorkloadSelector", kSelectorFields, ""};

constexpr auto kServiceFields = std::to_array<Field<ServiceEntry>>({
    {"hosts", Into<&ServiceEntry::hosts, List<std::string, ReadString>>},
    {"addresses", Into<&ServiceEntry::addresses, List<std::string, ReadString>>},
    {"ports", Into<&ServiceEntry::ports, List<ServiceEntryPort, ReadServiceEntryPort>>},
    {"location", Into<&ServiceEntry::location, ReadLocation>},
    {"resolution", Into<&ServiceEntry::resolution, ReadResolution>},
    {"endpoints", Into<&ServiceEntry::endpoints, List<WorkloadEntry, ReadWorkload>>},
    {"workloadSelector",
     Into<&ServiceEntry::workload_selector, Optional<Labels, Message<Labels, kSelector>>>},
    {"exportTo", Into<&ServiceEntry::export_to, List<std::string, ReadString>>},
    {"subjectAltNames",
     [](const At& at, ServiceEntry& /*out*/) {
       std::vector<std::string> names;
       List<std::string, ReadString>(at, names);
     }},
});
constexpr Shape<ServiceEntry> kService = {"ServiceEntry", kServiceFields, ""};

void ReadServiceSpec(const At& at, ServiceEntry& out) {
  ReadMap(at, kService, out);
  RequireField(at, "hosts");
}

// ---- its status --------------------------------------------------------------------------------

constexpr auto kAllocatedFields = std::to_array<Field<AllocatedAddress>>({
    {"host", Into<&AllocatedAddress::host, ReadString>},
    {"value", Into<&AllocatedAddress::ip, ReadIp>},
});
constexpr Shape<AllocatedAddress> kAllocated = {"ServiceEntryAddress", kAllocatedFields, ""};

constexpr auto kStatusFields = std::to_array<Field<ServiceEntry>>({
    {"addresses",
     Into<&ServiceEntry::allocated, List<AllocatedAddress, Message<AllocatedAddress, kAllocated>>>},
});
constexpr Shape<ServiceEntry> kStatus = {"ServiceEntryStatus", kStatusFields,
                                         "conditions validationMessages observedGeneration"};

constexpr auto kServiceDocument = std::to_array<Field<ServiceEntry>>({
    {"spec", ReadServiceSpec},
    {"status", Message<ServiceEntry, kStatus>},
});

}  // namespace

void ReadWorkloadEntry(const At& root, Object& object) {
  auto& workload = object.spec.Emplace<WorkloadEntry>();
  ReadMap(root, Shape<WorkloadEntry>{"", kWorkloadDocument, kHeaderFields}, workload);
  RequireSpec(root);
  WithField(root, "spec", [](const At& spec) { CheckWorkload(spec, nullptr); });
}

void ReadServiceEntry(const At& root, Object& object) {
  auto& service = object.spec.Emplace<ServiceEntry>();
  ReadMap(root, Shape<ServiceEntry>{"", kServiceDocument, kHeaderFields}, service);
  RequireSpec(root);
  WithField(root, "spec", [&object](const At& spec) { CheckServiceEntry(spec, object); });
}

}  // namespace vsplit::parse
