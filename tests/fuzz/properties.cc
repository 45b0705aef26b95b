// SPDX-License-Identifier: Apache-2.0
#include "properties.h"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/compile.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "well_formed.h"

namespace vsplit {
namespace {

constexpr std::size_t kClientsMax = 4;

std::vector<Client> ClientsOf(const Store& store) {
  std::vector<Client> clients{
      AnonymousClient("n1", {.region = "eu", .zone = "eu-a", .subzone = ""})};
  for (const ObjectPtr& pod : store.List(Kind::kPod)) {
    if (clients.size() < kClientsMax) {
      const std::string& node = pod->spec.Get<Pod>().node_name;
      clients.push_back(
          ClientOf(*pod, store.Find({.kind = Kind::kNode, .ns = "", .name = node}).get()));
    }
  }
  return clients;
}

std::string WrongHost(const Store& store, const HostName& name,
                      const std::vector<Client>& clients) {
  std::vector<ResolvedHost> hosts;
  std::vector<Asked> asked(clients.size());
  for (std::size_t i = 0; i < clients.size(); ++i) {
    hosts.push_back(Resolve(store, name, {}, clients[i], &asked[i]));
    if (hosts[i] != Resolve(store, name, {}, clients[i])) {
      return "a second answer differs";
    }
    const Result<TableImage> image = Compile({.everyone = hosts[i], .sources = {}});
    if (std::string wrong = image ? WhatIsWrong(*image) : ""; !wrong.empty()) {
      return wrong;
    }
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    for (std::size_t j = 0; j < clients.size(); ++j) {
      const bool holds = asked[i].HoldsFor(clients[j]);
      if (i == j && !holds) {
        return "what was asked does not hold for who was asked";
      }
      if (holds && hosts[i].ports != hosts[j].ports) {
        return "two clients of whom the same holds get different answers";
      }
    }
  }
  return "";
}

std::vector<ResolvedHost> AllHosts(const Store& store, const Client& client) {
  std::vector<ResolvedHost> hosts;
  for (const HostName& name : HostsWithRules(store, true)) {
    hosts.push_back(Resolve(store, name, {}, client));
  }
  return hosts;
}

// The first host of `known` that is answered otherwise now, and neither was touched nor depends on
// what was.
std::string ChangedUnsaid(const Store& store, const std::vector<ResolvedHost>& known,
                          const Touched& touched, const Client& client) {
  for (const ResolvedHost& host : known) {
    const bool said =
        touched.hosts.contains(host.host) || Intersect(host.dependencies, touched.dependencies);
    if (!said && host.ports != Resolve(store, host.host, {}, client).ports) {
      return host.host;
    }
  }
  return "";
}

std::string WrongWithout(Store& store, const ObjectPtr& victim, const Client& client) {
  const std::vector<ResolvedHost> with = AllHosts(store, client);
  std::vector<Write> writes;
  writes.push_back({.mode = Write::Mode::kDelete, .object = *victim});
  writes.back().object.given_resource_version.clear();
  const auto changes = store.Stage(std::move(writes), {.now = "", .uids = {"u"}});
  Check(changes.has_value(), "an object that is there can be deleted");
  const Change& deleted = changes->front();
  const std::string gone = ChangedUnsaid(store, with, TouchedBy(store, deleted), client);
  const std::vector<ResolvedHost> without = AllHosts(store, client);
  store.Undo();
  const Change created{.key = deleted.key,
                       .before = nullptr,
                       .after = deleted.before,
                       .resource_version = deleted.resource_version};
  const std::string came = ChangedUnsaid(store, without, TouchedBy(store, created), client);
  if (!gone.empty()) {
    return gone + " changes when " + ToString(victim->key) + " goes, and nothing says so";
  }
  return came.empty()
             ? ""
             : came + " changes when " + ToString(victim->key) + " comes, and nothing says so";
}

}  // namespace

std::string WhatDoesNotHold(Store& store, std::size_t seed) {
  const std::vector<Client> clients = ClientsOf(store);
  for (const HostName& name : HostsWithRules(store, true)) {
    if (const std::string wrong = WrongHost(store, name, clients); !wrong.empty()) {
      return name + ": " + wrong;
    }
  }
  for (const KindInfo& kind : Kinds()) {
    const std::vector<ObjectPtr> objects = store.List(kind.kind);
    if (objects.empty()) {
      continue;
    }
    if (std::string wrong = WrongWithout(store, objects[seed % objects.size()], clients.back());
        !wrong.empty()) {
      return wrong;
    }
  }
  return "";
}

}  // namespace vsplit
