// SPDX-License-Identifier: Apache-2.0
// What there is: groups, versions, kinds and what can be done with them, in both forms of the
// Kubernetes API, one document for all and one for each group and version.
#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "document.h"
#include "failure.h"
#include "json.h"
#include "media.h"
#include "place.h"
#include "render.h"
#include "text.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

constexpr std::string_view kCore;  // the group without a name

std::vector<std::string> Words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    words.emplace_back(TakeUntil(text, ' '));
  }
  return words;
}

// Groups in the order of the kinds; kinds of one group have the same versions.
std::vector<std::string_view> Groups() {
  std::vector<std::string_view> groups;
  for (const KindInfo& info : Kinds()) {
    if (info.group != kCore && std::ranges::find(groups, info.group) == groups.end()) {
      groups.push_back(info.group);
    }
  }
  return groups;
}

std::vector<const KindInfo*> KindsOf(std::string_view group) {
  std::vector<const KindInfo*> kinds;
  for (const KindInfo& info : Kinds()) {
    if (info.group == group) {
      kinds.push_back(&info);
    }
  }
  return kinds;
}

std::vector<std::string> VersionsOf(std::string_view group) {
  const std::vector<const KindInfo*> kinds = KindsOf(group);
  return kinds.empty() ? std::vector<std::string>() : Words(kinds.front()->versions);
}

std::vector<std::string> CategoriesOf(const KindInfo& info) {
  if (info.kind == Kind::kService || info.kind == Kind::kPod) {
    return {"all"};
  }
  return info.group == "networking.istio.io"
             ? std::vector<std::string>{"istio-io", "networking-istio-io"}
             : std::vector<std::string>{};
}

Json Verbs() {
  return {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
}

Json StatusVerbs() {
  return {"get", "patch", "update"};
}

// ---- aggregated: APIGroupDiscoveryList of apidiscovery.k8s.io -----------------------------------

Json AggregatedKind(const KindInfo& info, const std::string& version) {
  Json resource = {{"resource", info.plural},
                   {"responseKind", GroupVersionKind(info, version)},
                   {"scope", info.namespaced ? "Namespaced" : "Cluster"},
                   {"singularResource", info.singular},
                   {"verbs", Verbs()}};
  if (!info.shorts.empty()) {
    resource["shortNames"] = Words(info.shorts);
  }
  if (const auto categories = CategoriesOf(info); !categories.empty()) {
    resource["categories"] = categories;
  }
  if (HasStatus(info.kind)) {
    resource["subresources"] = Json::array({{{"subresource", "status"},
                                             {"responseKind", GroupVersionKind(info, version)},
                                             {"verbs", StatusVerbs()}}});
  }
  return resource;
}

Json AggregatedGroup(std::string_view group) {
  Json versions = Json::array();
  for (const std::string& version : VersionsOf(group)) {
    Json resources = Json::array();
    for (const KindInfo* info : KindsOf(group)) {
      resources.push_back(AggregatedKind(*info, version));
    }
    versions.push_back(
        {{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
  }
  Json metadata = Json::object();
  if (group != kCore) {
    metadata["name"] = group;
  }
  return {{"metadata", std::move(metadata)}, {"versions", std::move(versions)}};
}

// The version of apidiscovery.k8s.io that the client wants; nothing: the other form.
std::string AggregatedVersion(const Request& request) {
  for (const MediaRange& range : ParseAccept(request.accept)) {
    std::string version = range.Parameter("v");
    if (range.type == "application/json" && range.Parameter("g") == "apidiscovery.k8s.io" &&
        range.Parameter("as") == "APIGroupDiscoveryList" &&
        (version == "v2" || version == "v2beta1")) {
      return version;
    }
    if (range.parameters.empty()) {
      break;
    }
  }
  return "";
}

Response Aggregated(const Call& call, const std::string& version,
                    const std::vector<std::string_view>& groups) {
  Json items = Json::array();
  for (const std::string_view group : groups) {
    items.push_back(AggregatedGroup(group));
  }
  const Json list = {{"kind", "APIGroupDiscoveryList"},
                     {"apiVersion", "apidiscovery.k8s.io/" + version},
                     {"metadata", Json::object()},
                     {"items", std::move(items)}};
  return Document(
      call.request, Dump(list),
      "application/json;g=apidiscovery.k8s.io;v=" + version + ";as=APIGroupDiscoveryList");
}

// ---- one document for each group and version ----------------------------------------------------

Json GroupJson(std::string_view group) {
  Json versions = Json::array();
  for (const std::string& version : VersionsOf(group)) {
    versions.push_back(
        {{"groupVersion", std::string(group) + "/" + version}, {"version", version}});
  }
  Json preferred = versions.front();
  return {{"name", group},
          {"versions", std::move(versions)},
          {"preferredVersion", std::move(preferred)}};
}

Outcome<Response> AnswerGroupVersion(const Call& call, std::string_view group,
                                     const std::string& version) {
  const std::vector<std::string> versions = VersionsOf(group);
  if (std::ranges::find(versions, version) == versions.end()) {
    return NoSuchPath();
  }
  Json resources = Json::array();
  for (const KindInfo* info : KindsOf(group)) {
    Json resource = {{"name", info->plural},
                     {"singularName", info->singular},
                     {"namespaced", info->namespaced},
                     {"kind", info->name},
                     {"verbs", Verbs()}};
    if (!info->shorts.empty()) {
      resource["shortNames"] = Words(info->shorts);
    }
    if (const auto categories = CategoriesOf(*info); !categories.empty()) {
      resource["categories"] = categories;
    }
    resources.push_back(std::move(resource));
    if (HasStatus(info->kind)) {
      resources.push_back({{"name", std::string(info->plural) + "/status"},
                           {"singularName", ""},
                           {"namespaced", info->namespaced},
                           {"kind", info->name},
                           {"verbs", StatusVerbs()}});
    }
  }
  return Document(call.request,
                  Dump({{"kind", "APIResourceList"},
                        {"apiVersion", "v1"},
                        {"groupVersion", ApiVersion(*KindsOf(group).front(), version)},
                        {"resources", std::move(resources)}}));
}

}  // namespace

Outcome<Response> AnswerCoreVersions(const Call& call) {
  if (const std::string version = AggregatedVersion(call.request); !version.empty()) {
    return Aggregated(call, version, {kCore});
  }
  return Document(call.request, Dump({{"kind", "APIVersions"}, {"versions", VersionsOf(kCore)}}));
}

Outcome<Response> AnswerGroups(const Call& call) {
  if (const std::string version = AggregatedVersion(call.request); !version.empty()) {
    return Aggregated(call, version, Groups());
  }
  Json groups = Json::array();
  for (const std::string_view group : Groups()) {
    groups.push_back(GroupJson(group));
  }
  return Document(
      call.request,
      Dump({{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}}));
}

Outcome<Response> AnswerDiscovery(const Call& call) {
  const std::vector<std::string>& path = call.path;
  if (path.size() == 2 && path[0] == "api") {
    return AnswerGroupVersion(call, kCore, path[1]);
  }
  if (path.size() == 3 && path[0] == "apis") {
    return AnswerGroupVersion(call, path[1], path[2]);
  }
  if (path.size() != 2 || path[0] != "apis" || VersionsOf(path[1]).empty()) {
    return NoSuchPath();
  }
  Json group = {{"kind", "APIGroup"}, {"apiVersion", "v1"}};
  group.update(GroupJson(path[1]));
  return Document(call.request, Dump(group));
}

Outcome<Response> AnswerVersion(const Call& call) {
  const Json version = {{"major", "1"},
                        {"minor", "32"},
                        {"gitVersion", "v1.32.0+vsplit." + call.backend.version},
                        {"gitCommit", ""},
                        {"gitTreeState", "clean"},
                        {"buildDate", "1970-01-01T00:00:00Z"},
                        {"goVersion", ""},
                        {"compiler", ""},
                        {"platform", "linux"}};
  constexpr int kIndent = 2;
  return Response{.body = version.dump(kIndent)};
}

}  // namespace vsplit
