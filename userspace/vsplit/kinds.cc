// SPDX-License-Identifier: Apache-2.0
#include "kinds.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <string>
#include <string_view>

#include "agent.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

constexpr std::string_view kIstio = "networking.istio.io";
// In the order of the members.
constexpr KindName Name(std::string_view kind, std::string_view plural, std::string_view singular,
                        std::string_view shorts, std::string_view group, bool namespaced) {
  return {.kind = kind,
          .plural = plural,
          .singular = singular,
          .shorts = shorts,
          .group = group,
          .namespaced = namespaced};
}

constexpr std::array kKinds = {
    Name("Namespace", "namespaces", "namespace", "ns", "", false),
    Name("Node", "nodes", "node", "no", "", false),
    Name("Pod", "pods", "pod", "po", "", true),
    Name("Service", "services", "service", "svc", "", true),
    Name("EndpointSlice", "endpointslices", "endpointslice", "", "discovery.k8s.io", true),
    Name("WorkloadEntry", "workloadentries", "workloadentry", "we", kIstio, true),
    Name("ServiceEntry", "serviceentries", "serviceentry", "se", kIstio, true),
    Name("DestinationRule", "destinationrules", "destinationrule", "dr", kIstio, true),
    Name("VirtualService", "virtualservices", "virtualservice", "vs", kIstio, true),
    Name("Sidecar", "sidecars", "sidecar", "", kIstio, true),
};

bool IsVersion(std::string_view word) {
  return word.size() >= 2 && word[0] == 'v' &&
         std::isdigit(static_cast<unsigned char>(word[1])) != 0;
}

}  // namespace

std::span<const KindName> KindNames() {
  return kKinds;
}

const KindName* FindKind(std::string_view word) {
  const std::string lower = Lower(word);
  std::string_view name = lower;
  std::string_view group;
  const bool qualified = name.find('.') != std::string_view::npos;
  if (qualified) {
    group = name.substr(name.find('.') + 1);
    name = name.substr(0, name.find('.'));
    const std::string_view first = group.substr(0, group.find('.'));
    if (IsVersion(first)) {
      group = first.size() < group.size() ? group.substr(first.size() + 1) : std::string_view();
    }
  }
  const auto* found = std::ranges::find_if(kKinds, [&](const KindName& kind) {
    return (name == kind.plural || name == kind.singular || name == kind.shorts) &&
           (!qualified || group == kind.group);
  });
  return name.empty() || found == kKinds.end() ? nullptr : found;
}

std::string QualifiedName(const KindName& kind) {
  return QualifiedName(kind.kind, kind.group);
}

std::string QualifiedName(std::string_view kind, std::string_view group) {
  std::string name = Lower(kind);
  if (!group.empty()) {
    name.append(".").append(group);
  }
  return name;
}

std::string ResourcePath(const KindName& kind, std::string_view ns, std::string_view name) {
  std::string path = kind.group.empty() ? "/api/v1" : "/apis/" + std::string(kind.group) + "/v1";
  if (kind.namespaced && !ns.empty()) {
    path.append("/namespaces/").append(UrlEncode(ns));
  }
  path.append("/").append(kind.plural);
  if (!name.empty()) {
    path.append("/").append(UrlEncode(name));
  }
  return path;
}

}  // namespace vsplit
