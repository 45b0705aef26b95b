// SPDX-License-Identifier: Apache-2.0
// What kubectl's `auth` commands ask: who am I, and what may I do? Whoever is let in may do all
// that is served, so the answers say what is served, and that an agent which follows an API server
// only reads.
#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "json.h"
#include "protobuf.h"
#include "resources.h"
#include "vsplit/api.h"
#include "vsplit/json.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

// Field numbers of k8s.io/api/authorization/v1/generated.proto.
constexpr std::array kResourceAttributes = {
    ProtoField{1, "namespace"}, ProtoField{2, "verb"},     ProtoField{3, "group"},
    ProtoField{4, "version"},   ProtoField{5, "resource"}, ProtoField{6, "subresource"},
    ProtoField{7, "name"},
};
constexpr std::array kNonResourceAttributes = {ProtoField{1, "path"}, ProtoField{2, "verb"}};
constexpr std::array kAccessSpec = {
    ProtoField{1, "resourceAttributes", kResourceAttributes},
    ProtoField{2, "nonResourceAttributes", kNonResourceAttributes},
};
constexpr std::array kRulesSpec = {ProtoField{1, "namespace"}};
constexpr std::array kAccessReview = {ProtoField{2, "spec", kAccessSpec}};
constexpr std::array kRulesReview = {ProtoField{2, "spec", kRulesSpec}};

// Paths beside the resources, and with what method they are asked for; behind a `*` lies more.
struct OtherPath {
  std::string_view path;
  std::string_view verb;
};
constexpr auto kOtherPaths = std::to_array<OtherPath>({
    {"/api", "get"},
    {"/api/*", "get"},
    {"/apis", "get"},
    {"/apis/*", "get"},
    {"/healthz", "get"},
    {"/livez", "get"},
    {"/metrics", "get"},
    {"/openapi/*", "get"},
    {"/readyz", "get"},
    {"/version", "get"},
    {"/apis/vsplit.io/v1/apply", "post"},
    {"/apis/vsplit.io/v1/delete", "post"},
});

// The `spec` of a review.
Outcome<Json> ReadSpec(const Call& call, std::span<const ProtoField> fields) {
  if (IsProtobuf(call.request)) {
    const Result<ProtoEnvelope> sent = OpenProto(call.request.body);
    const Result<Json> review = sent ? ReadProto(sent->raw, fields) : tl::unexpected(sent.error());
    if (!review) {
      return BadRequest("the body: " + review.error().message);
    }
    return review->value("spec", Json::object());
  }
  const Outcome<TextFormat> format = BodyFormat(call);
  if (!format) {
    return tl::unexpected(format.error());
  }
  const Result<PlainDocument> plain = ReadPlain(call.request.body, *format, {});
  if (!plain) {
    return BadRequest("the body: " + plain.error().message);
  }
  const Json review = Json::parse(plain->json, nullptr, false);
  Json spec = review.is_object() ? review.value("spec", Json::object()) : Json();
  if (!spec.is_object()) {
    return BadRequest("the body is no object with a spec");
  }
  return spec;
}

Outcome<Response> Reviewed(std::string_view kind, std::string_view version, Json spec,
                           Json status) {
  Json review = {
      {"kind", kind}, {"apiVersion", version}, {"metadata", {{"creationTimestamp", nullptr}}}};
  if (!spec.is_null()) {
    review["spec"] = std::move(spec);
  }
  review["status"] = std::move(status);
  return Response{.status = 201, .body = Dump(review)};
}

bool Means(const std::string& pattern, std::string_view word) {
  return pattern == "*" || pattern == word;
}

// Why the verb is none of this resource; empty: it is. `*` is every verb that it has.
std::string RefusalOf(const Call& call, const Resource& resource, const std::string& verb,
                      const std::vector<std::string>& verbs) {
  if (verb != "*" && std::ranges::find(verbs, verb) == verbs.end()) {
    return std::string(resource.plural) + " do not have the verb \"" + verb + "\"";
  }
  return resource.stored && !OnlyReads(verb) ? call.backend.read_only : "";
}

std::string RefusalOfResource(const Call& call, const Json& attributes) {
  const std::string verb = TextAt(attributes, "/verb");
  const std::string group = TextAt(attributes, "/group");
  const std::string plural = TextAt(attributes, "/resource");
  const std::string subresource = TextAt(attributes, "/subresource");
  bool any = false;
  for (const Resource& resource : Resources()) {
    if (!Means(group, resource.group) || !Means(plural, resource.plural) ||
        (!subresource.empty() && !(resource.has_status && Means(subresource, "status")))) {
      continue;
    }
    any = true;
    const std::string refusal =
        RefusalOf(call, resource, verb, subresource.empty() ? resource.verbs : StatusVerbs());
    if (!refusal.empty()) {
      return refusal;
    }
  }
  return any ? "" : "this agent does not serve it";
}

bool Covers(std::string_view pattern, std::string_view path) {
  return pattern.ends_with('*') ? path.starts_with(pattern.substr(0, pattern.size() - 1))
                                : path == pattern;
}

std::string RefusalOfPath(const Call& call, const Json& attributes) {
  const std::string path = TextAt(attributes, "/path");
  const std::string verb = TextAt(attributes, "/verb");
  const bool served = std::ranges::any_of(kOtherPaths, [&](const OtherPath& other) {
    return Covers(other.path, path) && verb == other.verb;
  });
  if (!served) {
    return "this agent does not serve it";
  }
  return verb == "get" ? "" : call.backend.read_only;
}

}  // namespace

Outcome<Response> AnswerWhoAmI(const Call& call) {
  return Reviewed(
      "SelfSubjectReview", "authentication.k8s.io/v1", Json(),
      {{"userInfo",
        {{"username", call.request.user}, {"groups", Json::array({"system:authenticated"})}}}});
}

Outcome<Response> AnswerAccessReview(const Call& call) {
  Outcome<Json> spec = ReadSpec(call, kAccessReview);
  if (!spec) {
    return tl::unexpected(spec.error());
  }
  const Json resource = spec->value("resourceAttributes", Json());
  const Json other = spec->value("nonResourceAttributes", Json());
  if (resource.is_object() == other.is_object()) {
    return tl::unexpected(Failure{
        .code = 422,
        .reason = "Invalid",
        .message = "spec: exactly one of resourceAttributes and nonResourceAttributes is allowed"});
  }
  const std::string refusal =
      resource.is_object() ? RefusalOfResource(call, resource) : RefusalOfPath(call, other);
  Json status = {{"allowed", refusal.empty()}};
  if (!refusal.empty()) {
    status["reason"] = refusal;
  }
  return Reviewed("SelfSubjectAccessReview", "authorization.k8s.io/v1", *std::move(spec),
                  std::move(status));
}

Outcome<Response> AnswerRulesReview(const Call& call) {
  Outcome<Json> spec = ReadSpec(call, kRulesReview);
  if (!spec) {
    return tl::unexpected(spec.error());
  }
  const bool read_only = !call.backend.read_only.empty();
  Json resources = Json::array();
  const auto add = [&](const Resource& resource, const std::string& name,
                       std::vector<std::string> verbs) {
    if (resource.stored && read_only) {
      std::erase_if(verbs, [](const std::string& verb) { return !OnlyReads(verb); });
    }
    resources.push_back({{"verbs", std::move(verbs)},
                         {"apiGroups", Json::array({resource.group})},
                         {"resources", Json::array({name})}});
  };
  for (const Resource& resource : Resources()) {
    const std::string plural(resource.plural);
    add(resource, plural, resource.verbs);
    if (resource.has_status) {
      add(resource, plural + "/status", StatusVerbs());
    }
  }
  Json others = Json::array();
  for (const OtherPath& other : kOtherPaths) {
    if (other.verb == "get" || !read_only) {
      others.push_back(
          {{"verbs", Json::array({other.verb})}, {"nonResourceURLs", Json::array({other.path})}});
    }
  }
  return Reviewed("SelfSubjectRulesReview", "authorization.k8s.io/v1", *std::move(spec),
                  {{"resourceRules", std::move(resources)},
                   {"nonResourceRules", std::move(others)},
                   {"incomplete", false}});
}

}  // namespace vsplit
