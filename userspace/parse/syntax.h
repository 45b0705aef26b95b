// SPDX-License-Identifier: Apache-2.0
// The grammars of single values: names, hosts, labels, durations. Each predicate names the rule of
// Kubernetes or Istio that it is.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>
#include <vector>

namespace vsplit::parse {

bool IsDnsLabel(std::string_view text);        // RFC 1123 label
bool IsServiceName(std::string_view text);     // RFC 1035 label: starts with a letter
bool IsDnsSubdomain(std::string_view text);    // RFC 1123 labels with dots, at most 253
bool IsPortName(std::string_view text);        // IANA service name, at most 15
bool IsHostLabel(std::string_view text);       // Istio IsDNS1123Label: letters of both cases
bool IsWildcardDomain(std::string_view text);  // Istio ValidateWildcardDomain
bool IsFqdn(std::string_view text);            // Istio ValidateFQDN
bool IsLabelKey(std::string_view text);        // Kubernetes qualified name
bool IsHostLabelKey(std::string_view text);    // Istio's, whose prefix has letters of both cases
bool IsLabelText(std::string_view text);       // the alphabet of label values, any length
bool IsLabelValue(std::string_view text);      // the same, at most 63

// Go's ParseDuration.
std::optional<std::chrono::nanoseconds> ParseDuration(std::string_view text);

// The candidate that differs from the text by few letters; empty if none does.
std::string_view Nearest(std::string_view text, const std::vector<std::string_view>& candidates);

}  // namespace vsplit::parse
