// SPDX-License-Identifier: Apache-2.0
#include "managed_fields.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <tl/expected.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "field_paths.h"
#include "json.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kUpdaters = 10;  // whose fields are told apart: Kubernetes' number
constexpr std::size_t kManagers = 200;

Result<FieldManager> ReadManager(const Json& entry, const std::string& path) {
  if (!entry.is_object()) {
    return Fail(path + ": found no map", Error::Reason::kInvalid);
  }
  FieldManager manager{.name = StringIn(entry, "manager"),
                       .subresource = StringIn(entry, "subresource"),
                       .api_version = StringIn(entry, "apiVersion"),
                       .time = StringIn(entry, "time")};
  const std::string operation = StringIn(entry, "operation");
  if (operation != "Apply" && operation != "Update") {
    return Fail(path + ".operation: found \"" + operation + "\", allowed are Apply, Update",
                Error::Reason::kInvalid);
  }
  if (StringIn(entry, "fieldsType") != "FieldsV1") {
    return Fail(
        path + ".fieldsType: found \"" + StringIn(entry, "fieldsType") + "\", FieldsV1 is allowed",
        Error::Reason::kInvalid);
  }
  manager.applies = operation == "Apply";
  manager.fields = FromFieldsV1(entry.value("fieldsV1", Json::object()));
  return manager;
}

bool Is(const FieldManager& manager, const Writer& writer, bool applies) {
  return manager.name == writer.manager && manager.applies == applies &&
         manager.subresource == writer.subresource &&
         (applies || manager.api_version == writer.api_version);
}

FieldManager& Entry(ManagedFields& managed, const Writer& writer, bool applies) {
  const auto found = std::ranges::find_if(
      managed, [&](const FieldManager& manager) { return Is(manager, writer, applies); });
  if (found != managed.end()) {
    return *found;
  }
  return managed.emplace_back(FieldManager{.name = writer.manager,
                                           .applies = applies,
                                           .subresource = writer.subresource,
                                           .api_version = writer.api_version});
}

// The writer as an applier, and no other entry of it.
FieldManager TakeApplier(ManagedFields& managed, const Writer& writer) {
  FieldManager applier = Entry(managed, writer, true);
  std::erase_if(managed, [&](const FieldManager& manager) { return Is(manager, writer, true); });
  return applier;
}

void Take(FieldSet& fields, const FieldPath& path) {
  for (const FieldPath& owned : Below(fields, path)) {
    fields.erase(owned);
  }
}

// The oldest updaters become one.
void Cap(ManagedFields& managed) {
  const auto is_updater = [](const FieldManager& manager) {
    return !manager.applies && manager.subresource.empty() && !manager.fields.empty();
  };
  while (static_cast<std::size_t>(std::ranges::count_if(managed, is_updater)) > kUpdaters) {
    std::vector<FieldManager*> updaters;
    for (FieldManager& manager : managed) {
      if (is_updater(manager)) {
        updaters.push_back(&manager);
      }
    }
    std::ranges::stable_sort(updaters, {}, &FieldManager::time);
    FieldManager& oldest = *updaters[0];
    FieldManager& next = *updaters[1];
    next.name = "ancient-changes";
    next.fields.merge(oldest.fields);
    oldest.fields.clear();
  }
}

std::string Named(const FieldManager& manager) {
  std::string text = "\"" + manager.name + "\"";
  if (!manager.subresource.empty()) {
    text += " with subresource \"" + manager.subresource + "\"";
  }
  return manager.applies ? text : text + " using " + manager.api_version;
}

// Those of a manager's fields that would not survive a new value at this path.
std::vector<FieldPath> InTheWay(const FieldManager& manager, const Json& live, const Leaf& wanted) {
  std::vector<FieldPath> owned = Below(manager.fields, wanted.path);
  for (FieldPath above = wanted.path; above.size() > 1;) {
    above.pop_back();
    if (manager.fields.contains(above)) {
      const Json* const value = ValueAt(live, above);
      if (value != nullptr && !value->is_object() && !value->is_array()) {
        owned.push_back(above);
      }
    }
  }
  return owned;
}

// Takes what is in the way of a value from all other managers, which counts only if the request
// goes through, and adds it to the conflicts.
void TakeField(const Json& live, const Leaf& wanted, ManagedFields& managed,
               std::vector<ApplyConflict>& conflicts) {
  for (FieldManager& manager : managed) {
    for (FieldPath& owned : InTheWay(manager, live, wanted)) {
      manager.fields.erase(owned);
      conflicts.push_back({.path = std::move(owned), .manager = Named(manager)});
    }
  }
}

// Whether the value is there already. An empty map only asks for a map.
bool Holds(const Json& live, const Leaf& wanted) {
  const Json* const present = ValueAt(live, wanted.path);
  const bool only_a_map = wanted.value->is_object() && wanted.value->empty();
  return present != nullptr &&
         (only_a_map ? present->is_object() : IsSame(*present, *wanted.value));
}

// Fields that it applied before and does not apply any more.
void RemoveAbandoned(Json& document, const FieldManager& mine, const FieldSet& wanted,
                     const ManagedFields& managed) {
  FieldSet kept = wanted;
  for (const FieldManager& manager : managed) {
    if (&manager != &mine) {
      kept.insert(manager.fields.begin(), manager.fields.end());
    }
  }
  for (const FieldPath& path : mine.fields) {
    if (Below(kept, path).empty()) {
      RemoveAt(document, path, kept);
    }
  }
}

// The fields that a client-side apply of kubectl wrote, by its own account.
FieldSet LastApplied(const Json& live) {
  const Json* const annotation =
      ValueAt(live, {"f:metadata", "f:annotations", std::string("f:") + kLastApplied});
  FieldSet fields;
  if (annotation != nullptr && annotation->is_string()) {
    const Json document = Json::parse(annotation->get_ref<const std::string&>(), nullptr, false);
    for (Leaf& leaf : LeavesOf(document)) {
      fields.insert(std::move(leaf.path));
    }
  }
  return fields;
}

// kubectl's own annotation follows what it applies, so that a later client-side apply is right.
void RenewLastApplied(const Json& live, const Json& applied, Json& document) {
  const FieldPath path{"f:metadata", "f:annotations", std::string("f:") + kLastApplied};
  if (ValueAt(live, path) == nullptr || ValueAt(document, path) == nullptr) {
    return;
  }
  Json plain = applied;
  RemoveAt(plain, path, {});
  SetAt(document, path, Dump(plain));
}

}  // namespace

Result<ManagedFields> ReadManagedFields(const Json& document) {
  ManagedFields managed;
  const Json* const list = ValueAt(document, {"f:metadata", "f:managedFields"});
  if (list == nullptr || list->is_null()) {
    return managed;
  }
  if (!list->is_array() || list->size() > kManagers) {
    return Fail("metadata.managedFields: a list of at most " + std::to_string(kManagers) +
                    " managers is allowed",
                Error::Reason::kInvalid);
  }
  for (std::size_t i = 0; i < list->size(); ++i) {
    Result<FieldManager> manager =
        ReadManager((*list)[i], "metadata.managedFields[" + std::to_string(i) + "]");
    if (!manager) {
      return tl::unexpected<Error>(manager.error());
    }
    managed.push_back(*std::move(manager));
  }
  return managed;
}

void WriteManagedFields(ManagedFields managed, Json& document) {
  std::ranges::stable_sort(managed, {}, [](const FieldManager& manager) {
    return std::tuple(!manager.applies, manager.time, manager.name);
  });
  Json list = Json::array();
  for (const FieldManager& manager : managed) {
    if (manager.fields.empty()) {
      continue;
    }
    Json entry = {{"manager", manager.name},
                  {"operation", manager.applies ? "Apply" : "Update"},
                  {"apiVersion", manager.api_version}};
    if (!manager.time.empty()) {
      entry["time"] = manager.time;
    }
    entry["fieldsType"] = "FieldsV1";
    entry["fieldsV1"] = ToFieldsV1(manager.fields);
    if (!manager.subresource.empty()) {
      entry["subresource"] = manager.subresource;
    }
    list.push_back(std::move(entry));
  }
  Json& metadata = document["metadata"];
  if (list.empty()) {
    metadata.erase("managedFields");
  } else {
    metadata["managedFields"] = std::move(list);
  }
}

void RecordUpdate(const Json& before, const Json& after, const Writer& writer,
                  ManagedFields& managed) {
  std::map<FieldPath, const Json*> old;
  for (Leaf& leaf : LeavesOf(before)) {
    old.emplace(std::move(leaf.path), leaf.value);
  }
  std::vector<FieldPath> written;
  for (Leaf& leaf : LeavesOf(after)) {
    const auto found = old.find(leaf.path);
    if (found == old.end() || !IsSame(*found->second, *leaf.value)) {
      written.push_back(std::move(leaf.path));
    } else {
      old.erase(found);
    }
  }
  const FieldSet owned = Entry(managed, writer, false).fields;
  for (FieldManager& manager : managed) {
    for (const FieldPath& path : written) {
      Take(manager.fields, path);
    }
    for (const auto& [gone, value] : old) {
      Take(manager.fields, gone);
    }
  }
  FieldManager& entry = Entry(managed, writer, false);
  FieldSet fields = entry.fields;
  fields.insert(written.begin(), written.end());
  if (fields != owned) {
    entry.time = writer.now;
    entry.api_version = writer.api_version;
  }
  entry.fields = std::move(fields);
  Cap(managed);
}

Result<ApplyOutcome> ApplyFields(const Json& live, const Json& applied, const Writer& writer,
                                 bool force) {
  Result<ManagedFields> read = ReadManagedFields(live);
  if (!read) {
    return tl::unexpected<Error>(read.error());
  }
  ManagedFields managed = *std::move(read);
  if (managed.empty() && live.is_object()) {
    RecordUpdate({}, live,
                 {.manager = "before-first-apply",
                  .subresource = "",
                  .api_version = writer.api_version,
                  .now = writer.now},
                 managed);
  }
  FieldManager mine = TakeApplier(managed, writer);
  if (managed.size() >= kManagers) {
    return Fail(
        "metadata.managedFields: there are " + std::to_string(kManagers) + " managers already",
        Error::Reason::kInvalid);
  }
  ApplyOutcome outcome{.conflicts = {}, .document = live.is_object() ? live : applied};
  const std::vector<Leaf> leaves = LeavesOf(applied);
  FieldSet wanted;
  for (const Leaf& leaf : leaves) {
    wanted.insert(leaf.path);
    if (!Holds(live, leaf)) {
      TakeField(live, leaf, managed, outcome.conflicts);
    }
  }
  const FieldSet own = writer.manager == "kubectl" ? LastApplied(live) : FieldSet();
  if (force || std::ranges::all_of(outcome.conflicts, [&](const ApplyConflict& conflict) {
        return own.contains(conflict.path);
      })) {
    outcome.conflicts.clear();
  }
  if (!outcome.conflicts.empty()) {
    return outcome;
  }
  managed.push_back(mine);
  RemoveAbandoned(outcome.document, managed.back(), wanted, managed);
  for (const Leaf& leaf : leaves) {
    if (!Holds(outcome.document, leaf)) {
      SetAt(outcome.document, leaf.path, *leaf.value);
    }
  }
  FieldManager& applier = managed.back();
  applier.fields = std::move(wanted);
  applier.api_version = writer.api_version;
  if (!IsSame(live, outcome.document)) {  // as in Kubernetes: not when fields change hands alone
    applier.time = writer.now;
  }
  if (writer.manager == "kubectl") {
    RenewLastApplied(live, applied, outcome.document);
  }
  WriteManagedFields(std::move(managed), outcome.document);
  return outcome;
}

}  // namespace vsplit
