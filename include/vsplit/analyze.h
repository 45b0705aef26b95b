// SPDX-License-Identifier: Apache-2.0
// Store in, findings out: what is wrong with the objects together, though each may be right by
// itself. Codes, levels and messages that begin with IST are istioctl's own
// (pkg/config/analysis/msg), for the same objects; those that begin with VSPLIT are ours. Pure.
#pragma once

#include <string>
#include <vector>

#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

struct Finding {
  enum class Level { kError, kWarning, kInfo };

  std::string code;  // "IST0101"
  Level level = Level::kError;
  std::string object;  // "VirtualService default/reviews"; empty: none in particular
  std::string message;

  bool operator==(const Finding&) const = default;
};

std::string ToString(Finding::Level level);  // "Error", "Warning", "Info"
// "Error [IST0101] (VirtualService default/reviews) Referenced host not found: ..."
std::string ToString(const Finding& finding);

// For whom rules have verdicts.
struct Clients {
  Client anonymous;
  std::vector<Workload> workloads;
};
Clients AllPods(const Store& store);  // each Pod that there is

// IST0101  a destination's host, subset or port does not exist
// IST0109  VirtualServices of the mesh share a host
// IST0112  a destination without a port, of a service with several
// IST0118  a port of a Service declares no protocol; IST0150 of an ExternalName one
// IST0130  a rule that is never reached
// IST0131  a match that an earlier one covers
// IST0134  a TCP port of a ServiceEntry without addresses
// IST0173  a subset that selects no pod
// IST0174  a DestinationRule for a host that does not exist
// IST0177  ServiceEntries that disagree on a port's protocol
// VSPLIT01 a rule that is not enforced
// VSPLIT02 a rule that is approximated
// VSPLIT03 a DestinationRule that hides another one from some clients (R11)
// Sorted by code, object and message, each once. Gateways and mirrors are no concern of vsplit's,
// so istioctl's findings about them are left out.
std::vector<Finding> Analyze(const Store& store, const ResolveOptions& options,
                             const Clients& clients);

// What was refused before it came into a store: IST0106 for each error, VSPLIT04 for objects of a
// kind that vsplit does not know.
std::vector<Finding> FindingsOf(const Diagnostics& diagnostics);

std::string ToJson(const Finding& finding);  // {"code","level","object","message"}, one line
std::string FindingsJson(const std::vector<Finding>& findings);  // a list of these

}  // namespace vsplit
