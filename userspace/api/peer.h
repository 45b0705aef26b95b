// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vsplit {

// Who connected to this Unix socket, by the kernel's word: the user's name on this machine, or
// "uid:1234" for one that has none.
std::string PeerOf(int socket);

}  // namespace vsplit
