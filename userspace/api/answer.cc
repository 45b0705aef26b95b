// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "vsplit/api.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::string_view kText = "text/plain; charset=utf-8";

Response Text(std::string body) {
  return {.content_type = std::string(kText), .body = std::move(body)};
}

Outcome<Response> AnswerHealth(const Call& /*call*/) {
  return Text("ok");
}

Outcome<Response> AnswerReady(const Call& call) {
  const std::vector<std::string> reasons = call.backend.not_ready();
  if (reasons.empty()) {
    return Text("ok");
  }
  Response response = Text("");
  response.status = 503;
  for (const std::string& reason : reasons) {
    response.body += "not ready: " + reason + "\n";
  }
  return response;
}

Outcome<Response> AnswerMetrics(const Call& call) {
  return Response{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                  .body = call.backend.metrics()};
}

Outcome<Response> AnswerImage(const Call& call) {
  return Text(call.backend.image());
}

Outcome<Response> AnswerStatus(const Call& call) {
  return Response{.body = call.backend.status()};
}

Outcome<Response> AnswerSplit(const Call& call) {
  return Response{.body = call.backend.split()};
}

Outcome<Response> AnswerAnalyze(const Call& call) {
  return Response{.body = call.backend.analyze()};
}

Outcome<Response> AnswerExplain(const Call& call) {
  const std::string to = call.Query("to");
  if (to.empty()) {
    return BadRequest("the parameter \"to\" is missing: HOST:PORT, what the client connects to");
  }
  Result<Explanation> explanation = call.backend.explain(call.Query("from"), to);
  if (!explanation) {
    Failure failure = FailureOf(explanation.error());
    if (explanation.error().reason == Error::Reason::kInvalid) {  // of a parameter, not an object
      failure.code = 400;
      failure.reason = "BadRequest";
    }
    return tl::unexpected(std::move(failure));
  }
  if (Accepts(call.request, "text/plain")) {
    return Text(std::move(explanation->text));
  }
  return Response{.body = std::move(explanation->json)};
}

struct FixedPath {
  std::string_view path;
  std::string_view method;
  Outcome<Response> (*answer)(const Call&);
};

// NOLINTBEGIN(modernize-use-designated-initializers): a table
constexpr std::array kFixedPaths = {
    FixedPath{"healthz", "GET", AnswerHealth},
    FixedPath{"readyz", "GET", AnswerReady},
    FixedPath{"metrics", "GET", AnswerMetrics},
    FixedPath{"livez", "GET", AnswerHealth},
    FixedPath{"version", "GET", AnswerVersion},
    FixedPath{"api", "GET", AnswerCoreVersions},
    FixedPath{"openapi/v2", "GET", AnswerSchemasV2},
    FixedPath{"apis", "GET", AnswerGroups},
    FixedPath{"apis/vsplit.io/v1/apply", "POST", AnswerApply},
    FixedPath{"apis/vsplit.io/v1/delete", "POST", AnswerDelete},
    FixedPath{"apis/vsplit.io/v1/image", "GET", AnswerImage},
    FixedPath{"apis/vsplit.io/v1/status", "GET", AnswerStatus},
    FixedPath{"apis/vsplit.io/v1/split", "GET", AnswerSplit},
    FixedPath{"apis/vsplit.io/v1/analyze", "GET", AnswerAnalyze},
    FixedPath{"apis/vsplit.io/v1/explain", "GET", AnswerExplain},
    FixedPath{"apis/authentication.k8s.io/v1/selfsubjectreviews", "POST", AnswerWhoAmI},
    FixedPath{"apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "POST", AnswerAccessReview},
    FixedPath{"apis/authorization.k8s.io/v1/selfsubjectrulesreviews", "POST", AnswerRulesReview},
    FixedPath{"apis/vsplit.io/v1/token", "POST", AnswerToken},
    FixedPath{"apis/vsplit.io/v1/kubeconfig", "GET", AnswerKubeconfig},
};
// NOLINTEND(modernize-use-designated-initializers)

std::string Join(const std::vector<std::string>& segments) {
  std::string path;
  for (const std::string& segment : segments) {
    path += path.empty() ? segment : "/" + segment;
  }
  return path;
}

Outcome<Response> AnswerCall(const Call& call) {
  const std::string path = Join(call.path);
  for (const FixedPath& fixed : kFixedPaths) {
    if (path == fixed.path) {
      return call.request.method == fixed.method ? fixed.answer(call)
                                                 : MethodNotAllowed(std::string(fixed.method));
    }
  }
  if (path == "openapi/v3" || path.starts_with("openapi/v3/")) {
    return call.request.method == "GET" ? AnswerSchemasV3(call) : MethodNotAllowed("GET");
  }
  const std::size_t root = !call.path.empty() && call.path.front() == "apis" ? 3 : 2;
  if (call.request.method == "GET" && call.path.size() <= root) {
    return AnswerDiscovery(call);
  }
  return IsEvents(call) ? AnswerEvents(call) : AnswerResource(call);
}

}  // namespace

Response Answer(const Request& request, const Backend& backend) {
  const Outcome<Call> call = TakeApart(request, backend);
  Outcome<Response> outcome = call ? AnswerCall(*call) : tl::unexpected(call.error());
  Response response = outcome ? *std::move(outcome) : ToResponse(outcome.error());
  if (!response.body.empty() && response.content_type == "application/json" &&
      Accepts(request, "application/yaml")) {
    response.body = JsonToYaml(response.body);
    response.content_type = "application/yaml";
  }
  return response;
}

}  // namespace vsplit
