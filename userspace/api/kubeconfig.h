// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace vsplit {

// What kubectl needs to reach a server: `server` is its URL, `certificate` (PEM) what it proves
// itself with, `token` what the user does (empty: that is left to be filled in). The context's
// namespace is "default". JSON, which is YAML.
std::string KubeconfigText(const std::string& server, const std::string& certificate,
                           const std::string& token);

}  // namespace vsplit
