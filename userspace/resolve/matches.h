// SPDX-License-Identifier: Apache-2.0
// R3: what is known of a match before there is a connection. Port, gateways and the client are; the
// request, and the name in a TLS hello, are not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "scene.h"
#include "vsplit/objects.h"

namespace vsplit::resolve {

enum class RuleList { kHttp, kTls, kTcp };
std::string_view WordOf(RuleList list);  // "http", "tls", "tcp"

enum class Fit {  // from worst to best: a list of matches fits as its best one
  kElsewhere,     // another port, or gateways only
  kOtherClients,
  kPerhaps,  // if the request is so
  kAlways,
};

Fit FitOf(const Scene& scene, const Match& match, RuleList list, std::uint16_t port);
// A rule without a match always fits; in `tls` never, since it names no server.
Fit FitOf(const Scene& scene, const Rule& rule, RuleList list, std::uint16_t port);

// Whether a match of the rule names this port.
bool Names(const Rule& rule, std::uint16_t port);
// What a rule that fits only perhaps, or only other clients, asks for: "uri, headers",
// "sourceLabels".
std::string Conditions(const Rule& rule, Fit fit);

}  // namespace vsplit::resolve
