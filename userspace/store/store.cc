// SPDX-License-Identifier: Apache-2.0
#include "vsplit/store.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "index.h"
#include "vsplit/address.h"
#include "vsplit/interned_string.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "write.h"

namespace vsplit {
namespace {

constexpr std::size_t kRecentChanges = 10'000;
constexpr std::size_t kRecentBytes = std::size_t{32} << 20;
constexpr std::size_t kKinds = Spec::kTypes;

using ServiceName = std::pair<InternedString, InternedString>;  // namespace, name
using Label = std::pair<InternedString, InternedString>;
using LabelIndex = Index<Label, ObjectSet>;

}  // namespace

struct Store::State {
  std::string domain = "cluster.local";
  std::array<ObjectSet, kKinds> kinds;
  Index<ServiceName, FewObjects> slices;
  Index<IpAddress, FewObjects> pods;
  HostIndex virtual_services;
  EndingIndex virtual_services_by_ending;
  HostIndex destination_rules;
  Index<ServiceName, FewObjects> delegating;  // VirtualServices by the delegates that they name
  HostIndex service_entries;
  // Of the namespaces that were asked about: few have ServiceEntries that select.
  std::map<std::string, LabelIndex, std::less<>> workloads;
  std::uint64_t newest = 0;

  // What Stage changed, oldest first. Indexes follow from objects, so objects are enough for Undo.
  bool staged = false;
  std::vector<Change> log;
  std::uint64_t newest_before = 0;

  RecentChanges recent;
  std::size_t recent_bytes = 0;
  std::function<void()> kept;

  static std::size_t BytesOf(const Change& change) {
    constexpr std::size_t kAbout = 500;  // beside the texts
    return kAbout + (change.before ? change.before->json.bytes() : 0) +
           (change.after ? change.after->json.bytes() : 0);
  }

  void Remember(Change change) {
    recent_bytes += BytesOf(change);
    recent.changes.push_back(std::move(change));
    while (recent.changes.size() > kRecentChanges || recent_bytes > kRecentBytes) {
      recent_bytes -= BytesOf(recent.changes.front());
      recent.forgotten = recent.changes.front().resource_version;
      recent.changes.pop_front();
    }
  }

  ObjectSet& SetOf(Kind kind) { return kinds.at(static_cast<std::size_t>(kind)); }
  const ObjectSet& SetOf(Kind kind) const { return kinds.at(static_cast<std::size_t>(kind)); }

  bool IsEmpty() const {
    return std::ranges::all_of(kinds, [](const ObjectSet& objects) { return objects.empty(); });
  }

  std::vector<ObjectPtr> OfNamespace(Kind kind, const std::string& ns) const {
    const ObjectSet& objects = SetOf(kind);
    const auto first = objects.lower_bound(ObjectKey{.kind = kind, .ns = ns, .name = ""});
    auto last = first;
    while (last != objects.end() && (*last)->key.ns == ns) {
      ++last;
    }
    return {first, last};
  }

  ObjectPtr Find(const ObjectKey& key) const {
    const ObjectSet& objects = SetOf(key.kind);
    const auto found = objects.find(key);
    return found == objects.end() ? nullptr : *found;
  }

  // The same for the labels of a workload, if its namespace was asked about.
  void ForEachLabel(const Object& workload, const auto& change) {
    const auto found = workloads.find(workload.key.ns);
    if (found != workloads.end()) {
      AddLabels(workload, [&](const Label& label) { change(found->second, label); });
    }
  }

  static void AddLabels(const Object& workload, const auto& add) {
    for (const auto& label : workload.labels) {
      add(Label(label));
    }
    if (const auto* entry = workload.spec.Find<WorkloadEntry>()) {
      for (const auto& label : entry->labels) {
        if (!workload.labels.contains(label.first)) {
          add(Label(label));
        }
      }
    }
  }

  const LabelIndex& LabelsIn(const std::string& ns);

  // Calls change(index, word) for each word by which the object is found.
  void ForEachWord(const Object& object, const auto& change) {
    const std::string& ns = object.key.ns;
    if (const auto* slice = object.spec.Find<EndpointSlice>()) {
      if (!slice->service.empty()) {
        change(slices, ServiceName(ns, slice->service));
      }
    } else if (const auto* pod = object.spec.Find<Pod>()) {
      for (const IpAddress& ip : pod->ips) {
        change(pods, ip);
      }
      ForEachLabel(object, change);
    } else if (object.spec.Is<WorkloadEntry>()) {
      ForEachLabel(object, change);
    } else if (const auto* entry = object.spec.Find<ServiceEntry>()) {
      for (const std::string& host : entry->hosts) {
        change(service_entries, PlainHost(host));
      }
    } else if (const auto* rule = object.spec.Find<DestinationRule>()) {
      change(destination_rules, QualifyHost(rule->host, ns, domain));
    } else if (const auto* service = object.spec.Find<VirtualService>()) {
      ForEachWordOf(*service, ns, change);
    }
  }

  void ForEachWordOf(const VirtualService& service, const std::string& ns, const auto& change) {
    for (const std::string& host : service.hosts) {
      const HostName full = QualifyHost(host, ns, domain);
      change(virtual_services, full);
      change(virtual_services_by_ending, full);
    }
    for (const Rule& listed : service.http) {
      if (listed.delegate) {
        const Delegate& named = *listed.delegate;
        change(delegating, ServiceName(named.ns.empty() ? ns : named.ns, named.name));
      }
    }
  }

  // The one place where objects and indexes change. Null: there is none.
  void Replace(const ObjectPtr& before, const ObjectPtr& after) {
    if (before) {
      SetOf(before->kind()).erase(before);
      ForEachWord(*before, [&](auto& index, const auto& word) { index.Remove(word, before); });
    }
    if (after) {
      SetOf(after->kind()).insert(after);
      ForEachWord(*after, [&](auto& index, const auto& word) { index.Add(word, after); });
    }
  }

  Result<Change> Make(Write& write, const WriteContext& context, std::size_t number);
};

// `number`: of the write in its list.
Result<Change> Store::State::Make(Write& write, const WriteContext& context, std::size_t number) {
  const ObjectPtr before = Find(write.object.key);
  const Result<void> allowed = CheckMode(write, before.get());
  if (!allowed) {
    return tl::unexpected<Error>(allowed.error());
  }
  Change change{.key = write.object.key, .before = before, .after = before};
  if (write.mode == Write::Mode::kDelete) {
    change.after = nullptr;
  } else {
    std::optional<Version> version = VersionAfter(write, before.get(), context, number);
    if (!version) {
      return change;
    }
    version->resource_version = newest + 1;
    SettleUid(write.object, before.get(), *version);
    write.object.version = *std::move(version);
    write.object.given_resource_version.clear();  // said what was replaced
    change.after = std::make_shared<const Object>(std::move(write.object));
  }
  change.resource_version = ++newest;
  log.push_back(change);
  Replace(change.before, change.after);
  return change;
}

const LabelIndex& Store::State::LabelsIn(const std::string& ns) {
  const auto [entry, is_new] = workloads.try_emplace(ns);
  LabelIndex& index = entry->second;
  if (is_new) {
    for (const Kind kind : {Kind::kPod, Kind::kWorkloadEntry}) {
      for (const ObjectPtr& workload : OfNamespace(kind, ns)) {
        AddLabels(*workload, [&](const Label& label) { index.Add(label, workload); });
      }
    }
  }
  return index;
}

Store::Store() : state_(std::make_unique<State>()) {}
Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

void Store::Load(std::vector<Object> objects, std::uint64_t resource_version) {
  Check(state_->IsEmpty() && !state_->staged, "a store is loaded while it is empty");
  state_->newest = resource_version;
  for (Object& object : objects) {
    state_->newest = std::max(state_->newest, object.version.resource_version);
    const ObjectPtr stored = std::make_shared<const Object>(std::move(object));
    state_->Replace(state_->Find(stored->key), stored);
  }
  state_->recent.forgotten = state_->newest;
}

Result<std::vector<Change>> Store::Stage(std::vector<Write>&& writes, const WriteContext& context) {
  Check(!state_->staged, "what was staged is kept or undone before the next");
  state_->staged = true;
  state_->newest_before = state_->newest;
  const std::vector<bool> overruled = FindOverruled(writes);
  std::vector<Change> changes;
  changes.reserve(writes.size());
  for (std::size_t i = 0; i < writes.size(); ++i) {
    if (overruled[i]) {
      continue;
    }
    Result<Change> change = state_->Make(writes[i], context, i);
    if (!change) {
      GiveBack(changes, writes);
      Undo();
      return tl::unexpected<Error>(std::move(change.error()));
    }
    changes.push_back(std::move(*change));
  }
  return changes;
}

std::vector<Change> Store::Touch(const std::set<ObjectKey>& objects) {
  Check(!state_->staged, "what was staged is kept or undone before the next");
  state_->staged = true;
  state_->newest_before = state_->newest;
  std::vector<Change> changes;
  for (const ObjectKey& key : objects) {
    const ObjectPtr before = Find(key);
    if (before == nullptr) {
      continue;
    }
    Object touched = *before;
    touched.version.resource_version = ++state_->newest;
    changes.push_back({.key = key,
                       .before = before,
                       .after = std::make_shared<const Object>(std::move(touched)),
                       .resource_version = state_->newest});
    state_->log.push_back(changes.back());
    state_->Replace(before, changes.back().after);
  }
  return changes;
}

void GiveBack(const std::vector<Change>& changes, std::vector<Write>& writes) {
  // One that was taken has left no name, and they were taken in this order.
  auto write = writes.begin();
  for (const Change& change : changes) {
    if (change.after != nullptr && !change.unchanged()) {
      write = std::ranges::find_if(
          write, writes.end(), [](const Write& other) { return other.object.key.name.empty(); });
      Check(write != writes.end(), "the changes are those of the writes");
      write->object = *change.after;
    }
  }
}

void Store::Keep() {
  Check(state_->staged, "only what was staged is kept or undone");
  state_->staged = false;
  const bool changed = !state_->log.empty();
  for (Change& change : state_->log) {
    state_->Remember(std::move(change));
  }
  state_->log.clear();
  if (changed && state_->kept) {
    state_->kept();
  }
}

void Store::OnKeep(std::function<void()> kept) {
  state_->kept = std::move(kept);
}

const RecentChanges& Store::recent() const {
  return state_->recent;
}

void Store::Undo() {
  Check(state_->staged, "only what was staged is kept or undone");
  for (auto entry = state_->log.rbegin(); entry != state_->log.rend(); ++entry) {
    state_->Replace(entry->after, entry->before);
  }
  state_->newest = state_->newest_before;
  state_->log.clear();
  state_->staged = false;
}

ObjectPtr Store::Find(const ObjectKey& key) const {
  return state_->Find(key);
}

std::vector<ObjectPtr> Store::List(Kind kind) const {
  const ObjectSet& objects = state_->SetOf(kind);
  return {objects.begin(), objects.end()};
}

std::vector<ObjectPtr> Store::List(Kind kind, const std::string& ns) const {
  return state_->OfNamespace(kind, ns);
}

std::size_t Store::Count(Kind kind) const {
  return state_->SetOf(kind).size();
}

std::uint64_t Store::resource_version() const {
  return state_->newest;
}

std::vector<ObjectPtr> Store::SlicesOf(const std::string& ns, const std::string& service) const {
  const FewObjects* slices = state_->slices.Find(ServiceName(ns, service));
  return slices == nullptr ? std::vector<ObjectPtr>()
                           : std::vector<ObjectPtr>(slices->begin(), slices->end());
}

std::vector<ObjectPtr> Store::PodsWithIp(const IpAddress& ip) const {
  const FewObjects* pods = state_->pods.Find(ip);
  return pods == nullptr ? std::vector<ObjectPtr>()
                         : std::vector<ObjectPtr>(pods->begin(), pods->end());
}

std::vector<ObjectPtr> Store::VirtualServicesFor(const HostName& host) const {
  ObjectSet found;
  state_->virtual_services.AddCovering(host, found);
  if (IsWildcard(host)) {
    state_->virtual_services_by_ending.AddWithin(host, found);
  }
  return {found.begin(), found.end()};
}

std::vector<ObjectPtr> Store::DelegatingTo(const std::string& ns, const std::string& name) const {
  const FewObjects* roots = state_->delegating.Find(ServiceName(ns, name));
  return roots == nullptr ? std::vector<ObjectPtr>()
                          : std::vector<ObjectPtr>(roots->begin(), roots->end());
}

std::vector<ObjectPtr> Store::DestinationRulesFor(const HostName& host) const {
  return state_->destination_rules.Covering(host);
}

std::vector<ObjectPtr> Store::ServiceEntriesFor(const HostName& host) const {
  const FewObjects* entries = state_->service_entries.Find(host);
  return entries == nullptr ? std::vector<ObjectPtr>()
                            : std::vector<ObjectPtr>(entries->begin(), entries->end());
}

std::vector<ObjectPtr> Store::ServiceEntriesCovering(const HostName& host) const {
  return state_->service_entries.Covering(host);
}

std::vector<ObjectPtr> Store::WorkloadsSelectedBy(const std::string& ns,
                                                  const Labels& selector) const {
  std::vector<ObjectPtr> selected;
  if (selector.empty()) {
    selected = state_->OfNamespace(Kind::kPod, ns);
    std::ranges::copy(state_->OfNamespace(Kind::kWorkloadEntry, ns), std::back_inserter(selected));
    return selected;
  }
  const LabelIndex& index = state_->LabelsIn(ns);
  const ObjectSet* fewest = nullptr;
  for (const auto& label : selector) {
    const ObjectSet* having = index.Find(Label(label));
    if (having == nullptr) {
      return {};
    }
    fewest = fewest == nullptr || having->size() < fewest->size() ? having : fewest;
  }
  std::ranges::copy_if(*fewest, std::back_inserter(selected), [&](const ObjectPtr& workload) {
    return std::ranges::all_of(selector, [&](const auto& label) {
      const std::string* value = WorkloadLabel(*workload, label.first);
      return value != nullptr && *value == label.second;
    });
  });
  return selected;
}

void Store::SetDomain(std::string domain) {
  Check(state_->IsEmpty() && !state_->staged, "the domain is set while a store is empty");
  state_->domain = std::move(domain);
}

const std::string& Store::domain() const {
  return state_->domain;
}

}  // namespace vsplit
