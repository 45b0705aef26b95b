// SPDX-License-Identifier: Apache-2.0
// Pinned links: making them, giving them new programs, asking the kernel about them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "loader.h"
#include "vsplit/datapath.h"
#include "vsplit/result.h"

namespace vsplit {

// Puts the loaded programs into force on the cgroup. A link that is there gets the new program in
// one step; connections never see a moment without one.
Result<void> AttachAll(const Loaded& loaded, const DatapathOptions& options);

// The id of the cgroup that the links pinned below `pins` are attached to; 0 for none.
std::uint64_t AttachedCgroup(const std::string& pins);

// Detaches every link pinned below `pins` before it returns; removing the pin alone would take
// effect later.
void DetachAll(const std::string& pins);

std::vector<Attachment> AskAttachments(const DatapathOptions& options);

}  // namespace vsplit
