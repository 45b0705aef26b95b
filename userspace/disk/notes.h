// SPDX-License-Identifier: Apache-2.0
// What the agent found out by itself, beside the objects: written without waiting for the disk, so
// that a crash of the machine may lose the newest of it, and a crash of the agent nothing. But for
// whose the objects are, which nobody may forget.
#pragma once

#include <functional>
#include <vector>

#include "sqlite.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

class Notes {
 public:
  // Creates the tables if need be. The database must live as long, at its place.
  static Result<Notes> Open(const Database& database);

  Result<void> Read(DiskContent& content);
  Result<void> KeepSource(const std::string& source);
  Result<void> KeepNames(const KnownNames& names);
  Result<void> KeepConditions(const std::vector<StoredCondition>& conditions,
                              const std::vector<ObjectKey>& gone);

  // Transactions wait for the disk again: without this no object may be written.
  Result<void> Sync();

 private:
  explicit Notes(const Database& database) : database_(&database) {}

  Result<void> Run(Statement& statement) const;
  Result<void> Write(const std::function<Result<void>()>& work);
  Result<void> ReadNames(KnownNames& names);
  Result<void> ReadConditions(std::vector<StoredCondition>& conditions);
  Result<void> ReadSource(std::string& source);

  const Database* database_;
  bool eased_ = false;  // transactions do not wait for the disk
  KnownNames names_;    // on disk
  Statement put_source_, remove_source_, select_source_;
  Statement put_name_, remove_name_, select_names_;
  Statement put_condition_, remove_conditions_, select_conditions_;
};

}  // namespace vsplit
