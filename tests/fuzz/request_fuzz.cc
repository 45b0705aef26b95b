// SPDX-License-Identifier: Apache-2.0
// Any bytes as an HTTP request, or, where they do not begin with a header, as the body of one:
// there is an answer, of the form that Kubernetes promises; a request that only asks, is refused or
// is a dry run changes nothing; and what answers.h says holds.
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answers.h"
#include "call.h"
#include "request.h"
#include "vsplit/api.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/store.h"

namespace {

using vsplit::Json;
using vsplit::Request;
using vsplit::Response;
using vsplit::fuzz::Api;
using vsplit::fuzz::Require;

constexpr const char* kRules = "/apis/networking.istio.io/v1/namespaces/default/virtualservices";

struct WithBody {
  const char* method;
  std::string target;
  const char* content_type;
};

// What the bytes are a body of, one of these by their number.
const std::array kBodies = {
    WithBody{"POST", kRules, "application/json"},
    WithBody{"PUT", std::string(kRules) + "/web", "application/yaml"},
    WithBody{"PATCH", std::string(kRules) + "/web", "application/merge-patch+json"},
    WithBody{"PATCH", std::string(kRules) + "/web", "application/json-patch+json"},
    WithBody{"PATCH", std::string(kRules) + "/web?fieldManager=f", "application/apply-patch+yaml"},
    WithBody{"PATCH", std::string(kRules) + "/web/status", "application/merge-patch+json"},
    WithBody{"PATCH", "/api/v1/namespaces/default/services/web",
             "application/strategic-merge-patch+json"},
    WithBody{"POST", "/api/v1/namespaces/default/services", "application/vnd.kubernetes.protobuf"},
    WithBody{"DELETE", std::string(kRules) + "/web", "application/json"},
    WithBody{"POST", "/apis/vsplit.io/v1/apply", "application/yaml"},
    WithBody{"POST", "/apis/vsplit.io/v1/delete", "application/json"},
    WithBody{"POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/json"},
};

Request ReadRequest(std::string_view text) {
  namespace http = boost::beast::http;
  http::request_parser<http::empty_body> parser;
  boost::system::error_code error;
  const std::size_t read = parser.put(boost::asio::buffer(text.data(), text.size()), error);
  if (parser.is_header_done()) {
    return vsplit::ToRequest(parser.get(), std::string(text.substr(std::min(read, text.size()))));
  }
  const WithBody& one = kBodies.at(text.size() % kBodies.size());
  return {.method = one.method,
          .target = one.target,
          .content_type = one.content_type,
          .accept = "application/json",
          .body = std::string(text)};
}

void CheckForm(const Request& request, const Response& response) {
  Require(response.status >= 200 && response.status < 600, "no status", response.body);
  if (response.content_type != "application/json" || response.stream != nullptr) {
    Require(!response.content_type.empty(), "no Content-Type", response.body);
    return;
  }
  const Json body = Json::parse(response.body, nullptr, false);
  Require(!body.is_discarded(), "no JSON", response.body);
  Require(response.status < 400 || (body["kind"] == "Status" && body["code"] == response.status &&
                                    body["message"].is_string()),
          "no Status", response.body);
  Require(response.status != 405 || !response.allow.empty(), "no Allow", request.method);
}

// ?dryRun, or a DELETE whose DeleteOptions say so.
bool IsDry(const vsplit::Call& call) {
  if (call.Query("dryRun") == "All" || call.request.method != "DELETE") {
    return call.Query("dryRun") == "All";
  }
  const auto read = vsplit::ReadPlain(call.request.body, vsplit::TextFormat::kAny);
  const Json body = read ? Json::parse(read->json, nullptr, false) : Json();
  return vsplit::TextAt(body, "/dryRun/0") == "All";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static auto api = std::make_unique<Api>();
  Request request = ReadRequest({reinterpret_cast<const char*>(bytes), size});
  request.user = "root";
  request.local = true;
  const std::vector<vsplit::ObjectPtr> before = api->Objects();
  const std::uint64_t version = api->store().resource_version();
  const Response response = api->Answer(request);
  CheckForm(request, response);
  const bool changed = api->store().resource_version() != version;
  Require(changed == (api->Objects() != before), "changed without a version", response.body);
  const auto call = vsplit::TakeApart(request, api->backend());
  const bool dry = call && IsDry(*call);
  Require(!changed || (request.method != "GET" && response.status < 300 && !dry),
          "changed by what changes nothing", response.body);
  if (response.stream != nullptr) {
    vsplit::fuzz::EventsOf(*response.stream);
  } else if (changed) {
    vsplit::fuzz::CheckChange(*api, *call, response);
  } else if (dry && response.status < 300) {
    vsplit::fuzz::CheckForecast(*api, *call, response);
  } else if (request.method == "GET" && response.status == 200) {
    vsplit::fuzz::CheckRead(*api, *call, response);
  }
  if (api->written()) {
    api = std::make_unique<Api>();
  }
  return 0;
}
