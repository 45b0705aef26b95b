// SPDX-License-Identifier: Apache-2.0
#include "registry.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "client.h"
#include "endpoints.h"
#include "place.h"
#include "protocol.h"
#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

constexpr std::string_view kAllocate = "networking.istio.io/enable-autoallocate-ip";

// 0.0.0.0/0: as Istio's listener that is bound to no address.
constexpr IpPrefix kAnyV4{
    .address = {.bytes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}}, .bits = 96};

bool IsService(const ObjectPtr& object) {
  return object->kind() == Kind::kService;
}

using Objects = std::vector<ObjectPtr>;

// The Service and the ServiceEntries of a host, by precedence: exported by name, then public ones;
// older ones first.
Objects AllOf(const Store& store, const HostName& host) {
  Objects objects = store.ServiceEntriesFor(host);
  if (ObjectPtr service = ServiceOf(store, host)) {
    objects.push_back(std::move(service));
  }
  std::ranges::sort(objects, {}, [](const ObjectPtr& object) {
    return std::tuple(IsPublic(ServiceExports(*object)), object->version.creation_timestamp,
                      object->key.ns, object->key.name, object->kind());
  });
  return objects;
}

// Those that the client can see (R9).
Objects VisibleOf(const Scene& scene, Objects objects) {
  std::erase_if(objects, [&scene](const ObjectPtr& object) {
    return !IsExportedTo(scene, object->key.ns, ServiceExports(*object));
  });
  return objects;
}

// Those of the client's namespace that it cannot see.
Objects HiddenOwnOf(const Scene& scene, Objects objects) {
  std::erase_if(objects, [&scene](const ObjectPtr& object) {
    return IsExportedTo(scene, object->key.ns, ServiceExports(*object)) ||
           !IsInNamespace(scene, object->key.ns);
  });
  return objects;
}

// Those that the client's Sidecar shows it, unless there are none: a VirtualService that it shows
// makes its destinations visible too (collectImportedServices).
void PreferImported(const Scene& scene, const HostName& host, Objects& objects) {
  const auto is_hidden = [&](const ObjectPtr& object) {
    return !scene.sight->Sees(object->key.ns, host);
  };
  if (objects.size() > 1 && !std::ranges::all_of(objects, is_hidden)) {
    std::erase_if(objects, is_hidden);
  }
}

// A host of several namespaces is that of the client's own, else that of a Service, else of the
// first.
std::string ChooseNamespace(const Scene& scene, const std::vector<ObjectPtr>& objects) {
  for (const ObjectPtr& object : objects) {
    if (object->key.ns != objects.front()->key.ns && IsInNamespace(scene, object->key.ns)) {
      return object->key.ns;
    }
  }
  const bool same = std::ranges::all_of(
      objects, [&](const ObjectPtr& object) { return object->key.ns == objects.front()->key.ns; });
  if (same || IsInNamespace(scene, objects.front()->key.ns)) {
    return objects.front()->key.ns;
  }
  const auto service = std::ranges::find_if(objects, IsService);
  return service == objects.end() ? objects.front()->key.ns : (*service)->key.ns;
}

// The addresses of the pods that are ready: their names resolve to these.
std::vector<IpPrefix> AddressesOfPods(const Scene& scene, const ObjectKey& service) {
  std::vector<IpPrefix> addresses;
  for (const ObjectPtr& object : scene.store.SlicesOf(service.ns, service.name)) {
    for (const SliceEndpoint& endpoint : object->spec.Get<EndpointSlice>().endpoints) {
      for (const IpAddress& ip : endpoint.addresses) {
        if (endpoint.ready.value_or(true)) {
          addresses.push_back({.address = ip});
        }
      }
    }
  }
  return addresses;
}

// What Istio allocated for the host, if it still counts.
std::vector<IpPrefix> Allocated(const Object& object, const ServiceEntry& entry,
                                const HostName& host) {
  const auto label = object.labels.find(std::string(kAllocate));
  std::vector<IpPrefix> addresses;
  if (entry.resolution == Resolution::kNone ||
      (label != object.labels.end() && label->second == "false")) {
    return addresses;
  }
  for (const AllocatedAddress& each : entry.allocated) {
    if (each.host.empty() || PlainHost(each.host) == host) {
      addresses.push_back({.address = each.ip});
    }
  }
  return addresses;
}

std::vector<IpPrefix> AddressesOf(const Scene& scene, const Object& object, const HostName& host) {
  std::vector<IpPrefix> addresses;
  if (const auto* service = object.spec.Find<Service>()) {
    for (const IpAddress& ip : service->cluster_ips) {
      addresses.push_back({.address = ip});
    }
    return service->headless ? AddressesOfPods(scene, object.key) : addresses;
  }
  const auto& entry = object.spec.Get<ServiceEntry>();
  for (const std::string& text : entry.addresses) {
    if (const auto prefix = ParseIpPrefix(text)) {
      addresses.push_back(*prefix);
    }
  }
  return entry.addresses.empty() ? Allocated(object, entry, host) : addresses;
}

// Why a port of an object without addresses is not dialled by address; empty if any address means
// it, as a ServiceEntry's port of a protocol that does not name the host.
std::string WhyUnaddressed(const Object& object, PortProtocol protocol) {
  if (const auto* service = object.spec.Find<Service>()) {
    const std::string name = ToString(object.key);
    if (service->type == "ExternalName") {
      return fmt::format("{} is of type ExternalName and has no address of its own", name);
    }
    return service->headless ? fmt::format("{} is headless and has no endpoints", name)
                             : fmt::format("{} has no cluster IP yet", name);
  }
  if (protocol == PortProtocol::kHttp) {
    return fmt::format("{} has no addresses: its host is known by the Host header alone",
                       ToString(object.key));
  }
  return protocol == PortProtocol::kTls
             ? fmt::format("{} has no addresses: its host is known by the SNI alone",
                           ToString(object.key))
             : "";
}

// Adds what the object says about a port, which may be there from an object before it. `counts`:
// whether ports that no earlier object has lead anywhere.
void AddPort(RegistryService& service, RegistryPort port, const std::vector<IpPrefix>& addresses,
             const Object& object, bool counts) {
  const auto is_same = [&port](const RegistryPort& other) {
    return other.number == port.number &&
           (other.protocol == PortProtocol::kUdp) == (port.protocol == PortProtocol::kUdp);
  };
  auto known = std::ranges::find_if(service.ports, is_same);
  if (known == service.ports.end()) {
    port.is_lost = !counts;
    port.ns = object.key.ns;
    known = service.ports.insert(known, std::move(port));
  }
  std::string why = addresses.empty() ? WhyUnaddressed(object, known->protocol) : "";
  if (!addresses.empty()) {
    known->addresses.insert(known->addresses.end(), addresses.begin(), addresses.end());
  } else if (why.empty()) {
    known->addresses.push_back(kAnyV4);
  } else if (known->addresses.empty()) {
    known->unaddressed = std::move(why);
  }
}

template <typename Port>
RegistryPort PortOf(const Port& port, std::uint16_t number, std::uint16_t target) {
  const auto [protocol, word] = DeclaredBy(port);
  return {.number = number,
          .name = port.name,
          .protocol = protocol,
          .declared = word,
          .target = target};
}

void AddPorts(const Scene& scene, const Object& object, bool counts, RegistryService& service) {
  const std::vector<IpPrefix> addresses = AddressesOf(scene, object, service.host);
  if (const auto* spec = object.spec.Find<Service>()) {
    for (const ServicePort& port : spec->ports) {
      AddPort(service, PortOf(port, port.port, 0), addresses, object, counts);
    }
    return;
  }
  for (const ServiceEntryPort& port : object.spec.Get<ServiceEntry>().ports) {
    AddPort(service, PortOf(port, port.number, port.target_port), addresses, object, counts);
  }
}

// Whether Istio adds the ports of the second ServiceEntry to those of the first (canMergeServices).
bool AddsPorts(const Object& first, const Object& second) {
  const auto* one = first.spec.Find<ServiceEntry>();
  const auto* other = second.spec.Find<ServiceEntry>();
  return one != nullptr && other != nullptr && one->resolution == other->resolution &&
         first.labels == second.labels && one->export_to == other->export_to &&
         one->workload_selector.value_or(Labels{}) == other->workload_selector.value_or(Labels{});
}

void SortAddresses(RegistryService& service) {
  for (RegistryPort& port : service.ports) {
    std::ranges::sort(port.addresses);
    port.addresses.erase(std::unique(port.addresses.begin(), port.addresses.end()),
                         port.addresses.end());
    if (!port.addresses.empty()) {
      port.unaddressed.clear();
    }
  }
}

// What these objects are together.
std::optional<RegistryService> Unite(const Scene& scene, const HostName& host, Objects objects) {
  if (objects.empty()) {
    return std::nullopt;
  }
  PreferImported(scene, host, objects);
  RegistryService service{.host = host, .ns = ChooseNamespace(scene, objects)};
  std::erase_if(objects, [&](const ObjectPtr& object) { return object->key.ns != service.ns; });
  std::stable_partition(objects.begin(), objects.end(), IsService);
  service.objects = std::move(objects);
  if (const Service* spec = service.service()) {
    service.headless = spec->headless;
    service.resolution = spec->headless ? Resolution::kNone : Resolution::kStatic;
    if (spec->type == "ExternalName") {
      service.alias = QualifyHost(spec->external_name, service.ns, scene.store.domain());
    }
  } else {
    service.resolution = service.object().spec.Get<ServiceEntry>().resolution;
  }
  for (const ObjectPtr& object : service.objects) {
    AddPorts(scene, *object,
             object == service.objects.front() || AddsPorts(service.object(), *object), service);
  }
  SortAddresses(service);
  return service;
}

}  // namespace

const RegistryPort* RegistryService::OnlyPort() const {
  const auto is_lost = [](const RegistryPort& port) { return port.is_lost; };
  const auto first = std::ranges::find_if_not(ports, is_lost);
  return first == ports.end() || std::find_if_not(first + 1, ports.end(), is_lost) != ports.end()
             ? nullptr
             : &*first;
}

const RegistryPort* RegistryService::FindPort(std::uint16_t number) const {
  const auto found = std::ranges::find_if(ports, [number](const RegistryPort& port) {
    return port.number == number && port.protocol != PortProtocol::kUdp && !port.is_lost;
  });
  return found == ports.end() ? nullptr : &*found;
}

Registry::Registry() = default;
Registry::~Registry() = default;

const RegistryService* Registry::Find(const Scene& scene, const HostName& host) {
  auto known = services_.find(host);
  if (known == services_.end()) {
    scene.dependencies.hosts.insert(host);
    known = services_.emplace(host, Unite(scene, host, VisibleOf(scene, AllOf(scene.store, host))))
                .first;
  }
  return known->second ? &*known->second : nullptr;
}

// collectImportedServices() of Istio adds the destinations of VirtualServices to the services that
// the client's Sidecar shows: those of the client's namespace without a look at exportTo. What is
// there already stays, but for a ServiceEntry where a Service comes.
const RegistryService* Registry::FindDestination(const Scene& scene, const HostName& host) {
  const RegistryService* visible = Find(scene, host);
  auto known = destinations_.find(host);
  if (known == destinations_.end()) {
    Objects hidden = HiddenOwnOf(scene, AllOf(scene.store, host));
    const bool is_shown = visible != nullptr && scene.sight->Sees(visible->ns, host);
    const bool stays =
        visible != nullptr && !hidden.empty() &&
        (visible->ns == hidden.front()->key.ns ||
         (is_shown && (visible->service() != nullptr || std::ranges::none_of(hidden, IsService))));
    known =
        destinations_.emplace(host, stays ? std::nullopt : Unite(scene, host, std::move(hidden)))
            .first;
  }
  return known->second ? &*known->second : visible;
}

const RegistryService* Registry::FollowAlias(const Scene& scene, HostName& host) {
  const RegistryService* service = FindDestination(scene, host);
  if (service == nullptr || service->alias.empty()) {
    return service;
  }
  host = service->alias;
  const RegistryService* target = Find(scene, host);
  return target == nullptr || !target->alias.empty() ? nullptr : target;
}

std::vector<Member>& Registry::MembersOf(const Scene& scene, const RegistryService& service) {
  const auto [known, is_new] = members_.try_emplace(&service);
  if (is_new) {
    known->second = resolve::MembersOf(scene, service);
  }
  return known->second;
}

const Locality& Registry::LocalityOfNode(const Scene& scene, const std::string& node) {
  const auto [known, is_new] = nodes_.try_emplace(node);
  if (is_new && !node.empty()) {
    const ObjectKey key{.kind = Kind::kNode, .ns = "", .name = node};
    scene.dependencies.pods.insert(key);
    known->second = LocalityOfWorkload({}, scene.store.Find(key).get());
  }
  return known->second;
}

const std::vector<ObjectPtr>& Registry::WideEntries(const Scene& scene) {
  if (!wide_) {
    wide_ = scene.store.List(Kind::kServiceEntry);
    std::erase_if(
        *wide_, [](const ObjectPtr& object) { return !IsWide(object->spec.Get<ServiceEntry>()); });
  }
  return *wide_;
}

RegistryService UnseenService(const Scene& scene, const HostName& host,
                              const RegistryService* found) {
  RegistryService service{.host = host};
  service.objects = scene.store.ServiceEntriesFor(host);
  if (ObjectPtr own = ServiceOf(scene.store, host)) {
    service.objects.insert(service.objects.begin(), std::move(own));
  }
  if (found != nullptr) {
    std::erase_if(service.objects, [found](const ObjectPtr& object) {
      return std::ranges::find(found->objects, object) != found->objects.end();
    });
  }
  for (const ObjectPtr& object : service.objects) {
    AddPorts(scene, *object, true, service);
  }
  SortAddresses(service);
  return service;
}

bool IsWide(const ServiceEntry& entry) {
  return (entry.addresses.empty() && entry.allocated.empty()) ||
         std::ranges::any_of(entry.addresses, [](const std::string& address) {
           return address.find('/') != std::string::npos;
         });
}

std::string WhyNotFound(const Scene& scene, const HostName& host) {
  if (ServiceOf(scene.store, host) != nullptr || !scene.store.ServiceEntriesFor(host).empty()) {
    return fmt::format("\"{}\" is not exported to the client", host);
  }
  // An entry of any wildcard around it would be another answer.
  for (std::size_t dot = host.find('.'); dot != HostName::npos; dot = host.find('.', dot + 1)) {
    scene.dependencies.hosts.insert("*" + host.substr(dot));
  }
  for (const ObjectPtr& entry : scene.store.ServiceEntriesCovering(host)) {
    for (const std::string& wide : entry->spec.Get<ServiceEntry>().hosts) {
      if (HostCovers(PlainHost(wide), host)) {
        return fmt::format(
            R"("{}" has no address of its own, it is one of the names of "{}" of {})", host, wide,
            ToString(entry->key));
      }
    }
  }
  return MissingService(scene.store, host);
}

}  // namespace vsplit::resolve
