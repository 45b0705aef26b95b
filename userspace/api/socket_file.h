// SPDX-License-Identifier: Apache-2.0
// The file of a listening Unix socket.
#pragma once

#include <string>

#include "vsplit/result.h"

namespace vsplit {

// A non-blocking listening socket, mode 0660, of this group where it exists. Removes a socket file
// that nobody listens on; any other file that is there is an error.
Result<int> ListenOnFile(const std::string& path, const std::string& group);

}  // namespace vsplit
