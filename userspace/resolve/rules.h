// SPDX-License-Identifier: Apache-2.0
// Which rule of which VirtualService decides on each port: R1 (the port's protocol chooses the
// list), R3 (the first rule that matches), R5 (http: one VirtualService wins whole), R6 (tcp: all
// of them are read as one list), R10 (in which order).
#pragma once

#include <string>
#include <vector>

#include "registry.h"
#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

struct Choice {
  ObjectPtr object;  // null: no rule, the plain service
  const Rule* rule = nullptr;
  std::string path;
};

struct Choices {
  std::vector<Choice> ports;      // one for each port of the service
  std::vector<Verdict> verdicts;  // on every rule of every VirtualService about the host
};

Choices ChooseRules(const Scene& scene, const HostName& host, const RegistryService& service);

// The verdicts when there is nothing to dial, for this reason.
std::vector<Verdict> RefuseRules(const Scene& scene, const HostName& host,
                                 const std::string& reason);

// "vsplit.io/policy" of the object, else the option.
Policy PolicyOf(const Scene& scene, const ObjectPtr& object);

}  // namespace vsplit::resolve
