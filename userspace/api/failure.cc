// SPDX-License-Identifier: Apache-2.0
#include "failure.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "json.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

const char* ReasonOf(Diagnostic::Reason reason) {
  switch (reason) {
    case Diagnostic::Reason::kMissing:
      return "FieldValueRequired";
    case Diagnostic::Reason::kType:
      return "FieldValueTypeInvalid";
    case Diagnostic::Reason::kDuplicateField:
      return "FieldValueDuplicate";
    case Diagnostic::Reason::kTooLong:
      return "FieldValueTooLong";
    case Diagnostic::Reason::kUnknownField:
    case Diagnostic::Reason::kInvalid:
      break;
  }
  return "FieldValueInvalid";
}

}  // namespace

tl::unexpected<Failure> BadRequest(std::string message) {
  return tl::unexpected(
      Failure{.code = 400, .reason = "BadRequest", .message = std::move(message)});
}

tl::unexpected<Failure> NoSuchPath() {
  return tl::unexpected(Failure{.code = 404,
                                .reason = "NotFound",
                                .message = "the server could not find the requested resource"});
}

tl::unexpected<Failure> MethodNotAllowed(std::string allow) {
  return tl::unexpected(
      Failure{.code = 405,
              .reason = "MethodNotAllowed",
              .message = "the server does not allow this method on the requested resource",
              .allow = std::move(allow)});
}

tl::unexpected<Failure> Invalid(const Diagnostics& diagnostics) {
  Failure failure{.code = 422, .reason = "Invalid"};
  for (const Diagnostic& diagnostic : diagnostics) {
    if (!failure.message.empty()) {
      failure.message += '\n';
    }
    failure.message += ToString(diagnostic);
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      failure.causes.push_back({.reason = ReasonOf(diagnostic.reason),
                                .field = diagnostic.path,
                                .message = diagnostic.message});
    }
  }
  return tl::unexpected(std::move(failure));
}

bool IsStrict(const Diagnostic& diagnostic) {
  return diagnostic.severity == Diagnostic::Severity::kError &&
         (diagnostic.reason == Diagnostic::Reason::kUnknownField ||
          diagnostic.reason == Diagnostic::Reason::kDuplicateField);
}

std::string Sentence(const Diagnostic& diagnostic) {
  constexpr std::string_view kUnknown = "unknown field";
  const std::string quoted = "\"" + diagnostic.path + "\"";
  if (diagnostic.reason == Diagnostic::Reason::kUnknownField &&
      diagnostic.message.starts_with(kUnknown)) {
    return std::string(kUnknown) + " " + quoted + diagnostic.message.substr(kUnknown.size());
  }
  if (diagnostic.reason == Diagnostic::Reason::kDuplicateField) {
    return "duplicate field " + quoted;
  }
  return diagnostic.path.empty() ? diagnostic.message : diagnostic.path + ": " + diagnostic.message;
}

tl::unexpected<Failure> StrictDecoding(const KindInfo& info, const std::string& version,
                                       const Diagnostics& diagnostics) {
  std::string sentences;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (IsStrict(diagnostic)) {
      sentences += (sentences.empty() ? "" : ", ") + Sentence(diagnostic);
    }
  }
  const std::string kind(info.name);
  return BadRequest(kind + " in version \"" + version + "\" cannot be handled as a " + kind +
                    ": strict decoding error: " + sentences);
}

tl::unexpected<Failure> InvalidObject(const KindInfo& info, const std::string& name,
                                      const Diagnostics& diagnostics) {
  Failure failure{.code = 422,
                  .reason = "Invalid",
                  .message = "",
                  .name = name,
                  .group = std::string(info.group),
                  .kind = std::string(info.name)};
  std::string sentences;
  for (const Diagnostic& diagnostic : diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      sentences += (sentences.empty() ? "" : ", ") + Sentence(diagnostic);
      failure.causes.push_back({.reason = ReasonOf(diagnostic.reason),
                                .field = diagnostic.path,
                                .message = diagnostic.message});
    }
  }
  failure.message =
      failure.kind + (failure.group.empty() ? "" : "." + failure.group) + " \"" + name +
      "\" is invalid: " + (failure.causes.size() > 1 ? "[" + sentences + "]" : sentences);
  return tl::unexpected(std::move(failure));
}

Failure TooLarge(std::size_t bytes) {
  return {.code = 413,
          .reason = "RequestEntityTooLarge",
          .message = "Request entity too large: limit is " + std::to_string(bytes)};
}

Failure FailureOf(const Error& error) {
  switch (error.reason) {
    case Error::Reason::kInvalid:
      return {.code = 422, .reason = "Invalid", .message = error.message};
    case Error::Reason::kNotFound:
      return {.code = 404, .reason = "NotFound", .message = error.message};
    case Error::Reason::kExists:
      return {.code = 409, .reason = "AlreadyExists", .message = error.message};
    case Error::Reason::kConflict:
      return {.code = 409, .reason = "Conflict", .message = error.message};
    case Error::Reason::kForbidden:
      return {.code = 403, .reason = "Forbidden", .message = error.message};
    case Error::Reason::kFull:
      return {.code = 507, .reason = "InsufficientStorage", .message = error.message};
    case Error::Reason::kSystem:
      break;
  }
  return {.code = 500, .reason = "InternalError", .message = error.message};
}

Response ToResponse(const Failure& failure) {
  Json status = {{"kind", "Status"},    {"apiVersion", "v1"},         {"metadata", Json::object()},
                 {"status", "Failure"}, {"message", failure.message}, {"reason", failure.reason}};
  Json details = Json::object();
  if (!failure.name.empty()) {
    details["name"] = failure.name;
  }
  if (!failure.group.empty()) {
    details["group"] = failure.group;
  }
  if (!failure.kind.empty()) {
    details["kind"] = failure.kind;
  }
  for (const Cause& cause : failure.causes) {
    Json one = {{"reason", cause.reason}, {"message", cause.message}};
    if (!cause.field.empty()) {
      one["field"] = cause.field;
    }
    details["causes"].push_back(std::move(one));
  }
  if (failure.retry_after != 0) {
    details["retryAfterSeconds"] = failure.retry_after;
  }
  if (!details.empty()) {
    status["details"] = std::move(details);
  }
  status["code"] = failure.code;
  Response response{.status = failure.code, .body = Dump(status), .allow = failure.allow};
  if (failure.retry_after != 0) {
    response.headers.emplace_back("Retry-After", std::to_string(failure.retry_after));
  }
  return response;
}

std::string WarningHeader(std::string_view text) {
  std::string value = "299 - \"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      value += '\\';
    }
    const bool control = static_cast<unsigned char>(c) < ' ';
    value += control ? ' ' : c;
  }
  return value + '"';
}

}  // namespace vsplit
