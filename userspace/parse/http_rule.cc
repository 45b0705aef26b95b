// SPDX-License-Identifier: Apache-2.0
// One element of spec.http: Istio's validateHTTPRoute.
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "checks.h"
#include "document.h"
#include "fields.h"
#include "syntax.h"

namespace vsplit::parse {

namespace {

constexpr std::int64_t kLastPort = 65535;

bool Contains(std::string_view words, std::string_view word) {
  return IsListed(word, words);
}

// ---- what excludes what ------------------------------------------------------------------------

bool IsFull(const Node& rule, std::string_view field) {
  const Node* node = Given(rule, field);
  return node != nullptr && (node->kind != Node::Kind::kList || node->count > 0);
}

void CheckBeside(const At& rule, std::string_view action, std::string_view others) {
  for (const std::string_view other : SplitNames(others)) {
    if (IsFull(rule.node(), other)) {
      rule.Field(*rule.node().Find(other))
          .ErrorAtKey(fmt::format("found beside {}, one of them is allowed", action));
    }
  }
}

void CheckActions(const At& rule, bool in_delegate) {
  const Node& node = rule.node();
  if (Given(node, "delegate") != nullptr && !in_delegate) {
    for (const std::string_view field : {"redirect", "route"}) {
      WithField(rule, field, [](const At& action) {
        action.ErrorAtKey("found beside delegate, one of them is allowed");
      });
    }
    return;
  }
  WithField(rule, "delegate", [](const At& delegate) {
    delegate.ErrorAtKey("found in a VirtualService without hosts, which others delegate to");
  });
  if (Given(node, "redirect") != nullptr) {
    CheckBeside(rule, "redirect", "route fault rewrite directResponse");
  } else if (Given(node, "directResponse") != nullptr) {
    CheckBeside(rule, "directResponse", "route fault rewrite");
  } else if (!IsFull(node, "route")) {
    rule.Error("found no action, one of route, redirect, directResponse is required");
  }
  if (Given(node, "mirror") != nullptr) {
    CheckBeside(rule, "mirror", "mirrors");
  }
}

// ---- match -------------------------------------------------------------------------------------

void CheckMatch(const At& match) {
  EachEntryOf(match, "headers", [](const At& entry) {
    CheckHeaderMatchName(entry);
    CheckStringMatch(entry);
  });
  EachEntryOf(match, "withoutHeaders", [](const At& entry) {
    CheckHeaderMatchName(entry);
    if (TextOf(entry.node(), "regex") != "*") {  // which stands for "is there"
      CheckStringMatch(entry);
    }
  });
  EachEntryOf(match, "queryParams", [](const At& entry) { CheckStringMatch(entry); });
  WithField(match, "uri", [](const At& uri) { CheckStringMatch(uri, true); });
  for (const std::string_view field : {"scheme", "method", "authority"}) {
    WithField(match, field, [](const At& at) { CheckStringMatch(at); });
  }
}

// ---- actions -----------------------------------------------------------------------------------

void CheckCors(const At& cors) {
  EachItemOf(cors, "allowOrigins", [](const At& origin) {
    const Node& node = origin.node();
    if (node.kind == Node::Kind::kMap && TextOf(node, "exact").empty() &&
        TextOf(node, "prefix").empty() && TextOf(node, "regex").empty()) {
      origin.Error("found no origin, one of exact, prefix, regex is required");
      return;
    }
    WithField(origin, "regex", CheckRegex);
  });
  EachItemOf(cors, "allowMethods", [](const At& method) {
    constexpr std::string_view kMethods = "GET HEAD POST PUT PATCH DELETE CONNECT OPTIONS TRACE *";
    if (method.node().kind == Node::Kind::kString && !Contains(kMethods, method.node().text)) {
      method.NotAllowed(fmt::format("one of {} is allowed", kMethods));
    }
  });
  EachItemOf(cors, "allowHeaders", CheckCorsHeaderName);
  EachItemOf(cors, "exposeHeaders", CheckCorsHeaderName);
  WithField(cors, "maxAge", [](const At& age) {
    const auto duration = ParseDuration(age.node().text);
    if (duration && *duration % std::chrono::seconds(1) != std::chrono::nanoseconds(0)) {
      age.NotAllowed("a duration of whole seconds, such as \"24h\" is allowed");
    }
  });
}

// Of an answer to a request.
void CheckStatus(const At& at) {
  constexpr std::int64_t kLeast = 200;
  constexpr std::int64_t kMost = 600;
  const std::int64_t status = WholeNumber(at.node()).value_or(kLeast);
  if (at.node().kind == Node::Kind::kInteger && (status < kLeast || status > kMost)) {
    at.NotAllowed(fmt::format("an HTTP status from {} to {} is allowed", kLeast, kMost));
  }
}

constexpr std::string_view kGrpc =
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
    "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED";

void CheckFault(const At& fault) {
  if (Given(fault.node(), "abort") == nullptr && Given(fault.node(), "delay") == nullptr) {
    fault.Error("found neither abort nor delay, one of them is required");
  }
  WithField(fault, "abort", [](const At& abort) {
    WithField(abort, "percentage", [](const At& at) { CheckPercentage(at, true); });
    WithField(abort, "httpStatus", CheckStatus);
    WithField(abort, "grpcStatus", [](const At& status) {
      if (status.node().kind == Node::Kind::kString && !Contains(kGrpc, status.node().text)) {
        status.NotAllowed("the name of a gRPC status such as NOT_FOUND is allowed");
      }
    });
    WithField(abort, "http2Error",
              [](const At& error) { error.ErrorAtKey("not implemented by Istio, not allowed"); });
    if (Given(abort.node(), "httpStatus") == nullptr &&
        Given(abort.node(), "grpcStatus") == nullptr) {
      abort.Warn("found no kind of abort: httpStatus or grpcStatus says how");
    }
  });
  WithField(fault, "delay", [](const At& delay) {
    WithField(delay, "percentage", [](const At& at) { CheckPercentage(at, true); });
    WithField(delay, "fixedDelay", CheckDuration);
    WithField(delay, "exponentialDelay",
              [](const At& at) { at.ErrorAtKey("not implemented by Istio, not allowed"); });
  });
}

bool HasUriMatchOtherThanPrefix(const Node& rule) {
  const Node* matches = Given(rule, "match");
  for (const Node* match = matches == nullptr ? nullptr : matches->first; match != nullptr;
       match = match->next) {
    const Node* uri = Given(*match, "uri");
    if (uri != nullptr && Given(*uri, "prefix") == nullptr) {
      return true;
    }
  }
  return false;
}

void CheckRedirect(const At& redirect, const Node& rule) {
  constexpr std::int64_t kLeast = 300;
  constexpr std::int64_t kMost = 399;
  const Node& node = redirect.node();
  const bool uri = !TextOf(node, "uri").empty();
  const bool prefix = !TextOf(node, "prefixRewrite").empty();
  const std::string_view scheme = TextOf(node, "scheme");
  if (uri && prefix) {
    redirect.Error("found uri and prefixRewrite, one of them is allowed");
  } else if (prefix && HasUriMatchOtherThanPrefix(rule)) {
    redirect.Field(*node.Find("prefixRewrite"))
        .ErrorAtKey("allowed if every uri of the rule's matches is a prefix");
  }
  if (!uri && !prefix && scheme.empty() && TextOf(node, "authority").empty() &&
      Given(node, "port") == nullptr && Given(node, "derivePort") == nullptr) {
    redirect.Error("found nothing to change, one of uri, authority, scheme, port is required");
  }
  const std::int64_t code = IntegerOf(node, "redirectCode");
  if (code != 0 && (code < kLeast || code > kMost)) {
    redirect.Field(*node.Find("redirectCode"))
        .NotAllowed(fmt::format("an HTTP status from {} to {} is allowed", kLeast, kMost));
  }
  if (!scheme.empty() && scheme != "http" && scheme != "https") {
    redirect.Field(*node.Find("scheme")).NotAllowed("http or https is allowed");
  }
  if (IntegerOf(node, "port") > kLastPort) {
    redirect.Field(*node.Find("port")).NotAllowed("an integer from 1 to 65535 is allowed");
  }
}

// How many bytes a body has that may be in base64.
std::size_t BodySize(const Node& body) {
  constexpr std::size_t kBytes = 3;  // in four characters
  constexpr std::size_t kCharacters = 4;
  const std::size_t plain = TextOf(body, "string").size();
  return plain > 0 ? plain : TextOf(body, "bytes").size() / kCharacters * kBytes;
}

void CheckDirectResponse(const At& response) {
  WithField(response, "status", CheckStatus);
  WithField(response, "body", [](const At& body) {
    constexpr std::size_t kMost = std::size_t{1} << 20;
    constexpr std::size_t kLarge = std::size_t{100} << 10;
    const std::size_t size = BodySize(body.node());
    if (size > kMost) {
      body.Error(fmt::format("found a body of {} bytes, at most {} are allowed", size, kMost));
    } else if (size > kLarge) {
      body.Warn(fmt::format("found a body of {} bytes, which is a burden above {}", size, kLarge));
    }
  });
}

// Names that Envoy's x-envoy-retry-on and x-envoy-retry-grpc-on know, or a status of HTTP.
bool IsRetryCondition(std::string_view text) {
  constexpr std::string_view kNames =
      "5xx gateway-error reset reset-before-request connect-failure retriable-4xx refused-stream "
      "retriable-status-codes retriable-headers envoy-ratelimited http3-post-connect-failure "
      "cancelled deadline-exceeded internal resource-exhausted unavailable";
  // Those that have a name in HTTP: net/http StatusText.
  constexpr std::string_view kStatuses =
      "100 101 102 103 200 201 202 203 204 205 206 207 208 226 300 301 302 303 304 305 307 308 400 "
      "401 402 403 404 405 406 407 408 409 410 411 412 413 414 415 416 417 418 421 422 423 424 425 "
      "426 428 429 431 451 500 501 502 503 504 505 506 507 508 510 511";
  return Contains(kNames, text) || Contains(kStatuses, text);
}

void CheckRetries(const At& retries) {
  const Node& node = retries.node();
  const std::int64_t attempts = IntegerOf(node, "attempts");
  if (attempts < 0) {
    retries.Field(*node.Find("attempts")).NotAllowed("an integer from 0 is allowed");
  }
  const bool more = Given(node, "perTryTimeout") != nullptr || !TextOf(node, "retryOn").empty() ||
                    Given(node, "retryRemoteLocalities") != nullptr;
  if (attempts == 0 && more) {
    retries.Error("found no attempts, which switches retries off: nothing else is allowed then");
  }
  WithField(retries, "perTryTimeout", CheckDuration);
  WithField(retries, "backoff", CheckDuration);
  WithField(retries, "retryOn", [](const At& at) {
    std::string_view rest = at.node().kind == Node::Kind::kString ? at.node().text : "";
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(','), rest.size());
      if (!IsRetryCondition(rest.substr(0, end)) || end + 1 == rest.size()) {
        at.NotAllowed(
            "conditions of Envoy's x-envoy-retry-on or HTTP statuses are allowed, "
            "separated by commas alone");
        return;
      }
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  });
}

void CheckRewrite(const At& rewrite) {
  const Node& node = rewrite.node();
  const bool uri = !TextOf(node, "uri").empty();
  const bool regex = Given(node, "uriRegexRewrite") != nullptr;
  if (uri && regex) {
    rewrite.Error("found uri and uriRegexRewrite, one of them is allowed");
  } else if (!uri && !regex && TextOf(node, "authority").empty()) {
    rewrite.Error("found nothing to change, one of uri, uriRegexRewrite, authority is required");
  }
  WithField(rewrite, "uriRegexRewrite", [](const At& at) {
    if (TextOf(at.node(), "match").empty() || TextOf(at.node(), "rewrite").empty()) {
      at.Error("found no match or no rewrite, both are required");
      return;
    }
    WithField(at, "match", CheckRegex);
  });
}

// The authority can be given in one place only.
void CheckAuthority(const At& rule) {
  const Node* rewrite = Given(rule.node(), "rewrite");
  bool given = rewrite != nullptr && !TextOf(*rewrite, "authority").empty();
  WithField(rule, "headers", [&given](const At& headers) {
    WithField(headers, "request", [&given](const At& request) {
      for (const std::string_view operation : {"set", "add"}) {
        EachEntryOf(request, operation, [&given](const At& entry) {
          if (!IsAuthority(entry.name())) {
            return;
          }
          if (given) {
            entry.ErrorAtKey("the authority is set in another place already, one is allowed");
          }
          given = given || !entry.node().text.empty();
        });
      }
    });
  });
}

// ---- mirrors -----------------------------------------------------------------------------------

void CheckDestination(const At& destination) {
  const Node& node = destination.node();
  const std::string_view host = TextOf(node, "host");
  const std::string_view subset = TextOf(node, "subset");
  if (node.Find("host") != nullptr && (host == "*" || !IsWildcardDomain(host))) {
    destination.Field(*node.Find("host")).NotAllowed("the name of a service is allowed");
  }
  if (!subset.empty() && !IsHostLabel(subset)) {
    destination.Field(*node.Find("subset")).NotAllowed("a DNS label is allowed");
  }
  WithField(destination, "port", [](const At& port) {
    const std::int64_t number = IntegerOf(port.node(), "number");
    if (number < 1 || number > kLastPort) {
      port.Error(
          fmt::format("found number {}, an integer from 1 to {} is allowed", number, kLastPort));
    }
  });
}

void CheckMirrors(const At& rule) {
  constexpr std::int64_t kMost = 100;
  WithField(rule, "mirror", CheckDestination);
  EachItemOf(rule, "mirrors", [](const At& mirror) {
    WithField(mirror, "destination", CheckDestination);
    WithField(mirror, "percentage", [](const At& at) { CheckPercentage(at, false); });
  });
  WithField(rule, "mirrorPercentage", [](const At& at) { CheckPercentage(at, false); });
  for (const std::string_view old : {"mirrorPercent", "mirror_percent"}) {
    WithField(rule, old, [](const At& percent) {
      if (WholeNumber(percent.node()).value_or(0) > kMost) {
        percent.NotAllowed("an integer from 0 to 100 is allowed");
      }
      percent.WarnAtKey("is deprecated, use mirrorPercentage");
    });
  }
}

}  // namespace

void CheckHttpRule(const At& rule, bool in_delegate) {
  if (rule.node().kind != Node::Kind::kMap) {
    return;
  }
  CheckActions(rule, in_delegate);
  EachItemOf(rule, "match", CheckMatch);
  CheckHeaders(rule);
  EachItemOf(rule, "route", CheckHeaders);
  WithField(rule, "corsPolicy", CheckCors);
  WithField(rule, "fault", CheckFault);
  CheckMirrors(rule);
  WithField(rule, "redirect", [&rule](const At& at) { CheckRedirect(at, rule.node()); });
  WithField(rule, "directResponse", CheckDirectResponse);
  WithField(rule, "retries", CheckRetries);
  WithField(rule, "rewrite", CheckRewrite);
  CheckAuthority(rule);
  WithField(rule, "timeout", CheckDuration);
}

}  // namespace vsplit::parse
