// SPDX-License-Identifier: Apache-2.0
// How the status that the server has becomes the one that it is to have. Pure.
#pragma once

#include <optional>
#include <string>

#include "vsplit/kubernetes.h"

namespace vsplit::report {

// A merge patch (RFC 7386) for `held`, under its resourceVersion; nothing: what matters of `wanted`
// is there already. Conditions of other types, and other fields, stay: istiod may write them. The
// list of conditions is replaced as a whole, since Istio's definitions have it atomic. A condition
// that stays True or False keeps its lastTransitionTime, whoever wrote it; for one that changes it
// is `now`; one that is new has the time that `wanted` says.
std::optional<std::string> StatusPatch(const ServerObject& held, const std::string& wanted,
                                       const std::string& now);

}  // namespace vsplit::report
