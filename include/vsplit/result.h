// SPDX-License-Identifier: Apache-2.0
// The two channels of trouble: Diagnostic for what a user wrote (many, each with its place), and
// Result<T> for what the system did (one error, with the context of whoever passed it on).
#pragma once

#include <compare>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace vsplit {

// What went wrong, as one sentence: lower case, no trailing stop, values quoted.
struct Error {
  enum class Reason {
    kSystem,     // a call failed; the message ends with what the system said
    kInvalid,    // the request makes no sense as it is
    kNotFound,   // the object named does not exist
    kExists,     // the object named exists already
    kConflict,   // somebody else changed it first
    kForbidden,  // not here, or not by this client
    kFull,       // a table has no room; the message says which, and which flag makes it larger
  };
  std::string message;
  Reason reason = Reason::kSystem;

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> Fail(std::string message,
                                  Error::Reason reason = Error::Reason::kSystem) {
  return tl::unexpected<Error>(Error{.message = std::move(message), .reason = reason});
}

// The same error with "context: " in front.
inline tl::unexpected<Error> Fail(std::string_view context, const Error& cause) {
  return Fail(std::string(context) + ": " + cause.message, cause.reason);
}

// "context: <text of errno>". Reads errno first.
tl::unexpected<Error> FailErrno(std::string_view context);
// The same for an error number that was returned, of either sign.
tl::unexpected<Error> FailErrno(std::string_view context, int error);

// Aborts when what the program itself promises does not hold; in every build.
void Check(bool holds, std::string_view promise);

// One finding about a document.
struct Diagnostic {
  enum class Severity { kError, kWarning };
  // What kind of mistake, as far as programs tell them apart.
  enum class Reason {
    kInvalid,
    kUnknownField,
    kDuplicateField,
    kMissing,
    kType,  // of another type than the field has
    kTooLong,
  };

  Severity severity = Severity::kError;
  std::string object;   // "VirtualService default/fleetman"; empty: the text is no object
  std::string path;     // "spec.http[0].route[1].weight"; empty: the object as a whole
  int line = 0;         // from 1; 0: unknown
  int column = 0;       // from 1; 0: unknown
  std::string message;  // what was found, what is allowed
  std::string source;   // name of the file, when there is one
  Reason reason = Reason::kInvalid;

  bool operator==(const Diagnostic&) const = default;
};

using Diagnostics = std::vector<Diagnostic>;

// "rules.yaml:14:15: VirtualService default/fleetman: spec.http[0].route[1].weight: found -10, ..."
std::string ToString(const Diagnostic& diagnostic);
// The texts of all warnings, without the word.
std::vector<std::string> WarningsOf(const Diagnostics& diagnostics);
bool HasErrors(const Diagnostics& diagnostics);

}  // namespace vsplit
