// SPDX-License-Identifier: Apache-2.0
// Files that hold a secret.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "vsplit/result.h"

namespace vsplit {

std::optional<gid_t> FindGroup(const std::string& name);

// Puts the text in the place of what is there, at once: nobody sees half of it, and at no moment is
// it open to more than the mode says. Its group is this one, where there is such a group.
Result<void> WritePrivateFile(const std::string& path, const std::string& text, mode_t mode,
                              const std::string& group);

}  // namespace vsplit
