// SPDX-License-Identifier: Apache-2.0
// What the agent and whoever started it say to each other beyond the log.
#pragma once

#include <string>

namespace vsplit {

// Tells the service manager how the agent is, as sd_notify(3) does: "READY=1". The socket is the
// value of $NOTIFY_SOCKET; empty: nobody listens, and nothing is done. A manager that is not
// there does not stop the agent.
void TellManager(const std::string& socket, const std::string& state);

// No core file of this process is written, however the kernel is told to write them, and without
// CAP_SYS_PTRACE nobody reads its memory: keys and tokens are in it.
void KeepMemoryPrivate();

}  // namespace vsplit
