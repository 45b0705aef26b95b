// SPDX-License-Identifier: Apache-2.0
// R14: the workloads behind a service, and those of them that a subset's labels select. A workload
// is an endpoint of an EndpointSlice, a Pod or WorkloadEntry that is selected by its labels, or an
// entry of ServiceEntry.endpoints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {

// Points into objects: valid as long as the store does not change.
struct Member {
  IpAddress ip;
  const std::string* name = nullptr;  // a DNS name, where there is no IP address
  bool ready = true;
  std::uint32_t weight = 1;
  const Object* owner = nullptr;  // the Service or ServiceEntry whose ports count
  // The slice that has it, with its own entry there; null: none.
  const Object* slice = nullptr;
  const SliceEndpoint* endpoint = nullptr;
  // The entry that it is; null: none.
  const WorkloadEntry* entry = nullptr;
  // The Pod or WorkloadEntry; looked up on demand if a slice has it. Null: none.
  std::optional<const Object*> object;
  std::optional<Locality> locality;  // looked up on demand
};

// Those that may get connections, or are not ready and count as unhealthy; in the order of the
// objects that have them.
std::vector<Member> MembersOf(const Scene& scene, const RegistryService& service);

// A label of a workload, with those that say where it runs over its own (AugmentLabels). Null:
// none.
const std::string* LabelOf(const Scene& scene, Member& member, const std::string& name);
const Locality& LocalityOf(const Scene& scene, Member& member);

// An endpoint of a port of the service.
struct Chosen {
  Endpoint endpoint;  // without an address if it has only a name and names are not resolved
  Member* member = nullptr;
  bool twin = false;  // another address of a pod that counts already
};

// Those that the labels select, each address once, sorted by address. `missing`: names that are
// resolved to nothing.
std::vector<Chosen> ChooseEndpoints(const Scene& scene, const RegistryService& service,
                                    const RegistryPort& port, const Labels& labels,
                                    std::vector<std::string>& missing);

// To Istio a pod of two families is one endpoint with an additional address: finds those that are
// to count once. A pod counts as ready if any of its addresses does.
void FindTwins(const Scene& scene, std::vector<Chosen>& chosen);

}  // namespace vsplit::resolve
