// SPDX-License-Identifier: Apache-2.0
// Any bytes as an HTTP request, or, where they do not begin with a header, as the body of one:
// there is an answer, of the form that Kubernetes promises; a request that only asks, is refused or
// is a dry run changes nothing; what was changed can be read again; the pages of a list are the
// list.
#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api_backend.h"
#include "call.h"
#include "request.h"
#include "vsplit/api.h"
#include "vsplit/json.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/store.h"
#include "vsplit/text.h"

namespace {

using vsplit::Json;
using vsplit::Request;
using vsplit::Response;

constexpr std::string_view kObjects = R"({"apiVersion":"v1","kind":"List","items":[
{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"default","labels":{"team":"a"}}},
{"apiVersion":"v1","kind":"Service","metadata":{"name":"web"},"spec":{"clusterIP":"10.96.0.7",
 "selector":{"app":"web"},"ports":[{"name":"http","port":80}]}},
{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1","labels":{"app":"web","version":"v1"}},
 "spec":{"nodeName":"n"},"status":{"phase":"Running","podIP":"10.1.0.1"}},
{"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"web"},
 "spec":{"host":"web","subsets":[{"name":"v1","labels":{"version":"v1"}}]}},
{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"web",
 "labels":{"app":"web"},"finalizers":["a.b/c"]},"spec":{"hosts":["web"],"http":[{"route":[
 {"destination":{"host":"web","subset":"v1"}}]}]}},
{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"x",
 "labels":{"app":"x","tier":"1"}},"spec":{"hosts":["x"],"http":[{"route":[{"destination":{"host":"web"}}]}]}},
{"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"y",
 "labels":{"tier":"2"}},"spec":{"hosts":["y"],"http":[{"route":[{"destination":{"host":"web"}}]}]}}]})";

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

void Require(bool holds, const char* what, std::string_view seen) {
  if (!holds) {
    std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(seen.size()), seen.data());
    std::abort();
  }
}

// Made anew after each change, so that an input always does the same.
class Api {
 public:
  Api() {
    const Response made = Answer({.method = "POST",
                                  .target = "/apis/vsplit.io/v1/apply",
                                  .content_type = "application/json",
                                  .body = std::string(kObjects)});
    Require(made.status == 200, "the objects are refused", made.body);
  }

  Response Answer(const Request& request) const { return vsplit::Answer(request, backend_); }
  Json Get(const std::string& target) const {
    return Json::parse(
        Answer({.method = "GET", .target = target, .accept = "application/json"}).body);
  }

  const vsplit::Backend& backend() const { return backend_; }
  const vsplit::Store& store() const { return memory_.store(); }

 private:
  vsplit::StoreBackend memory_;
  vsplit::Backend backend_ = memory_.Make();
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

// A watch: lines, each of an event.
void CheckStream(vsplit::Stream& stream) {
  const auto now = std::chrono::steady_clock::now();
  for (int i = 0; i < 3 && !stream.ended(); ++i) {
    std::string text = stream.Take(now + std::chrono::seconds(i));
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      Require(end != std::string_view::npos, "a line without an end", rest);
      const Json event = Json::parse(rest.substr(0, end), nullptr, false);
      Require(event.is_object() && event.contains("type") && event["object"].is_object(),
              "no event", rest);
      rest.remove_prefix(end + 1);
    }
  }
}

// What the agent reads again when it starts.
void CheckObjects(const vsplit::Store& store) {
  for (const vsplit::KindInfo& info : vsplit::Kinds()) {
    for (const vsplit::ObjectPtr& object : store.List(info.kind)) {
      const vsplit::ParseResult again =
          vsplit::Parse(object->json.str(), {.format = vsplit::TextFormat::kJson});
      Require(again.objects.size() == 1 && again.objects[0].spec == object->spec &&
                  again.objects[0].key == object->key,
              "an object that cannot be read again", object->json.str());
    }
  }
}

void CheckPages(const Api& api, const vsplit::Call& call) {
  std::string target;
  for (const std::string& segment : call.path) {
    target += "/" + vsplit::UrlEncode(segment);
  }
  const std::string whole = target;
  target += "?labelSelector=" + vsplit::UrlEncode(call.Query("labelSelector")) +
            "&fieldSelector=" + vsplit::UrlEncode(call.Query("fieldSelector"));
  const Json selected = api.Get(target);
  Require(selected["items"].is_array(), "no list", selected.dump());
  const Json all = api.Get(whole)["items"];
  for (const Json& item : selected["items"]) {
    Require(std::find(all.begin(), all.end(), item) != all.end(), "an item of no list",
            item.dump());
  }
  Json pages = Json::array();
  std::string next;
  do {
    Json page = api.Get(target + "&limit=2&continue=" + vsplit::UrlEncode(next));
    Require(page["items"].is_array() && page["items"].size() <= 2, "no page", page.dump());
    pages.insert(pages.end(), page["items"].begin(), page["items"].end());
    Require(pages.size() <= selected["items"].size(), "pages without end", target);
    next = vsplit::TextAt(page, "/metadata/continue");
  } while (!next.empty());
  Require(pages == selected["items"], "the pages are not the list", target);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static auto api = std::make_unique<Api>();
  Request request = ReadRequest({reinterpret_cast<const char*>(bytes), size});
  request.user = "root";
  request.local = true;
  const auto call = vsplit::TakeApart(request, api->backend());
  const std::uint64_t before = api->store().resource_version();
  const Response response = api->Answer(request);
  CheckForm(request, response);
  const bool dry = call && vsplit::IsDryRun(*call).value_or(false);
  const bool changed = api->store().resource_version() != before;
  Require(!changed || (request.method != "GET" && response.status < 300 && !dry),
          "changed by what changes nothing", response.body);
  if (response.stream != nullptr) {
    CheckStream(*response.stream);
  } else if (request.method == "GET" && response.status == 200 &&
             response.body.find("\"items\"") != std::string::npos &&
             response.content_type == "application/json") {
    const Json list = Json::parse(response.body);
    if (vsplit::TextAt(list, "/kind").ends_with("List") && list.contains("items") && call) {
      CheckPages(*api, *call);
    }
  }
  if (changed) {
    CheckObjects(api->store());
    api = std::make_unique<Api>();
  }
  return 0;
}
