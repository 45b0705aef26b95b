// SPDX-License-Identifier: Apache-2.0
#include "conflict.h"

#include <map>
#include <string>
#include <vector>

#include "failure.h"
#include "field_paths.h"
#include "managed_fields.h"

namespace vsplit {

Failure ConflictFailure(const std::vector<ApplyConflict>& conflicts) {
  Failure failure{.code = 409, .reason = "Conflict"};
  std::map<std::string, std::string> by_manager;
  for (const ApplyConflict& conflict : conflicts) {
    const std::string path = ToString(conflict.path);
    by_manager[conflict.manager] += "\n- " + path;
    failure.causes.push_back({.reason = "FieldManagerConflict",
                              .field = path,
                              .message = "conflict with " + conflict.manager});
  }
  failure.message = "Apply failed with " + std::to_string(conflicts.size()) +
                    (conflicts.size() == 1 ? " conflict: " : " conflicts: ");
  if (conflicts.size() == 1) {
    failure.message += failure.causes[0].message + ": " + failure.causes[0].field;
    return failure;
  }
  std::string list;
  for (const auto& [manager, paths] : by_manager) {
    list += (list.empty() ? "conflicts with " : "\nconflicts with ") + manager + ":" + paths;
  }
  failure.message += list;
  return failure;
}

}  // namespace vsplit
