// SPDX-License-Identifier: Apache-2.0
// The verdicts on DestinationRules: which of their parts count for the client, and which of these
// are not carried out as they are written.
#pragma once

#include <string>
#include <vector>

#include "registry.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

// DestinationRule annotation: "true" sends plain text where a tls block asks for TLS.
constexpr std::string_view kPlaintextAnnotation = "vsplit.io/plaintext";
bool AllowsPlaintext(const Object& rule);

// A verdict for every part of every DestinationRule about the host. `service`: null if there is
// none. `obstacle`: why none of them counts; empty if there is no such reason.
void JudgeDestinationRules(const Scene& scene, const HostName& host, const RegistryService* service,
                           const std::string& obstacle, std::vector<Verdict>& verdicts);

}  // namespace vsplit::resolve
