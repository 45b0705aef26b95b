// SPDX-License-Identifier: Apache-2.0
// Who is behind a service.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "endpoints.h"
#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

constexpr std::string_view kUnix = "unix://";

enum class Health { kReady, kUnready, kGone };

// Not ready with `terminating` left out is how Kubernetes before 1.20 says terminating
// (endpointHealthStatus of Istio's endpointslice.go).
Health HealthOf(const SliceEndpoint& endpoint) {
  if (endpoint.ready.value_or(true)) {
    return Health::kReady;
  }
  return endpoint.terminating.value_or(true) ? Health::kGone : Health::kUnready;
}

void AddSlices(const Scene& scene, const Object& owner, std::vector<Member>& members) {
  for (const ObjectPtr& object : scene.store.SlicesOf(owner.key.ns, owner.key.name)) {
    const auto& slice = object->spec.Get<EndpointSlice>();
    if (slice.address_type != "IPv4" && slice.address_type != "IPv6") {
      continue;
    }
    for (const SliceEndpoint& endpoint : slice.endpoints) {
      const Health health = HealthOf(endpoint);
      for (std::size_t i = 0; health != Health::kGone && i < endpoint.addresses.size(); ++i) {
        members.push_back({.ip = endpoint.addresses[i],
                           .ready = health == Health::kReady,
                           .owner = &owner,
                           .slice = object.get(),
                           .endpoint = &endpoint});
      }
    }
  }
}

// Names are of use to DNS only. Sockets of the file system and entries without an address cannot be
// reached.
void AddEntry(const Object& owner, const WorkloadEntry& entry, const Object* object, bool dns,
              std::vector<Member>& members) {
  if (entry.address.empty() || entry.address.starts_with(kUnix)) {
    return;
  }
  const std::optional<IpAddress> ip = ParseIpAddress(entry.address);
  if (!ip && !dns) {
    return;
  }
  members.push_back({.ip = ip.value_or(IpAddress{}),
                     .name = ip ? nullptr : &entry.address,
                     .weight = std::max<std::uint32_t>(entry.weight, 1),
                     .owner = &owner,
                     .entry = &entry,
                     .object = object});
}

// As the endpoint controller of Kubernetes decides (shouldPodBeInEndpoints, IsPodReady of Istio's
// pod.go). A Pod without the condition is one that somebody wrote by hand.
bool IsReady(const Object& object) {
  const auto& pod = object.spec.Get<Pod>();
  return !object.deleting && pod.phase != "Succeeded" && pod.phase != "Failed" &&
         pod.ready.value_or(pod.phase.empty() || pod.phase == "Running");
}

void AddPod(const Object& owner, const Object& object, std::vector<Member>& members) {
  if (IsReady(object)) {
    for (const IpAddress& ip : object.spec.Get<Pod>().ips) {
      members.push_back({.ip = ip, .owner = &owner, .object = &object});
    }
  }
}

void AddSelected(const Scene& scene, const Object& owner, const Labels& selector, bool dns,
                 std::vector<Member>& members) {
  for (const ObjectPtr& object : scene.store.WorkloadsSelectedBy(owner.key.ns, selector)) {
    if (object->kind() == Kind::kWorkloadEntry) {
      AddEntry(owner, object->spec.Get<WorkloadEntry>(), object.get(), dns, members);
    } else if (owner.kind() == Kind::kServiceEntry) {  // a Service's Pods are in its slices
      AddPod(owner, *object, members);
    }
  }
}

bool IsDns(Resolution resolution) {
  return resolution == Resolution::kDns || resolution == Resolution::kDnsRoundRobin;
}

void AddServiceEntry(const Scene& scene, const Object& owner, const RegistryService& service,
                     std::vector<Member>& members) {
  const auto& entry = owner.spec.Get<ServiceEntry>();
  const bool dns = IsDns(service.resolution);
  if (entry.workload_selector) {
    AddSelected(scene, owner, *entry.workload_selector, dns, members);
    return;
  }
  for (const WorkloadEntry& endpoint : entry.endpoints) {
    AddEntry(owner, endpoint, nullptr, dns, members);
  }
  if (entry.endpoints.empty() && dns && IsDns(entry.resolution)) {
    members.push_back({.name = &service.host, .owner = &owner, .object = nullptr});
  }
}

}  // namespace

std::vector<Member> MembersOf(const Scene& scene, const RegistryService& service) {
  std::vector<Member> members;
  for (const ObjectPtr& object : service.objects) {
    if (const auto* spec = object->spec.Find<Service>()) {
      AddSlices(scene, *object, members);
      if (!spec->selector.empty() && scene.store.Count(Kind::kWorkloadEntry) > 0) {
        AddSelected(scene, *object, spec->selector, false, members);
      }
    } else {
      AddServiceEntry(scene, *object, service, members);
    }
  }
  return members;
}

}  // namespace vsplit::resolve
