// SPDX-License-Identifier: Apache-2.0
// What a request fails with: a Kubernetes Status object.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

struct Cause {
  std::string reason;  // "FieldValueInvalid"
  std::string field;
  std::string message;
};

struct Failure {
  unsigned code = 500;
  std::string reason;  // "NotFound"
  std::string message;
  // Of the object, where there is one; `kind` is the plural, as Kubernetes has it.
  std::string name, group, kind;
  std::vector<Cause> causes;
  std::string allow;         // for 405
  unsigned retry_after = 0;  // seconds until it may be different; 0: not said
};

template <class T>
using Outcome = tl::expected<T, Failure>;

tl::unexpected<Failure> BadRequest(std::string message);
tl::unexpected<Failure> NoSuchPath();
tl::unexpected<Failure> MethodNotAllowed(std::string allow);
tl::unexpected<Failure> Invalid(const Diagnostics& diagnostics);
// The same for one object that a client wrote: a cause for each error.
tl::unexpected<Failure> InvalidObject(const KindInfo& info, const std::string& name,
                                      const Diagnostics& diagnostics);
// Fields that nobody knows, or that are there twice: what Kubernetes calls strict decoding.
bool IsStrict(const Diagnostic& diagnostic);
tl::unexpected<Failure> StrictDecoding(const KindInfo& info, const std::string& version,
                                       const Diagnostics& diagnostics);
// `unknown field "spec.x", did you mean "y"?`, `spec.x: found ...`: without object and place.
std::string Sentence(const Diagnostic& diagnostic);
// 413
Failure TooLarge(std::size_t bytes);

Failure FailureOf(const Error& error);

Response ToResponse(const Failure& failure);

// `299 - "text"`: the value of a Warning header (RFC 9111's predecessor RFC 7234, 5.5).
std::string WarningHeader(std::string_view text);

}  // namespace vsplit
