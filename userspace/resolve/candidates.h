// SPDX-License-Identifier: Apache-2.0
// The VirtualServices about a host, in the order in which they count for the client.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "delegates.h"
#include "matches.h"
#include "scene.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {

struct Candidate {
  ObjectPtr object;
  HostName pattern;                              // the most specific of its hosts for this host;
                                                 // empty: they are all narrower
  std::vector<HostName> hosts;                   // all of them, qualified
  std::string excluded;                          // why none of its rules can count; empty: they can
  bool for_others = false;                       // excluded, but not for every client
  std::array<std::vector<ListedRule>, 3> rules;  // by RuleList

  const std::vector<ListedRule>& RulesIn(RuleList list) const {
    return rules.at(static_cast<std::size_t>(list));
  }
};

// R10: those private to the client's namespace, those exported to it by name, those for everybody;
// within each by age. Excluded ones are among the last.
std::vector<Candidate> CandidatesFor(const Scene& scene, const HostName& host);

}  // namespace vsplit::resolve
