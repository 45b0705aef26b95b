// SPDX-License-Identifier: Apache-2.0
// GET /openapi/v2, /openapi/v3 and /openapi/v3/...: the schemas, as documents.
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "answers.h"
#include "call.h"
#include "document.h"
#include "failure.h"
#include "json.h"
#include "media.h"
#include "openapi.h"
#include "text.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

constexpr std::string_view kProtobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

struct Schema {
  explicit Schema(std::string its_text) : text(std::move(its_text)), hash(HashOf(text)) {}

  std::string text;
  std::string hash;
};

struct Schemas {
  std::map<std::string, Schema> v3;  // by "apis/networking.istio.io/v1"
  Schema v2;
};

// They follow from the tables that the program is built with, and are made when first asked for.
const Schemas& AllSchemas() {
  static const Schemas schemas = [] {
    Schemas made{.v3 = {}, .v2 = Schema(OpenApiV2())};
    for (const KindInfo& info : Kinds()) {
      std::string_view versions = info.versions;
      while (!versions.empty()) {
        const std::string version(TakeUntil(versions, ' '));
        const std::string path =
            (info.group.empty() ? "api/" : "apis/") + ApiVersion(info, version);
        if (!made.v3.contains(path)) {
          made.v3.emplace(path, OpenApiV3(info.group, version));
        }
      }
    }
    return made;
  }();
  return schemas;
}

Response Index(const Call& call) {
  Json paths = Json::object();
  for (const auto& [path, schema] : AllSchemas().v3) {
    paths[path] = {{"serverRelativeURL", "/openapi/v3/" + path + "?hash=" + schema.hash}};
  }
  return Document(call.request, Dump({{"paths", std::move(paths)}}));
}

}  // namespace

Outcome<Response> AnswerSchemasV2(const Call& call) {
  for (const MediaRange& range : ParseAccept(call.request.accept)) {
    if (range.type.ends_with("+protobuf") || range.type == "*/*") {
      const Schema& schema = AllSchemas().v2;
      return Document(call.request, schema.text, schema.hash, std::string(kProtobuf));
    }
  }
  return tl::unexpected(Failure{.code = 406,
                                .reason = "NotAcceptable",
                                .message = "only " + std::string(kProtobuf) + " is served"});
}

Outcome<Response> AnswerSchemasV3(const Call& call) {
  std::string path;
  for (std::size_t i = 2; i < call.path.size(); ++i) {
    path += (path.empty() ? "" : "/") + call.path[i];
  }
  if (path.empty()) {
    return Index(call);
  }
  const auto found = AllSchemas().v3.find(path);
  if (found == AllSchemas().v3.end()) {
    return NoSuchPath();
  }
  const Schema& schema = found->second;
  Response response = Document(call.request, schema.text, schema.hash, "application/json");
  if (call.Query("hash") == schema.hash) {
    response.headers.emplace_back("Cache-Control", "public, immutable, max-age=31536000");
  }
  return response;
}

}  // namespace vsplit
