// SPDX-License-Identifier: Apache-2.0
#include "managed_fields.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <tl/expected.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "field_paths.h"
#include "field_schema.h"
#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr const char* kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::size_t kUpdaters = 10;  // whose fields are told apart: Kubernetes' number
constexpr std::size_t kManagers = 200;

const Json* FindManagers(const Json& document) {
  const auto metadata = document.find("metadata");  // of what is no map: the end
  if (metadata == document.end()) {
    return nullptr;
  }
  const auto list = metadata->find("managedFields");
  return list == metadata->end() ? nullptr : &*list;
}

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

void Subtract(const FieldSet& gone, FieldSet& fields) {
  std::erase_if(fields, [&](const FieldPath& path) { return gone.contains(path); });
}

// What the writers of others lose when these changes are made: what is written, and what lay below
// it.
FieldSet Taken(const FieldChanges& changes) {
  FieldSet taken = changes.modified;
  taken.insert(changes.added.begin(), changes.added.end());
  for (FieldPath path : changes.removed) {
    const FieldPath removed = path;
    while (path.size() > 1) {
      path.pop_back();
      if (changes.modified.contains(path)) {
        taken.insert(removed);
      }
    }
  }
  return taken;
}

// Fields that the applier applied before and does not apply any more go, unless somebody else
// manages them. `managed` holds what it applies now.
Json Pruned(const Json& merged, const FieldSet& before, const ManagedFields& managed,
            const FieldSchema& schema) {
  const FieldSet last = WithFieldsAbove(before, schema);
  FieldSet owned;
  for (const FieldManager& manager : managed) {
    owned.insert(manager.fields.begin(), manager.fields.end());
  }
  const auto all_of = [&](const Json& document) {
    FieldSet all;
    for (Field& field : FieldsOf(document, schema)) {
      if (field.member || field.value->empty()) {
        all.insert(std::move(field.path));
      }
    }
    return WithFieldsAbove(all, schema);
  };
  FieldSet present = all_of(merged);
  present.erase({"f:metadata"});  // the server's fields are in it
  FieldSet unowned = present;
  Subtract(all_of(Without(merged, last, schema)), unowned);
  Subtract(WithFieldsAbove(owned, schema), unowned);
  FieldSet gone = present;
  Subtract(all_of(Without(merged, unowned, schema)), gone);
  std::erase_if(gone, [&](const FieldPath& path) { return !last.contains(path); });
  return Without(merged, gone, schema);
}

const Json::json_pointer& LastAppliedPath() {
  static const Json::json_pointer path = Json::json_pointer("/metadata/annotations") / kLastApplied;
  return path;
}

// The fields that a client-side apply of kubectl wrote, by its own account.
FieldSet LastApplied(const Json& live, const FieldSchema& schema) {
  const Json text = live.contains(LastAppliedPath()) ? live.at(LastAppliedPath()) : Json();
  const Json document =
      Json::parse(text.is_string() ? text.get<std::string>() : "", nullptr, false);
  return document.is_object() ? MembersOf(document, schema) : FieldSet();
}

// kubectl's own annotation follows what it applies, so that a later client-side apply is right.
void RenewLastApplied(const Json& live, const Json& applied, Json& document) {
  const Json::json_pointer& path = LastAppliedPath();
  if (!live.contains(path) || !document.contains(path)) {
    return;
  }
  Json plain = applied;
  if (plain.contains(path)) {
    plain["metadata"]["annotations"].erase(kLastApplied);
  }
  document[path] = Dump(plain);
}

}  // namespace

Result<ManagedFields> ReadManagedFields(const Json& document) {
  ManagedFields managed;
  const auto* const list = FindManagers(document);
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

void RecordUpdate(Kind kind, const Json& before, const Json& after, const Writer& writer,
                  ManagedFields& managed) {
  const FieldChanges changes = Compare(before, after, FieldSchema(kind));
  FieldSet written = changes.added;
  written.insert(changes.modified.begin(), changes.modified.end());
  FieldSet fields = Entry(managed, writer, false).fields;
  const FieldSet taken = Taken(changes);
  for (FieldManager& manager : managed) {
    Subtract(taken, manager.fields);
    Subtract(changes.removed, manager.fields);
  }
  Subtract(changes.removed, fields);
  fields.insert(written.begin(), written.end());
  FieldManager& entry = Entry(managed, writer, false);
  if (!written.empty()) {  // as in Kubernetes: by new values too, and not when fields only go
    entry.time = writer.now;
    entry.api_version = writer.api_version;
  }
  entry.fields = std::move(fields);
  Cap(managed);
}

namespace {

// Takes from all other managers what is changed, which counts only if the request goes through.
std::vector<ApplyConflict> TakeFields(const FieldChanges& changes, const FieldManager& mine,
                                      ManagedFields& managed) {
  std::vector<ApplyConflict> conflicts;
  const FieldSet taken = Taken(changes);
  for (FieldManager& manager : managed) {
    if (&manager == &mine) {
      continue;
    }
    for (const FieldPath& path : taken) {
      if (manager.fields.erase(path) > 0) {
        conflicts.push_back({.path = path, .manager = Named(manager)});
      }
    }
    Subtract(changes.removed, manager.fields);
  }
  return conflicts;
}

// Kubernetes' own: kubectl takes over what it applied from the client's side.
bool IsForced(const std::vector<ApplyConflict>& conflicts, const Json& live, const Writer& writer,
              const FieldSchema& schema) {
  const FieldSet own = writer.manager == "kubectl" ? LastApplied(live, schema) : FieldSet();
  return std::ranges::all_of(
      conflicts, [&](const ApplyConflict& conflict) { return own.contains(conflict.path); });
}

}  // namespace

Result<ApplyOutcome> ApplyFields(Kind kind, const Json& live, const Json& applied,
                                 const Writer& writer, bool force) {
  const FieldSchema schema(kind);
  Result<ManagedFields> read = ReadManagedFields(live);
  if (!read) {
    return tl::unexpected<Error>(read.error());
  }
  ManagedFields managed = *std::move(read);
  if (managed.empty() && live.is_object()) {
    RecordUpdate(kind, {}, live,
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
  const FieldSet before = std::exchange(mine.fields, MembersOf(applied, schema));
  managed.push_back(std::move(mine));
  Json document = live.is_object() ? Merged(live, applied, schema) : applied;
  document = Pruned(document, before, managed, schema);
  FieldManager& applier = managed.back();
  ApplyOutcome outcome{.conflicts = TakeFields(Compare(live, document, schema), applier, managed),
                       .document = std::move(document)};
  if (force || IsForced(outcome.conflicts, live, writer, schema)) {
    outcome.conflicts.clear();
  }
  if (!outcome.conflicts.empty()) {
    return outcome;
  }
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
