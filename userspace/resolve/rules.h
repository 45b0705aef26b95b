// SPDX-License-Identifier: Apache-2.0
// Which rule of which VirtualService decides on each port: R1 (the port's protocol chooses the
// list), R3 (the first rule that matches), R5 (http: one VirtualService wins whole), R6 (tcp, tls:
// all of them are read as one list), R7 (which addresses a rule is about), R10 (in which order).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "delegates.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"

namespace vsplit::resolve {

// A port of the service as its clients dial it. What has the name of a field of ResolvedPort is
// that.
struct DialledPort {
  std::uint16_t number = 0;
  std::string name;
  PortProtocol protocol = PortProtocol::kTcp;
  std::string_view declared;
  std::string ns;
  bool visible = true;
  std::vector<IpPrefix> addresses;
  std::string untouched;  // why no rule can count here; empty: they can
};

// What decides for some addresses of a port.
struct Choice {
  std::vector<IpPrefix> addresses;
  ListedRule rule;        // without a rule: the plain service
  ObjectPtr owner;        // the VirtualService that has the host: of the rule, or of its root
  std::string untouched;  // why connections stay as they are made; empty: they do not
};

struct Choices {
  std::vector<std::vector<Choice>> ports;  // by port; they share out its addresses
  std::vector<Verdict> verdicts;           // on every rule of every VirtualService about the host
};

// `service`: what to call it in a verdict.
Choices ChooseRules(const Scene& scene, const HostName& host, const std::string& service,
                    const std::vector<DialledPort>& ports);

// The verdicts when there is nothing to dial, for this reason.
std::vector<Verdict> RefuseRules(const Scene& scene, const HostName& host,
                                 const std::string& reason);

// "vsplit.io/policy" of the object, else the option.
Policy PolicyOf(const Scene& scene, const ObjectPtr& object);

}  // namespace vsplit::resolve
