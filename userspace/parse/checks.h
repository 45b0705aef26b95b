// SPDX-License-Identifier: Apache-2.0
// What Istio's webhook checks beyond the types of fields: pkg/config/validation of istio/istio.
// Each check looks at nodes, says nothing of values of the wrong type (the readers did), and goes
// on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "document.h"
#include "fields.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

// ---- finding one's way -------------------------------------------------------------------------

// The value of a field that is there and not null, else nullptr.
const Node* Given(const Node& map, std::string_view field);

// The text of a string field; empty if it is absent or no string.
std::string_view TextOf(const Node& map, std::string_view field);

// The value of an integer field; 0 if it is absent or no integer.
std::int64_t IntegerOf(const Node& map, std::string_view field);

// Hands on a field that is there and not null.
template <class Check>
void WithField(const At& at, std::string_view field, Check check) {
  if (const Node* node = Given(at.node(), field)) {
    check(at.Field(*node));
  }
}

// Hands on each item of a list, with its index, but for those that are null.
template <class Check>
void EachItem(const At& at, Check check) {
  if (at.node().kind != Node::Kind::kList) {
    return;
  }
  std::size_t index = 0;
  for (const Node* child = at.node().first; child != nullptr; child = child->next, ++index) {
    if (!child->is_null()) {
      check(at.Item(*child, index));
    }
  }
}

template <class Check>
void EachItemOf(const At& at, std::string_view field, Check check) {
  WithField(at, field, [&check](const At& list) { EachItem(list, check); });
}

// Hands on each entry of a map with free keys.
template <class Check>
void EachEntryOf(const At& at, std::string_view field, Check check) {
  WithField(at, field, [&check](const At& map) {
    if (map.node().kind != Node::Kind::kMap) {
      return;
    }
    for (const Node* child = map.node().first; child != nullptr; child = child->next) {
      check(map.Entry(*child));
    }
  });
}

// Whether a map has more than one of these fields, separated by blanks, which it then notes.
void CheckOneOf(const At& at, std::string_view fields);

// ---- single values -----------------------------------------------------------------------------

// A string that is not longer than this, in bytes.
void CheckLength(const At& at, std::size_t most);
// A duration of whole milliseconds.
void CheckDuration(const At& at);
// {value: 0 ... 100}; with `fine`, what is above 0 has to be at least 0.0001.
void CheckPercentage(const At& at, bool fine);
// A regular expression of RE2, at most 1024 bytes.
void CheckRegex(const At& at);
// {exact}, {prefix} or {regex}; none of them empty but for exact, and for a prefix of a uri.
void CheckStringMatch(const At& at, bool empty_prefix = false);
// A path of a socket file after "unix://": absolute, or abstract with "@".
void CheckSocketFile(const At& at, std::string_view path);

// ---- what several kinds have -------------------------------------------------------------------

// exportTo. Only a ServiceEntry may be exported to nobody ("~"); a DestinationRule with a workload
// selector only to its own namespace.
enum class Exported { kRule, kRuleWithSelector, kServiceEntry };
void CheckExportTo(const At& spec, std::string_view ns, Exported what);

// `labels` of a workload selector: without wildcards, and better not empty.
void CheckSelector(const At& selector, std::string_view labels);

// Names of gateways, up to the first that has no namespace, as Istio does it; the others warn.
void CheckGateways(const At& list);

// ---- kinds -------------------------------------------------------------------------------------

// The rules of one list, "http", "tcp" or "tls", that none will ever come to.
void CheckReach(const At& spec, std::string_view list);
void CheckHttpRule(const At& rule, bool in_delegate);
// `headers` of a rule or a destination.
void CheckHeaders(const At& holder);
// Of a match or header operation: "x-user"; a match takes pseudo headers and claims too.
void CheckHeaderMatchName(const At& entry);
void CheckCorsHeaderName(const At& name);
bool IsClaim(std::string_view header);      // "@request.auth.claims..."
bool IsAuthority(std::string_view header);  // ":authority", "host"

// Of a trafficPolicy or an element of portLevelSettings; `ns` is the rule's own.
void CheckPolicySettings(const At& policy, std::string_view ns);
void CheckConnectionPool(const At& pool);
void CheckLocality(const At& load_balancer, bool has_outlier_detection);

void CheckServiceEntry(const At& spec, const Object& object);
// The ports and the address of a WorkloadEntry; `service` is the ServiceEntry that it is part of.
void CheckWorkload(const At& workload, const ServiceEntry* service);
void CheckSidecar(const At& spec, const Object& object);

}  // namespace vsplit::parse
