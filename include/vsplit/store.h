// SPDX-License-Identifier: Apache-2.0
// Objects by kind, namespace and name, in memory. One apply of many objects is one transaction: it
// is staged, everybody may look at the outcome through the same Store, and then it is either kept
// or undone as a whole. Pure: no clock, no disk; one thread. Conventions of resourceVersion,
// generation and errors: Kubernetes API conventions.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// One wish: to write an object, or to delete one.
struct Write {
  enum class Mode {
    kApply,    // create or replace; given resourceVersion is ignored
    kCreate,   // kExists if it is there
    kReplace,  // kNotFound if it is not; kConflict if a given resourceVersion is not the present
               // one
    kDelete,   // kNotFound if it is not
    kMirror,   // create or replace what another API server holds: `object.version` is the one that
               // it gave, but for the resourceVersion
  };
  Mode mode = Mode::kApply;
  Object object;  // for kDelete only the key (and given_resource_version as precondition) counts
};

// What the outside world contributes to new objects.
struct WriteContext {
  std::string now;                // RFC 3339, becomes the creationTimestamp of new objects
  std::vector<std::string> uids;  // at least one for each write; a Pod keeps one of its own
};

// What one write did. When it changed nothing, before and after are the same object.
struct Change {
  ObjectKey key;
  ObjectPtr before;                    // null: created
  ObjectPtr after;                     // null: deleted
  std::uint64_t resource_version = 0;  // of this change, deletions included; 0: unchanged

  bool unchanged() const { return before == after; }
};

// What was changed last, oldest first, without what stayed unchanged.
struct RecentChanges {
  std::uint64_t forgotten = 0;  // version up to which changes are not among them
  std::deque<Change> changes;
};

class Store {
 public:
  Store();
  ~Store();
  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Takes in what was stored before, versions included. Only on an empty store. The newest version
  // is the one given, or the newest of the objects if that is newer.
  void Load(std::vector<Object> objects, std::uint64_t resource_version);

  // Makes all of the writes, or none: on an error the store is as before, and the message names the
  // object. The changes come in the order of the writes. The same object twice in one list: the
  // later one counts, and the earlier one has no change. An object that is equal to the stored one
  // (but for the server's own metadata, the times of its managers and the API version) is
  // `unchanged` and keeps its versions and its text. Generations grow as in Kubernetes, with
  // anything outside of metadata and status. Until Keep or Undo is called no other Stage may be
  // made; an error needs neither. The objects of writes that change something are taken; an error
  // gives them back.
  Result<std::vector<Change>> Stage(std::vector<Write>&& writes, const WriteContext& context);
  // Gives those of the objects that are there a new version and leaves them as they are: what is
  // said of them elsewhere, as their status, has changed. Staged, as above.
  std::vector<Change> Touch(const std::set<ObjectKey>& objects);
  void Keep();
  // Called at the end of each Keep that changed something.
  void OnKeep(std::function<void()> kept);
  void Undo();  // everything is as before Stage, resource_version() included

  ObjectPtr Find(const ObjectKey& key) const;    // null when absent
  std::vector<ObjectPtr> List(Kind kind) const;  // ordered by namespace, name
  std::vector<ObjectPtr> List(Kind kind, const std::string& ns) const;
  std::size_t Count(Kind kind) const;
  std::uint64_t resource_version() const;  // of the newest change

  // Of what was kept since Load; the oldest are forgotten when they are too many or too large.
  const RecentChanges& recent() const;

  // Indexes, ordered by namespace and name. All are kept up by every write, and cost the size of
  // the answer.
  std::vector<ObjectPtr> SlicesOf(const std::string& ns, const std::string& service) const;
  std::vector<ObjectPtr> PodsWithIp(const IpAddress& ip) const;
  // VirtualServices (DestinationRules) whose fully qualified host is exactly this one, and those
  // with a wildcard host that covers it; VirtualServices also with hosts that the host, a wildcard,
  // covers. Hosts are qualified with the domain given to SetDomain.
  std::vector<ObjectPtr> VirtualServicesFor(const HostName& host) const;
  std::vector<ObjectPtr> DestinationRulesFor(const HostName& host) const;
  // VirtualServices with a rule that delegates to the VirtualService of this name.
  std::vector<ObjectPtr> DelegatingTo(const std::string& ns, const std::string& name) const;
  // ServiceEntries that have this host among theirs; a wildcard is a host like any other.
  std::vector<ObjectPtr> ServiceEntriesFor(const HostName& host) const;
  // Those, and those with a wildcard that covers it.
  std::vector<ObjectPtr> ServiceEntriesCovering(const HostName& host) const;
  // Pods and WorkloadEntries of the namespace that the selector selects by WorkloadLabel. The first
  // question about a namespace costs its size.
  std::vector<ObjectPtr> WorkloadsSelectedBy(const std::string& ns, const Labels& selector) const;

  // "cluster.local" unless set. Only on an empty store.
  void SetDomain(std::string domain);
  const std::string& domain() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// For who stages the same once more: the objects that Stage has taken out of the writes for these
// changes are in them again.
void GiveBack(const std::vector<Change>& changes, std::vector<Write>& writes);

// R8: a host without a dot gets ".<ns>.svc.<domain>"; with a dot, as "*" or as an address it stays.
HostName QualifyHost(std::string_view host, std::string_view ns, std::string_view domain);
// "reviews.default.svc.cluster.local"
HostName ServiceHost(std::string_view ns, std::string_view name, std::string_view domain);
// The namespace and name of the Service that a host of this domain means; nothing for other hosts.
std::optional<std::pair<std::string, std::string>> ServiceOfHost(std::string_view host,
                                                                 std::string_view domain);
// In lower case and without a trailing dot; a ServiceEntry's hosts are never qualified.
HostName PlainHost(std::string_view host);

}  // namespace vsplit
