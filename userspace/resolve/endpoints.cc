// SPDX-License-Identifier: Apache-2.0
#include "endpoints.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "client.h"
#include "place.h"
#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

// ---- what they are -----------------------------------------------------------------------------

// A pod on the host's network shares its address with others, and one that has ended may have given
// it to another: neither can be recognised by it.
const Object* PodAt(const Scene& scene, const IpAddress& ip) {
  scene.dependencies.pod_ips.insert(ip);
  for (const ObjectPtr& object : scene.store.PodsWithIp(ip)) {
    const auto& pod = object->spec.Get<Pod>();
    if (!pod.host_network && pod.phase != "Succeeded" && pod.phase != "Failed") {
      return object.get();
    }
  }
  return nullptr;
}

const Object* PodOf(const Scene& scene, const Member& member) {
  if (!member.endpoint->pod) {
    return PodAt(scene, member.ip);
  }
  ObjectKey key = *member.endpoint->pod;
  if (key.ns.empty()) {
    key.ns = member.slice->key.ns;
  }
  const auto [known, is_new] = scene.dependencies.pods.insert(std::move(key));
  return scene.store.Find(*known).get();
}

const Object* ObjectOf(const Scene& scene, Member& member) {
  if (!member.object) {
    member.object = PodOf(scene, member);
  }
  return *member.object;
}

// The Node of a pod; of a pod that is not known what the slice says. Empty: not known.
const std::string& NodeOf(const Scene& scene, Member& member) {
  static const std::string none;
  if (const Object* object = ObjectOf(scene, member)) {
    const auto* pod = object->spec.Find<Pod>();
    return pod == nullptr ? none : pod->node_name.str();
  }
  return member.endpoint == nullptr ? none : member.endpoint->node_name.str();
}

const std::string* OwnLabel(const Scene& scene, Member& member, const std::string& name) {
  if (const Object* object = ObjectOf(scene, member)) {
    return WorkloadLabel(*object, name);
  }
  if (member.entry == nullptr) {
    return nullptr;
  }
  const auto found = member.entry->labels.find(name);
  return found == member.entry->labels.end() ? nullptr : &found->second.str();
}

// The locality that its own labels give; nothing when they do not.
std::optional<Locality> LabelledLocality(const Scene& scene, Member& member) {
  for (const std::string_view name : kLocalityLabels) {
    const std::string* own = OwnLabel(scene, member, std::string(name));
    if (own != nullptr && !own->empty()) {
      return ParseLocality(*own);
    }
  }
  return std::nullopt;
}

Locality FindLocality(const Scene& scene, Member& member) {
  if (member.entry != nullptr && !member.entry->locality.empty()) {
    return ParseLocality(member.entry->locality);
  }
  if (std::optional<Locality> own = LabelledLocality(scene, member)) {
    return *std::move(own);
  }
  // Of a Pod that is not known its slice says where it runs.
  const Object* object = ObjectOf(scene, member);
  const bool is_pod = object != nullptr
                          ? object->kind() == Kind::kPod
                          : member.endpoint != nullptr && member.endpoint->pod.has_value();
  return is_pod ? scene.registry.LocalityOfNode(scene, NodeOf(scene, member)) : Locality{};
}

// What a place label says; null when the place is not known.
const std::string* PlaceLabel(const Scene& scene, Member& member, std::string_view name) {
  const std::string* value = nullptr;
  if (name == kRegionLabel) {
    value = &LocalityOf(scene, member).region;
  } else if (name == kZoneLabel) {
    value = &LocalityOf(scene, member).zone;
  } else if (name == kSubzoneLabel) {
    value = &LocalityOf(scene, member).subzone;
  } else if (name == kHostnameLabel) {
    value = &NodeOf(scene, member);
  } else if (name == kClusterLabel) {
    static const std::string cluster(kClusterName);
    value = &cluster;
  }
  return value == nullptr || value->empty() ? nullptr : value;
}

bool HasLabels(const Scene& scene, Member& member, const Labels& labels) {
  return std::ranges::all_of(labels, [&](const auto& label) {
    const std::string* value = LabelOf(scene, member, label.first);
    return value != nullptr && *value == label.second;
  });
}

// ---- on which port -----------------------------------------------------------------------------

// The slice's port is found by the name of the service's port. One without a number means all
// ports, which says nothing about where this one is.
std::optional<std::uint16_t> PortInSlice(const EndpointSlice& slice, const std::string& name) {
  for (const SlicePort& candidate : slice.ports) {
    if (candidate.name == name && candidate.protocol == "TCP") {
      return candidate.port;
    }
  }
  return std::nullopt;
}

std::uint16_t EntryPort(const Member& member, const std::string& name) {
  const auto found = member.entry->ports.find(name);
  return found == member.entry->ports.end() ? 0 : found->second;
}

// Of a WorkloadEntry that a Service selects: its ports have the names of targetPort, or, where that
// is a number, of the service's port (findServiceTargetPort of Istio's kube/controller).
std::optional<std::uint16_t> PortForService(const Member& member, const Service& service,
                                            const std::string& name) {
  const auto port = std::ranges::find_if(
      service.ports, [&name](const ServicePort& each) { return each.name == name; });
  if (port == service.ports.end()) {
    return std::nullopt;
  }
  const std::string& target = port->target_port;
  std::uint16_t number = target.empty() ? port->port : 0;
  const auto [end, error] = std::from_chars(target.data(), target.data() + target.size(), number);
  const bool is_number =
      target.empty() || (error == std::errc() && end == target.data() + target.size());
  const std::uint16_t own = EntryPort(member, is_number ? name : target);
  if (own != 0) {
    return own;
  }
  return is_number ? std::optional(number) : std::nullopt;
}

std::optional<std::uint16_t> PortForEntry(const Member& member, const ServiceEntry& owner,
                                          const std::string& name) {
  const auto port = std::ranges::find(owner.ports, name, &ServiceEntryPort::name);
  if (port == owner.ports.end()) {
    return std::nullopt;
  }
  const std::uint16_t own = member.entry == nullptr ? 0 : EntryPort(member, name);
  if (own != 0) {
    return own;
  }
  return port->target_port != 0 ? port->target_port : port->number;
}

std::optional<std::uint16_t> PortOf(const Member& member, const std::string& name) {
  if (member.slice != nullptr) {
    return PortInSlice(member.slice->spec.Get<EndpointSlice>(), name);
  }
  const auto* service = member.owner->spec.Find<Service>();
  return service != nullptr ? PortForService(member, *service, name)
                            : PortForEntry(member, member.owner->spec.Get<ServiceEntry>(), name);
}

// ---- at which address --------------------------------------------------------------------------

// The addresses of a name that is looked up at all. DNS_ROUND_ROBIN connects to the first one of
// each answer.
void AddNamed(const Scene& scene, Member& member, std::uint16_t port, bool first_only,
              std::vector<std::string>& missing, std::vector<Chosen>& chosen) {
  const std::string& name = *member.name;
  scene.dependencies.names.insert(name);
  if (scene.options.names == nullptr) {
    chosen.push_back(
        {.endpoint = {.address = {.ip = {}, .port = port}, .name = name, .weight = member.weight},
         .member = &member});
    return;
  }
  const auto answer = scene.options.names->find(name);
  if (answer == scene.options.names->end() || answer->second.empty()) {
    missing.push_back(name);
    return;
  }
  for (const IpAddress& ip : answer->second) {
    chosen.push_back(
        {.endpoint = {.address = {.ip = ip, .port = port}, .name = name, .weight = member.weight},
         .member = &member});
    if (first_only) {
      return;
    }
  }
}

// Envoy keeps the first of several with one address; a ready one is better than another.
void SortAndUnite(std::vector<Chosen>& chosen) {
  const auto place = [](const Chosen& one) {
    const bool is_resolved = one.endpoint.address.ip != IpAddress{};
    return std::pair(one.endpoint.address,
                     is_resolved ? std::string_view() : std::string_view(one.endpoint.name));
  };
  std::ranges::stable_sort(chosen, [&place](const Chosen& left, const Chosen& right) {
    return std::pair(place(left), !left.member->ready) <
           std::pair(place(right), !right.member->ready);
  });
  const auto is_same = [&place](const Chosen& left, const Chosen& right) {
    return place(left) == place(right);
  };
  chosen.erase(std::unique(chosen.begin(), chosen.end(), is_same), chosen.end());
}

bool IsOnNodeOfClient(const Scene& scene, Member& member) {
  return NodeOf(scene, member) == NodeOf(scene);
}

}  // namespace

void FindTwins(const Scene& scene, std::vector<Chosen>& chosen) {
  const auto is_v4 = [](const Chosen& each) { return each.endpoint.address.ip.is_v4(); };
  if (std::ranges::all_of(chosen, is_v4) || std::ranges::none_of(chosen, is_v4)) {
    return;
  }
  std::set<std::pair<const Object*, std::uint16_t>> counted;
  for (const bool ready : {true, false}) {
    for (Chosen& each : chosen) {
      if (each.member->ready != ready) {
        continue;
      }
      const Object* object = ObjectOf(scene, *each.member);
      each.twin = object != nullptr && object->kind() == Kind::kPod &&
                  !counted.emplace(object, each.endpoint.address.port).second;
    }
  }
}

const Locality& LocalityOf(const Scene& scene, Member& member) {
  if (!member.locality) {
    member.locality = FindLocality(scene, member);
  }
  return *member.locality;
}

const std::string* LabelOf(const Scene& scene, Member& member, const std::string& name) {
  if (const std::string* place = PlaceLabel(scene, member, name)) {
    return place;
  }
  const std::string* own = OwnLabel(scene, member, name);
  if (name == kNetworkLabel && (own == nullptr || own->empty()) && member.entry != nullptr &&
      !member.entry->network.empty()) {
    return &member.entry->network;
  }
  return own;
}

std::vector<Chosen> ChooseEndpoints(const Scene& scene, const RegistryService& service,
                                    const RegistryPort& port, const Labels& labels,
                                    std::vector<std::string>& missing) {
  const Service* spec = service.service();
  const bool local = spec != nullptr && spec->internal_traffic_policy == "Local";
  const bool first_only = service.resolution == Resolution::kDnsRoundRobin;
  std::vector<Chosen> chosen;
  for (Member& member : scene.registry.MembersOf(scene, service)) {
    const auto number = PortOf(member, port.name);
    if (!number || (local && !IsOnNodeOfClient(scene, member)) ||
        !HasLabels(scene, member, labels)) {
      continue;
    }
    if (member.name != nullptr) {
      AddNamed(scene, member, *number, first_only, missing, chosen);
    } else {
      chosen.push_back({.endpoint = {.address = {.ip = member.ip, .port = *number},
                                     .name = {},
                                     .weight = member.weight},
                        .member = &member});
    }
  }
  SortAndUnite(chosen);
  return chosen;
}

}  // namespace vsplit::resolve
