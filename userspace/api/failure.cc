// SPDX-License-Identifier: Apache-2.0
#include "failure.h"

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

#include "json.h"
#include "vsplit/api.h"
#include "vsplit/result.h"

namespace vsplit {

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
      failure.causes.push_back({"FieldValueInvalid", diagnostic.path, diagnostic.message});
    }
  }
  return tl::unexpected(std::move(failure));
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
  if (!details.empty()) {
    status["details"] = std::move(details);
  }
  status["code"] = failure.code;
  return {.status = failure.code, .body = Dump(status), .allow = failure.allow};
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
