// SPDX-License-Identifier: Apache-2.0
#include "notes.h"

#include <sqlite3.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "sqlite.h"
#include "vsplit/address.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// A vsplitd that does not know these tables leaves them alone: they are no other layout.
constexpr const char* kCreate = R"(
CREATE TABLE IF NOT EXISTS names(
  name TEXT PRIMARY KEY NOT NULL,
  addresses TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS conditions(
  kind TEXT NOT NULL,
  namespace TEXT NOT NULL,
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  status TEXT NOT NULL,
  last_transition_time TEXT NOT NULL,
  PRIMARY KEY(kind, namespace, name, type)
) STRICT;
CREATE TABLE IF NOT EXISTS sources(name TEXT PRIMARY KEY NOT NULL) STRICT;
)";

constexpr const char* kPutSource = "INSERT INTO sources VALUES(?1)";
constexpr const char* kRemoveSource = "DELETE FROM sources";
constexpr const char* kSelectSource = "SELECT name FROM sources";
constexpr const char* kPutName =
    "INSERT INTO names VALUES(?1, ?2) ON CONFLICT DO UPDATE SET addresses = ?2";
constexpr const char* kRemoveName = "DELETE FROM names WHERE name = ?1";
constexpr const char* kSelectNames = "SELECT name, addresses FROM names";
constexpr const char* kPutCondition =
    "INSERT INTO conditions VALUES(?1, ?2, ?3, ?4, ?5, ?6) "
    "ON CONFLICT DO UPDATE SET status = ?5, last_transition_time = ?6";
constexpr const char* kRemoveConditions =
    "DELETE FROM conditions WHERE kind = ?1 AND namespace = ?2 AND name = ?3";
constexpr const char* kSelectConditions =
    "SELECT kind, namespace, name, type, status, last_transition_time FROM conditions "
    "ORDER BY kind, namespace, name, type";

constexpr std::string_view kTrue = "True";

// "10.0.0.8 fd00::8"
std::string ToText(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const IpAddress& address : addresses) {
    text += (text.empty() ? "" : " ") + ToString(address);
  }
  return text;
}

std::optional<std::vector<IpAddress>> AddressesOf(std::string_view text) {
  std::vector<IpAddress> addresses;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    const std::optional<IpAddress> address = ParseIpAddress(word);
    if (!address) {
      return std::nullopt;
    }
    addresses.push_back(*address);
  }
  return addresses;
}

// A database that has them is only read.
Result<void> CreateTables(const Database& database) {
  const Result<std::int64_t> tables = database.Number(
      "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('names', "
      "'conditions', 'sources')");
  if (!tables) {
    return tl::unexpected<Error>(tables.error());
  }
  return *tables == 3 ? Result<void>() : database.Transact("BEGIN IMMEDIATE", [&database] {
    return database.Run(kCreate, "create tables");
  });
}

}  // namespace

Result<Notes> Notes::Open(const Database& database) {
  if (const Result<void> created = CreateTables(database); !created) {
    return tl::unexpected<Error>(created.error());
  }
  Notes notes(database);
  const std::array<std::pair<Statement*, const char*>, 9> statements = {
      {{&notes.put_source_, kPutSource},
       {&notes.remove_source_, kRemoveSource},
       {&notes.select_source_, kSelectSource},
       {&notes.put_name_, kPutName},
       {&notes.remove_name_, kRemoveName},
       {&notes.select_names_, kSelectNames},
       {&notes.put_condition_, kPutCondition},
       {&notes.remove_conditions_, kRemoveConditions},
       {&notes.select_conditions_, kSelectConditions}}};
  for (const auto& [statement, sql] : statements) {
    Result<Statement> prepared = database.Prepare(sql);
    if (!prepared) {
      return tl::unexpected<Error>(prepared.error());
    }
    *statement = std::move(*prepared);
  }
  if (const Result<void> read = notes.ReadNames(notes.names_); !read) {
    return tl::unexpected<Error>(read.error());
  }
  return notes;
}

Result<void> Notes::Run(Statement& statement) const {
  Result<void> done =
      statement.Step() == SQLITE_DONE ? Result<void>() : database_->Failure("write");
  statement.Reset();
  return done;
}

// In a write-ahead log a transaction that is not synced is whole or not there at all.
Result<void> Notes::Write(const std::function<Result<void>()>& work) {
  if (Result<void> eased = database_->Run("PRAGMA synchronous = NORMAL", "write"); !eased) {
    return eased;
  }
  eased_ = true;
  Result<void> done = database_->Transact("BEGIN IMMEDIATE", work);
  (void)Sync();  // else who needs it tries again
  return done;
}

Result<void> Notes::Sync() {
  return eased_
             ? database_->Run("PRAGMA synchronous = FULL", "sync").map([this] { eased_ = false; })
             : Result<void>();
}

Result<void> Notes::Read(DiskContent& content) {
  content.names = names_;
  return ReadSource(content.source).and_then([&] { return ReadConditions(content.conditions); });
}

Result<void> Notes::ReadSource(std::string& source) {
  const int result = select_source_.Step();
  if (result == SQLITE_ROW) {
    source = select_source_.Text(0);
  }
  Result<void> done =
      result == SQLITE_ROW || result == SQLITE_DONE ? Result<void>() : database_->Failure("read");
  select_source_.Reset();
  return done;
}

Result<void> Notes::KeepSource(const std::string& source) {
  if (Result<void> synced = Sync(); !synced) {
    return synced;
  }
  return database_->Transact("BEGIN IMMEDIATE", [&]() -> Result<void> {
    if (Result<void> removed = Run(remove_source_); !removed || source.empty()) {
      return removed;
    }
    put_source_.Bind(1, source);
    return Run(put_source_);
  });
}

Result<void> Notes::ReadNames(KnownNames& names) {
  Result<void> done;
  int result = select_names_.Step();
  for (; result == SQLITE_ROW && done; result = select_names_.Step()) {
    const std::string name = select_names_.Text(0);
    if (std::optional<std::vector<IpAddress>> addresses = AddressesOf(select_names_.Text(1))) {
      names.emplace(name, *std::move(addresses));
    } else {
      done = Fail(database_->path() + ": names: " + name + ": \"" + select_names_.Text(1) +
                  "\" is no list of addresses");
    }
  }
  if (done && result != SQLITE_DONE) {
    done = database_->Failure("read");
  }
  select_names_.Reset();
  return done;
}

Result<void> Notes::ReadConditions(std::vector<StoredCondition>& conditions) {
  int result = select_conditions_.Step();
  for (; result == SQLITE_ROW; result = select_conditions_.Step()) {
    const std::string kind = select_conditions_.Text(0);
    const auto info = std::ranges::find(Kinds(), kind, &KindInfo::name);
    if (info == Kinds().end()) {
      continue;  // that Load reads no object of it says enough
    }
    conditions.push_back({.object = {.kind = info->kind,
                                     .ns = select_conditions_.Text(1),
                                     .name = select_conditions_.Text(2)},
                          .type = select_conditions_.Text(3),
                          .holds = select_conditions_.Text(4) == kTrue,
                          .since = select_conditions_.Text(5)});
  }
  Result<void> done = result == SQLITE_DONE ? Result<void>() : database_->Failure("read");
  select_conditions_.Reset();
  return done;
}

Result<void> Notes::KeepNames(const KnownNames& names) {
  if (names == names_) {
    return {};
  }
  return Write([&]() -> Result<void> {
           for (const auto& [name, addresses] : names_) {
             if (names.contains(name)) {
               continue;
             }
             remove_name_.Bind(1, name);
             if (Result<void> done = Run(remove_name_); !done) {
               return done;
             }
           }
           for (const auto& [name, addresses] : names) {
             const auto before = names_.find(name);
             if (before != names_.end() && before->second == addresses) {
               continue;
             }
             const std::string text = ToText(addresses);
             put_name_.Bind(1, name).Bind(2, text);
             if (Result<void> done = Run(put_name_); !done) {
               return done;
             }
           }
           return {};
         })
      .map([&] { names_ = names; });
}

Result<void> Notes::KeepConditions(const std::vector<StoredCondition>& conditions,
                                   const std::vector<ObjectKey>& gone) {
  if (conditions.empty() && gone.empty()) {
    return {};
  }
  return Write([&]() -> Result<void> {
    for (const ObjectKey& key : gone) {
      remove_conditions_.Bind(1, InfoOf(key.kind).name).Bind(2, key.ns).Bind(3, key.name);
      if (Result<void> done = Run(remove_conditions_); !done) {
        return done;
      }
    }
    for (const StoredCondition& condition : conditions) {
      const ObjectKey& key = condition.object;
      put_condition_.Bind(1, InfoOf(key.kind).name)
          .Bind(2, key.ns)
          .Bind(3, key.name)
          .Bind(4, condition.type)
          .Bind(5, condition.holds ? kTrue : std::string_view("False"))
          .Bind(6, condition.since);
      if (Result<void> done = Run(put_condition_); !done) {
        return done;
      }
    }
    return {};
  });
}

}  // namespace vsplit
