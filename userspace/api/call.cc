// SPDX-License-Identifier: Apache-2.0
#include "call.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>

#include "failure.h"
#include "media.h"
#include "text.h"
#include "vsplit/api.h"
#include "vsplit/parse.h"
#include "vsplit/text.h"

namespace vsplit {
namespace {

std::optional<std::string> Decode(std::string_view text, bool plus_is_blank) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_blank) {
      plain += ' ';
    } else if (text[i] != '%') {
      plain += text[i];
    } else {
      const std::string_view digits = text.substr(i + 1, 2);
      unsigned code = 0;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), code, 16);
      if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) {
        return std::nullopt;
      }
      plain += static_cast<char>(code);
      i += 2;
    }
  }
  return plain;
}

}  // namespace

std::string Call::Query(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? std::string() : found->second;
}

Outcome<Call> TakeApart(const Request& request, const Backend& backend) {
  Call call{.request = request, .backend = backend, .path = {}, .query = {}};
  if (!request.target.starts_with('/')) {
    return BadRequest("the target \"" + request.target + "\" is not an absolute path");
  }
  std::string_view parameters = request.target;
  std::string_view path = TakeUntil(parameters, '?').substr(1);
  if (path.ends_with('/')) {
    path.remove_suffix(1);
  }
  while (!path.empty()) {
    std::optional<std::string> segment = Decode(TakeUntil(path, '/'), false);
    if (!segment) {
      return BadRequest("broken percent escape in \"" + request.target + "\"");
    }
    call.path.push_back(*std::move(segment));
  }
  while (!parameters.empty()) {
    std::string_view value = TakeUntil(parameters, '&');
    const std::optional<std::string> name = Decode(TakeUntil(value, '='), true);
    std::optional<std::string> plain = Decode(value, true);
    if (!name || !plain) {
      return BadRequest("broken percent escape in \"" + request.target + "\"");
    }
    call.query[*name] = *std::move(plain);
  }
  return call;
}

Outcome<bool> IsDryRun(const Call& call) {
  const std::string value = call.Query("dryRun");
  if (!value.empty() && value != "All") {
    return BadRequest(R"(invalid dryRun ")" + value + R"(", the only value is "All")");
  }
  return value == "All";
}

Outcome<bool> Flag(const Call& call, const std::string& name) {
  const std::string value = call.Query(name);
  if (!value.empty() && value != "true" && value != "false") {
    return BadRequest("invalid " + name + " \"" + value + R"(", it is "true" or "false")");
  }
  return value == "true";
}

std::string MediaType(const Request& request) {
  std::string_view rest = request.content_type;
  return Lower(Trim(TakeUntil(rest, ';')));
}

Outcome<std::uint64_t> NumberParameter(const Call& call, const std::string& name) {
  const std::string value = call.Query(name);
  return value.empty() ? Outcome<std::uint64_t>(0) : ParseNumber(name, value);
}

Outcome<std::uint64_t> ParseNumber(const std::string& name, std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return BadRequest("invalid " + name + " \"" + std::string(text) + "\", it is a whole number");
  }
  return number;
}

bool IsProtobuf(const Request& request) {
  return MediaType(request) == "application/vnd.kubernetes.protobuf";
}

Outcome<TextFormat> BodyFormat(const Call& call) {
  const std::string type = MediaType(call.request);
  if (type.empty()) {
    return TextFormat::kAny;
  }
  if (type == "application/json") {
    return TextFormat::kJson;
  }
  if (type == "application/yaml" || type == "application/x-yaml" || type == "text/yaml") {
    return TextFormat::kYaml;
  }
  return tl::unexpected(
      Failure{.code = 415,
              .reason = "UnsupportedMediaType",
              .message = "the body is \"" + type +
                         "\", accepted media types are application/json and application/yaml"});
}

bool Accepts(const Request& request, std::string_view media_type) {
  for (const MediaRange& range : ParseAccept(request.accept)) {
    if (range.type == media_type) {
      return true;
    }
    if (range.type == "application/json" || range.type == "*/*") {
      return false;
    }
  }
  return false;
}

}  // namespace vsplit
