// SPDX-License-Identifier: Apache-2.0
// The BPF object: opened, sized, bound to the pinned tables, loaded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "handles.h"
#include "vsplit/datapath.h"
#include "vsplit/result.h"

namespace vsplit {

struct Loaded {
  BpfObject object;
  bool fetches = true;       // atomic adds give the old value back: exact numbers on every CPU
  bool refuses = true;       // a refused connect() says ECONNREFUSED, not EPERM
  bool ejects = true;        // endpoints that fail can be counted over in a loop
  bool sets_options = true;  // connect() may set options of its socket
  bool renewed = false;      // the pinned tables have another layout; these lie beside them
};

// Tables that are pinned below `pins` are used as they are, others are made and pinned there.
Result<Loaded> Load(const DatapathOptions& options);

// The pinned tables of another layout give way to those that Load made beside them. Only after
// every program in force uses the new ones.
Result<void> PutRenewedInPlace(const DatapathOptions& options);

// Whether the folder, which exists, is on a bpffs.
Result<void> CheckPinFolder(const std::string& pins);
// Whether a file of this name below `pins` or its `links` is one that we pin.
bool IsOurPin(std::string_view name);

// The descriptor of a table of the object. The table must exist.
int TableFd(const Loaded& loaded, const char* name);
// How many entries it was made for.
std::uint32_t TableSize(const Loaded& loaded, const char* name);

// Every program that is attached to the cgroup, in the order in which it may be put into force:
// what counts the end of connections before what begins them.
struct HookedProgram {
  const char* program;   // its name
  const char* link;      // file name of its pinned link
  std::uint32_t attach;  // enum bpf_attach_type
};
const std::vector<HookedProgram>& HookedPrograms();

}  // namespace vsplit
