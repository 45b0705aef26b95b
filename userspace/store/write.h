// SPDX-License-Identifier: Apache-2.0
// What a write may do, and what it keeps of the object before it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

// Whether the mode allows the write, given what is stored (null: nothing). Fails with kExists,
// kNotFound or kConflict, in the words of Kubernetes.
Result<void> CheckMode(const Write& write, const Object* stored);

// For each write whether a later one of the same object replaces it.
std::vector<bool> FindOverruled(const std::vector<Write>& writes);

// The version that the object of the write gets, but for its resourceVersion; nothing if the write
// changes nothing. `number`: of the write in its list.
std::optional<Version> VersionAfter(const Write& write, const Object* before,
                                    const WriteContext& context, std::size_t number);

// A Pod's uid is where its cgroup is found: what is written without one keeps what it had. `before`
// is null if there is none.
void SettleUid(Object& object, const Object* before, Version& version);

}  // namespace vsplit
