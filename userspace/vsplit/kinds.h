// SPDX-License-Identifier: Apache-2.0
// The kinds as users name them on the command line, and where the agent serves them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace vsplit {

struct KindName {
  std::string_view kind;      // "VirtualService"
  std::string_view plural;    // "virtualservices"
  std::string_view singular;  // "virtualservice"
  std::string_view shorts;    // "vs"
  std::string_view group;     // "networking.istio.io"; "" for the core group
  bool namespaced;
};

std::span<const KindName> KindNames();

// By kind, plural, singular or short name, in any case, also with group ("vs.networking.istio.io",
// "virtualservices.v1beta1.networking.istio.io"). Null when there is no such kind.
const KindName* FindKind(std::string_view word);

// "virtualservice.networking.istio.io", "service"
std::string QualifiedName(const KindName& kind);
std::string QualifiedName(std::string_view kind, std::string_view group);

// "/apis/networking.istio.io/v1/namespaces/default/virtualservices/fleetman". Without `ns` or for a
// kind that has none: of the whole agent; without `name`: the list.
std::string ResourcePath(const KindName& kind, std::string_view ns, std::string_view name);

}  // namespace vsplit
