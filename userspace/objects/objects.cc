// SPDX-License-Identifier: Apache-2.0
#include "vsplit/objects.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace vsplit {

const std::vector<KindInfo>& Kinds() {
  constexpr const char* kIstio = "networking.istio.io";
  constexpr const char* kIstioVersions = "v1 v1beta1 v1alpha3";
  // NOLINTBEGIN(modernize-use-designated-initializers): a table
  static const std::vector<KindInfo> kinds = {
      {Kind::kNamespace, "Namespace", "namespaces", "namespace", "ns", "", "v1", false},
      {Kind::kNode, "Node", "nodes", "node", "no", "", "v1", false},
      {Kind::kPod, "Pod", "pods", "pod", "po", "", "v1", true},
      {Kind::kService, "Service", "services", "service", "svc", "", "v1", true},
      {Kind::kEndpointSlice, "EndpointSlice", "endpointslices", "endpointslice", "",
       "discovery.k8s.io", "v1", true},
      {Kind::kWorkloadEntry, "WorkloadEntry", "workloadentries", "workloadentry", "we", kIstio,
       kIstioVersions, true},
      {Kind::kServiceEntry, "ServiceEntry", "serviceentries", "serviceentry", "se", kIstio,
       kIstioVersions, true},
      {Kind::kDestinationRule, "DestinationRule", "destinationrules", "destinationrule", "dr",
       kIstio, kIstioVersions, true},
      {Kind::kVirtualService, "VirtualService", "virtualservices", "virtualservice", "vs", kIstio,
       kIstioVersions, true},
      {Kind::kSidecar, "Sidecar", "sidecars", "sidecar", "", kIstio, kIstioVersions, true},
  };
  // NOLINTEND(modernize-use-designated-initializers)
  return kinds;
}

bool IsRule(Kind kind) {
  return kind == Kind::kVirtualService || kind == Kind::kDestinationRule;
}

const KindInfo& InfoOf(Kind kind) {
  return Kinds().at(static_cast<std::size_t>(kind));
}

std::string_view PreferredVersion(const KindInfo& info) {
  return info.versions.substr(0, info.versions.find(' '));
}

std::string ApiVersion(const KindInfo& info, std::string_view version) {
  return info.group.empty() ? std::string(version)
                            : std::string(info.group) + "/" + std::string(version);
}

std::string ToString(const ObjectKey& key) {
  std::string text(InfoOf(key.kind).name);
  text += ' ';
  if (!key.ns.empty()) {
    text += key.ns + '/';
  }
  return text + key.name;
}

bool Selects(const Labels& selector, const Labels& labels) {
  return std::ranges::all_of(selector, [&labels](const auto& wanted) {
    const auto found = labels.find(wanted.first);
    return found != labels.end() && found->second == wanted.second;
  });
}

const std::string* WorkloadLabel(const Object& workload, const std::string& name) {
  if (const auto own = workload.labels.find(name); own != workload.labels.end()) {
    return &own->second.str();
  }
  const auto* entry = workload.spec.Find<WorkloadEntry>();
  if (entry == nullptr) {
    return nullptr;
  }
  const auto found = entry->labels.find(name);
  return found == entry->labels.end() ? nullptr : &found->second.str();
}

std::vector<std::string> ServiceExports(const Object& service) {
  if (const auto* entry = service.spec.Find<ServiceEntry>()) {
    return entry->export_to;
  }
  std::vector<std::string> words;
  const auto found = service.annotations.find("networking.istio.io/exportTo");
  std::string_view text = found == service.annotations.end() ? "" : std::string_view(found->second);
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    word.remove_prefix(std::min(word.find_first_not_of(' '), word.size()));
    words.emplace_back(word.substr(0, word.find_last_not_of(' ') + 1));
  }
  return words;
}

}  // namespace vsplit
