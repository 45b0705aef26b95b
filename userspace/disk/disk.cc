// SPDX-License-Identifier: Apache-2.0
#include "vsplit/disk.h"

#include <fmt/core.h>
#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "file.h"
#include "notes.h"
#include "sqlite.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

std::string CreateSql() {
  return fmt::format(R"(
CREATE TABLE objects(
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  json TEXT NOT NULL,
  resource_version INTEGER NOT NULL,
  generation INTEGER NOT NULL,
  uid TEXT NOT NULL,
  creation_timestamp TEXT NOT NULL,
  PRIMARY KEY(kind, namespace, name)
) STRICT;
CREATE TABLE meta(name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) STRICT;
INSERT INTO meta VALUES('resource_version', 0);
PRAGMA application_id = {};
PRAGMA user_version = {};
)",
                     kApplicationId, kLayout);
}

constexpr const char* kPut =
    "INSERT INTO objects VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
    "ON CONFLICT DO UPDATE SET json = ?4, resource_version = ?5, generation = ?6, uid = ?7, "
    "creation_timestamp = ?8";
constexpr const char* kRemove =
    "DELETE FROM objects WHERE kind = ?1 AND namespace = ?2 AND name = ?3";
constexpr const char* kSetVersion = "UPDATE meta SET value = ?1 WHERE name = 'resource_version'";
constexpr const char* kSelect =
    "SELECT json, resource_version, generation, uid, creation_timestamp, namespace FROM objects "
    "WHERE kind = ?1 ORDER BY namespace, name";

// In a file that is in use the journal may hold newer numbers than the header, so they are checked
// again. The tables of a new file come in one transaction with the numbers: a file with our id has
// all of them.
Result<void> CheckOrCreate(const Database& database) {
  const Result<std::int64_t> tables = database.Number("SELECT count(*) FROM sqlite_schema");
  const Result<std::int64_t> id = database.Number("PRAGMA application_id");
  const Result<std::int64_t> layout = database.Number("PRAGMA user_version");
  for (const Result<std::int64_t>* number : {&tables, &id, &layout}) {
    if (!*number) {
      return tl::unexpected<Error>(number->error());
    }
  }
  if (*tables == 0 && *id == 0) {
    return database.Transact("BEGIN IMMEDIATE",
                             [&] { return database.Run(CreateSql().c_str(), "create tables"); });
  }
  return CheckLayout(database.path(), static_cast<std::uint32_t>(*id),
                     static_cast<std::uint32_t>(*layout));
}

Result<void> SetJournal(const Database& database) {
  Result<Statement> mode = database.Prepare("PRAGMA journal_mode = WAL");
  if (!mode) {
    return tl::unexpected<Error>(mode.error());
  }
  if (mode->Step() != SQLITE_ROW) {
    return database.Failure("set the journal mode");
  }
  if (mode->Text(0) != "wal") {
    return Fail(database.path() + ": its file system allows no write-ahead log");
  }
  return database.Run("PRAGMA synchronous = FULL", "set the journal mode");
}

Result<Database> OpenDatabase(const std::string& path) {
  Result<Database> database = Database::Open(path);
  if (!database) {
    return database;
  }
  database->WriteBackOnClose(false);
  const Result<void> ready =
      CheckOrCreate(*database).and_then([&] { return SetJournal(*database); });
  if (!ready) {
    return tl::unexpected<Error>(ready.error());
  }
  database->WriteBackOnClose(true);
  return database;
}

}  // namespace

struct Disk::State {
  LockedFile file;    // first, so that it goes last
  Database database;  // before its statements
  Statement put, remove, set_version, select;
  std::optional<Notes> notes;

  Result<void> Run(Statement& statement) const {
    Result<void> done =
        statement.Step() == SQLITE_DONE ? Result<void>() : database.Failure("write");
    statement.Reset();
    return done;
  }

  Result<void> Write(const Change& change) {
    Statement& statement = change.after ? put : remove;
    const std::string text = change.after ? change.after->json.str() : "";
    const std::string uid = change.after ? change.after->version.uid.str() : "";
    statement.Bind(1, InfoOf(change.key.kind).name).Bind(2, change.key.ns).Bind(3, change.key.name);
    if (change.after) {
      const Version& version = change.after->version;
      statement.Bind(4, text)
          .Bind(5, static_cast<std::int64_t>(version.resource_version))
          .Bind(6, version.generation)
          .Bind(7, uid)
          .Bind(8, version.creation_timestamp);
    }
    return Run(statement);
  }

  Result<void> ReadKind(Kind kind, DiskContent& content) {
    select.Bind(1, InfoOf(kind).name);
    int result = select.Step();
    for (; result == SQLITE_ROW; result = select.Step()) {
      content.objects.push_back(
          {.ns = select.Text(5),
           .json = select.Text(0),
           .version = {.resource_version = static_cast<std::uint64_t>(select.Number(1)),
                       .generation = select.Number(2),
                       .uid = select.Text(3),
                       .creation_timestamp = select.Text(4)}});
    }
    Result<void> done = result == SQLITE_DONE ? Result<void>() : database.Failure("read");
    select.Reset();
    return done;
  }

  Result<void> Read(DiskContent& content) {
    for (const KindInfo& info : Kinds()) {
      if (Result<void> read = ReadKind(info.kind, content); !read) {
        return read;
      }
    }
    const Result<std::int64_t> count = database.Number("SELECT count(*) FROM objects");
    const Result<std::int64_t> version =
        database.Number("SELECT value FROM meta WHERE name = 'resource_version'");
    if (!count || !version) {
      return tl::unexpected<Error>(count ? version.error() : count.error());
    }
    if (static_cast<std::size_t>(*count) != content.objects.size()) {
      return Fail(database.path() + ": has objects of kinds that this vsplitd does not know");
    }
    content.resource_version = static_cast<std::uint64_t>(*version);
    return notes->Read(content);
  }
};

Disk::Disk(std::unique_ptr<State> state) : state_(std::move(state)) {}
Disk::Disk(Disk&&) noexcept = default;
Disk& Disk::operator=(Disk&&) noexcept = default;
Disk::~Disk() = default;

Result<Disk> Disk::Open(const std::string& path) {
  Result<LockedFile> file = LockedFile::Open(path);
  if (!file) {
    return tl::unexpected<Error>(file.error());
  }
  Result<Database> database = OpenDatabase(path);
  if (!database) {
    return tl::unexpected<Error>(database.error());
  }
  auto state =
      std::make_unique<State>(State{.file = std::move(*file), .database = std::move(*database)});
  const std::array<std::pair<Statement*, const char*>, 4> statements = {
      {{&state->put, kPut},
       {&state->remove, kRemove},
       {&state->set_version, kSetVersion},
       {&state->select, kSelect}}};
  for (const auto& [statement, sql] : statements) {
    Result<Statement> prepared = state->database.Prepare(sql);
    if (!prepared) {
      return tl::unexpected<Error>(prepared.error());
    }
    *statement = std::move(*prepared);
  }
  Result<Notes> notes = Notes::Open(state->database);
  if (!notes) {
    return tl::unexpected<Error>(notes.error());
  }
  state->notes.emplace(*std::move(notes));
  return Disk(std::move(state));
}

Result<DiskContent> Disk::Load() const {
  DiskContent content;
  return state_->database.Transact("BEGIN", [&] { return state_->Read(content); }).map([&] {
    return std::move(content);
  });
}

Result<void> Disk::Commit(const std::vector<Change>& changes, std::uint64_t resource_version) {
  if (std::ranges::all_of(changes, &Change::unchanged)) {
    return {};
  }
  if (Result<void> synced = state_->notes->Sync(); !synced) {
    return synced;
  }
  return state_->database.Transact("BEGIN IMMEDIATE", [&]() -> Result<void> {
    for (const Change& change : changes) {
      if (change.unchanged()) {
        continue;
      }
      if (Result<void> written = state_->Write(change); !written) {
        return written;
      }
    }
    state_->set_version.Bind(1, static_cast<std::int64_t>(resource_version));
    return state_->Run(state_->set_version);
  });
}

Result<void> Disk::KeepSource(const std::string& source) {
  return state_->notes->KeepSource(source);
}

Result<void> Disk::KeepNames(const KnownNames& names) {
  return state_->notes->KeepNames(names);
}

Result<void> Disk::KeepConditions(const std::vector<StoredCondition>& conditions,
                                  const std::vector<ObjectKey>& gone) {
  return state_->notes->KeepConditions(conditions, gone);
}

}  // namespace vsplit
