// SPDX-License-Identifier: Apache-2.0
// Services and ServiceEntries as one thing: what a client finds under a host name. Rules:
// sidecar.go and push_context.go of Istio's pilot/pkg/model, conversion.go of its
// serviceregistry/serviceentry.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {

struct Member;
struct Scene;

struct RegistryPort {
  std::uint16_t number = 0;
  std::string name;  // joins it with the ports of endpoints
  PortProtocol protocol = PortProtocol::kTcp;
  std::string_view declared;  // the same in Istio's word
  std::string ns;             // of the object that has it, of several the first
  // Of a ServiceEntry whose resolution is NONE: where connections go instead; 0: to the port
  // dialled.
  std::uint16_t target = 0;
  std::vector<IpPrefix> addresses;  // on which it is dialled, of both families, sorted
  std::string unaddressed;          // why there are none
  // Clients dial it, but it leads nowhere: of a ServiceEntry that cannot be merged with an older
  // one.
  bool is_lost = false;
};

struct RegistryService {
  HostName host;
  std::string ns;
  // By precedence: the Service, or else the oldest ServiceEntry, decides what this is. All of them
  // add addresses and endpoints.
  std::vector<ObjectPtr> objects;
  Resolution resolution = Resolution::kStatic;  // kNone for a headless Service
  HostName alias;                               // ExternalName: the host that this stands for
  bool headless = false;
  std::vector<RegistryPort> ports;  // in the order of the objects, each number once (and once UDP)

  const Object& object() const { return *objects.front(); }
  const Service* service() const { return object().spec.Find<Service>(); }
  const RegistryPort* OnlyPort() const;  // null when it has several, or none
  // Null when there is none, or it is UDP, or lost.
  const RegistryPort* FindPort(std::uint16_t number) const;
};

// What this client finds during one Resolve.
class Registry {
 public:
  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;
  Registry(Registry&&) = delete;
  Registry& operator=(Registry&&) = delete;

  // What the client can dial. Null when there is nothing, or nothing that the client can see. Valid
  // as long as the registry.
  const RegistryService* Find(const Scene& scene, const HostName& host);

  // What a destination of a rule that the client sees leads to: also what the client's namespace
  // has, whoever it is exported to.
  const RegistryService* FindDestination(const Scene& scene, const HostName& host);

  // The Service or ServiceEntry behind a destination; `host` becomes that of what an ExternalName
  // Service stands for. Null where that is one itself: Istio follows one (GetDestinationCluster).
  const RegistryService* FollowAlias(const Scene& scene, HostName& host);

  // MembersOf of endpoints.h, made once.
  std::vector<Member>& MembersOf(const Scene& scene, const RegistryService& service);

  // Of a Node, by its name; empty when it is not there.
  const Locality& LocalityOfNode(const Scene& scene, const std::string& node);

  // The ServiceEntries of all hosts that are IsWide.
  const std::vector<ObjectPtr>& WideEntries(const Scene& scene);

 private:
  using Services = std::map<HostName, std::optional<RegistryService>>;
  Services services_;
  Services destinations_;  // where they are not those of services_
  std::map<const RegistryService*, std::vector<Member>> members_;
  std::map<std::string, Locality> nodes_;
  std::optional<std::vector<ObjectPtr>> wide_;
};

// What there is under a host besides what the client finds, which may be null: the ports of all
// other objects, with their addresses.
RegistryService UnseenService(const Scene& scene, const HostName& host,
                              const RegistryService* found);

// Whether connections to other hosts' addresses may be this entry's: it has a subnet, or no address
// at all, which means any on its ports. Where those hosts have frontends of their own, these count.
bool IsWide(const ServiceEntry& entry);

// "no Service or ServiceEntry for host "x.org"", "no Service default/reviews"; of a name within a
// ServiceEntry's wildcard, that this is where its connections are.
std::string WhyNotFound(const Scene& scene, const HostName& host);

}  // namespace vsplit::resolve
