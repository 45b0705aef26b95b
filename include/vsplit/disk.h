// SPDX-License-Identifier: Apache-2.0
// The agent's objects on disk, for agents without Kubernetes: SQLite in WAL mode, one transaction
// for each apply, durable when Commit returns. After a crash at any point Load gives the state
// after some Commit that had begun, and never before the last one that returned. Beside them what
// the agent found out by itself and has to know again when it starts: it survives the agent at any
// point, and a crash of the machine up to some moment before.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

// The last good answer for each DNS name.
using KnownNames = std::map<std::string, std::vector<IpAddress>>;

// Since when a condition of an object's status has been what it is.
struct StoredCondition {
  ObjectKey object;
  std::string type;
  bool holds = false;
  std::string since;  // RFC 3339

  bool operator==(const StoredCondition&) const = default;
};

struct DiskContent {
  struct Stored {
    std::string ns;    // of the object; its text need not name it
    std::string json;  // Object::json
    Version version;
  };
  std::vector<Stored> objects;         // by kind, namespace, name
  std::uint64_t resource_version = 0;  // of the newest change, deletions included
  KnownNames names;
  std::vector<StoredCondition> conditions;  // by kind, namespace, name, type
  std::string source;                       // whose the objects are, as KeepSource was told
};

class Disk {
 public:
  // Creates the file (mode 0600) and its folders (mode 0700) if need be. Refuses a database of
  // another program or of a newer layout, by name, and never changes such a file. Fails at once if
  // another agent has the file; reading it with sqlite3 meanwhile is fine.
  static Result<Disk> Open(const std::string& path);

  Disk(Disk&&) noexcept;
  Disk& operator=(Disk&&) noexcept;
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk();

  Result<DiskContent> Load() const;
  // On an error the disk is as before. Without a change that changes anything nothing is written.
  Result<void> Commit(const std::vector<Change>& changes, std::uint64_t resource_version);

  // Durable when it returns.
  Result<void> KeepSource(const std::string& source);
  // From now on these names, and no other; costs what differs.
  Result<void> KeepNames(const KnownNames& names);
  // These conditions as given, and none of the objects that are gone.
  Result<void> KeepConditions(const std::vector<StoredCondition>& conditions,
                              const std::vector<ObjectKey>& gone);

 private:
  struct State;
  explicit Disk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vsplit
