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
#include "resources.h"
#include "text.h"
#include "vsplit/api.h"

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

// Groups in the order of the resources; resources of one group have the same versions.
std::vector<std::string_view> Groups() {
  std::vector<std::string_view> groups;
  for (const Resource& resource : Resources()) {
    if (resource.group != kCore && std::ranges::find(groups, resource.group) == groups.end()) {
      groups.push_back(resource.group);
    }
  }
  return groups;
}

std::vector<Resource> ResourcesOf(std::string_view group) {
  std::vector<Resource> resources = Resources();
  std::erase_if(resources, [group](const Resource& other) { return other.group != group; });
  return resources;
}

std::vector<std::string> VersionsOf(std::string_view group) {
  const std::vector<Resource> resources = ResourcesOf(group);
  return resources.empty() ? std::vector<std::string>() : Words(resources.front().versions);
}

// ---- aggregated: APIGroupDiscoveryList of apidiscovery.k8s.io -----------------------------------

Json AggregatedResource(const Resource& served, const std::string& version) {
  const Json kind = {{"group", served.group}, {"version", version}, {"kind", served.kind}};
  Json resource = {{"resource", served.plural},
                   {"responseKind", kind},
                   {"scope", served.namespaced ? "Namespaced" : "Cluster"},
                   {"singularResource", served.singular},
                   {"verbs", served.verbs}};
  if (!served.shorts.empty()) {
    resource["shortNames"] = Words(served.shorts);
  }
  if (!served.categories.empty()) {
    resource["categories"] = served.categories;
  }
  if (served.has_status) {
    resource["subresources"] = Json::array(
        {{{"subresource", "status"}, {"responseKind", kind}, {"verbs", StatusVerbs()}}});
  }
  return resource;
}

Json AggregatedGroup(std::string_view group) {
  Json versions = Json::array();
  for (const std::string& version : VersionsOf(group)) {
    Json resources = Json::array();
    for (const Resource& resource : ResourcesOf(group)) {
      resources.push_back(AggregatedResource(resource, version));
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
  for (const Resource& served : ResourcesOf(group)) {
    Json resource = {{"name", served.plural},
                     {"singularName", served.singular},
                     {"namespaced", served.namespaced},
                     {"kind", served.kind},
                     {"verbs", served.verbs}};
    if (!served.shorts.empty()) {
      resource["shortNames"] = Words(served.shorts);
    }
    if (!served.categories.empty()) {
      resource["categories"] = served.categories;
    }
    resources.push_back(std::move(resource));
    if (served.has_status) {
      resources.push_back({{"name", std::string(served.plural) + "/status"},
                           {"singularName", ""},
                           {"namespaced", served.namespaced},
                           {"kind", served.kind},
                           {"verbs", StatusVerbs()}});
    }
  }
  const std::string prefix = group.empty() ? "" : std::string(group) + "/";
  return Document(call.request, Dump({{"kind", "APIResourceList"},
                                      {"apiVersion", "v1"},
                                      {"groupVersion", prefix + version},
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
