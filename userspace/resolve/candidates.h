// SPDX-License-Identifier: Apache-2.0
// The VirtualServices about a host in the order in which they count, and the questions about one of
// their rules that can be answered without a connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit::resolve {

enum class RuleList { kHttp, kTls, kTcp };
std::string_view WordOf(RuleList list);  // "http", "tls", "tcp"
const std::vector<Rule>& RulesOf(const VirtualService& spec, RuleList list);

struct Candidate {
  ObjectPtr object;
  const VirtualService* spec = nullptr;
  HostName pattern;      // the most specific of its hosts that covers the host
  std::string excluded;  // why none of its rules can count; empty: they can
};

// By precedence (R10).
std::vector<Candidate> CandidatesFor(const Scene& scene, const HostName& host);

// Whether some match may be true on this port (R3: port and gateways are known beforehand).
bool Survives(const Rule& rule, std::uint16_t port);
// Whether a match names this port.
bool Names(const Rule& rule, std::uint16_t port);
// Why a rule that survives is not known to match, or cannot be carried out; empty when it can.
std::string Uncertainty(const Rule& rule, std::uint16_t port);

}  // namespace vsplit::resolve
