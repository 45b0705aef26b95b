// SPDX-License-Identifier: Apache-2.0
// Texts that the agent and its command line read and write alike.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace vsplit {

// RFC 3986: each byte that is not unreserved as %XX.
std::string UrlEncode(std::string_view text);

// ASCII letters alone; all other bytes as they are.
std::string Lower(std::string_view text);

// A time as the Kubernetes API writes it: RFC 3339, UTC, "2024-10-10T07:03:57Z"; fractions of a
// second are left out. Nothing for any other text.
std::optional<std::chrono::sys_seconds> ReadTime(const std::string& text);

// "45s", "5m10s", "3h", "2d4h", "400d", "3y": HumanDuration of
// k8s.io/apimachinery/pkg/util/duration, as kubectl's AGE column has it. Less than nothing is 0.
std::string Age(std::chrono::seconds age);

}  // namespace vsplit
