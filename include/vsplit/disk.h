// SPDX-License-Identifier: Apache-2.0
// The agent's objects on disk, for agents without Kubernetes: SQLite in WAL mode, one transaction
// for each apply, durable when Commit returns. After a crash at any point Load gives the state
// after some Commit that had begun, and never before the last one that returned.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

struct DiskContent {
  struct Stored {
    std::string json;  // Object::json
    Version version;
  };
  std::vector<Stored> objects;         // by kind, namespace, name
  std::uint64_t resource_version = 0;  // of the newest change, deletions included
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

 private:
  struct State;
  explicit Disk(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vsplit
