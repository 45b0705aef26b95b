// SPDX-License-Identifier: Apache-2.0
#include "answers.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "field_paths.h"
#include "place.h"
#include "selector.h"
#include "vsplit/parse.h"
#include "vsplit/text.h"

namespace vsplit::fuzz {
namespace {

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

std::string TargetOf(const std::vector<std::string>& path,
                     const std::map<std::string, std::string>& query = {}) {
  std::string target;
  for (const std::string& segment : path) {
    target += "/" + UrlEncode(segment);
  }
  char sign = '?';
  for (const auto& [name, value] : query) {
    target += std::exchange(sign, '&') + UrlEncode(name) + "=" + UrlEncode(value);
  }
  return target;
}

std::string NameOf(const Json& object) {
  return TextAt(object, "/metadata/namespace") + "/" + TextAt(object, "/metadata/name");
}

std::map<std::string, Json> ByName(const Json& list) {
  std::map<std::string, Json> items;
  for (const Json& item : ItemsAt(list, "/items")) {
    const bool is_new = items.emplace(NameOf(item), item).second;
    Require(is_new, "an item that is listed twice", item.dump());
  }
  return items;
}

// The same, asked for as plain JSON.
void CheckForms(const Api& api, Request request, const Response& response) {
  request.accept = "application/json";
  const Json plain = Json::parse(api.Answer(request).body, nullptr, false);
  if (response.content_type == "application/yaml") {
    const auto read = ReadPlain(response.body, TextFormat::kYaml);
    Require(read && IsSame(Json::parse(read->json), plain), "the YAML is not the JSON",
            response.body);
    return;
  }
  const Json body = Json::parse(response.body, nullptr, false);
  if (body.is_object() && body.value("kind", Json()) == "Table") {
    const Json& rows = ItemsAt(body, "/rows");
    Require(rows.size() == (plain.contains("items") ? plain["items"].size() : 1), "lost rows",
            response.body);
    for (const Json& row : rows) {
      Require(row["cells"].size() == body["columnDefinitions"].size(), "cells", response.body);
    }
  }
}

// What the agent reads again when it starts.
void CheckObjects(const Api& api) {
  for (const ObjectPtr& object : api.Objects()) {
    const ParseResult again = Parse(
        object->json.str(), {.format = TextFormat::kJson, .default_namespace = object->key.ns});
    Require(again.objects.size() == 1 && again.objects[0].spec == object->spec &&
                again.objects[0].key == object->key,
            "an object that cannot be read again", object->json.str());
  }
}

// Who watches, and who lists what there was, sees what was changed.
void CheckHistory(const Api& before, const Api& after) {
  const std::string since = std::to_string(before.store().resource_version());
  for (const KindInfo& info : Kinds()) {
    const std::string version(info.versions.substr(0, info.versions.find(' ')));
    const std::string target =
        (info.group.empty() ? "/api/" : "/apis/" + std::string(info.group) + "/") + version + "/" +
        std::string(info.plural) + "?resourceVersion=" + since;
    std::map<std::string, Json> known = ByName(before.Get(target));
    Require(ByName(after.Get(target + "&resourceVersionMatch=Exact")) == known, "not what was",
            target);
    const Response watch =
        after.Answer({.method = "GET", .target = target + "&watch=1", .accept = "*/*"});
    for (const Json& event : EventsOf(*watch.stream)) {
      const std::string name = NameOf(event["object"]);
      Require(known.contains(name) == (event["type"] != "ADDED"), "an event of what", event.dump());
      known[name] = event["object"];
      if (event["type"] == "DELETED") {
        known.erase(name);
      }
    }
    Require(known == ByName(after.Get(target)), "events that do not say what is", target);
  }
}

// The answer is what was made, and who writes what was read changes nothing.
void CheckWritten(const Api& api, Call call, const Response& response) {
  const Json body = Json::parse(response.body, nullptr, false);
  const auto place = FindPlace(call.path);
  const std::string name = TextAt(body, "/metadata/name");
  if (!place || body.value("kind", Json()) != place->info->name) {
    return;  // of many objects, or none
  }
  if (place->name.empty()) {
    call.path.push_back(name);
  }
  const std::string target = TargetOf(call.path);
  const Json live = api.Get(target);
  if (live.value("code", Json()) == 404) {
    Require(body["metadata"].contains("deletionTimestamp"), "not made", response.body);
    return;
  }
  Require(live == body, "not what was said", live.dump());
  const Response again = api.Answer({.method = "PUT",
                                     .target = target,
                                     .content_type = "application/json",
                                     .accept = "application/json",
                                     .body = live.dump()});
  Require(again.status == 200 && Json::parse(again.body)["metadata"]["resourceVersion"] ==
                                     live["metadata"]["resourceVersion"],
          "changed by what was read", again.body);
}

// Its text, and that of its opposite; empty: it has none.
std::pair<std::string, std::string> Halves(const Requirement& requirement, bool of_field) {
  using Operator = Requirement::Operator;
  std::string values;
  for (const std::string& value : requirement.values) {
    values += (&value == &*requirement.values.begin() ? "" : ",") + value;
  }
  const std::string& key = requirement.key;
  std::pair<std::string, std::string> halves(key + " in (" + values + ")",
                                             key + " notin (" + values + ")");
  if (of_field) {
    std::string escaped;
    for (const char letter : values) {
      escaped += std::string(letter == '\\' || letter == ',' ? "\\" : "") + letter;
    }
    halves = {key + "=" + escaped, key + "!=" + escaped};
  } else if (requirement.is == Operator::kExists || requirement.is == Operator::kAbsent) {
    halves = {key, "!" + key};
  } else if (requirement.is == Operator::kGreater || requirement.is == Operator::kLess) {
    return {key + (requirement.is == Operator::kGreater ? ">" : "<") + values, ""};
  }
  if (requirement.is == Operator::kNotIn || requirement.is == Operator::kAbsent) {
    std::swap(halves.first, halves.second);
  }
  return halves;
}

void CheckSelector(const Api& api, const Call& call, const Json& selected) {
  const std::map<std::string, Json> all = ByName(api.Get(TargetOf(call.path)));
  const auto selector = ParseSelector(call, *FindPlace(call.path)->info);
  std::map<std::string, Json> expected = all;
  const auto narrow = [&](const char* parameter, const std::vector<Requirement>& all_of) {
    for (const Requirement& requirement : all_of) {
      const auto [half, other] = Halves(requirement, parameter == std::string("fieldSelector"));
      const auto inside = ByName(api.Get(TargetOf(call.path, {{parameter, half}})));
      if (!other.empty()) {
        auto both = ByName(api.Get(TargetOf(call.path, {{parameter, other}})));
        const std::size_t apart = inside.size() + both.size();
        both.insert(inside.begin(), inside.end());
        Require(both == all && apart == all.size(), half.c_str(), other);
      }
      std::erase_if(expected, [&](const auto& item) { return !inside.contains(item.first); });
    }
  };
  narrow("labelSelector", selector->labels);
  narrow("fieldSelector", selector->fields);
  Require(ByName(selected) == expected, "not selected by all of it", selected.dump());
}

void CheckPages(const Api& api, Call call) {
  std::erase_if(call.query, [](const auto& parameter) {
    return parameter.first != "labelSelector" && parameter.first != "fieldSelector" &&
           parameter.first != "limit";
  });
  const std::string limit = call.Query("limit");
  call.query.erase("limit");
  const Json selected = api.Get(TargetOf(call.path, call.query));
  CheckSelector(api, call, selected);
  call.query["limit"] = limit.empty() || limit == "0" ? "1" : limit;
  Json pages = Json::array();
  do {
    Json page = api.Get(TargetOf(call.path, call.query));
    Require(page["items"].is_array(), "no page", page.dump());
    pages.insert(pages.end(), page["items"].begin(), page["items"].end());
    Require(pages.size() <= selected["items"].size(), "pages without end", page.dump());
    call.query["continue"] = TextAt(page, "/metadata/continue");
  } while (!call.query["continue"].empty());
  Require(pages == selected["items"], "the pages are not the list", pages.dump());
}

}  // namespace

void Require(bool holds, const char* what, std::string_view seen) {
  if (!holds) {
    std::fprintf(stderr, "%s: %.*s\n", what, static_cast<int>(seen.size()), seen.data());
    std::abort();
  }
}

Api::Api() {
  const Response made = Answer({.method = "POST",
                                .target = "/apis/vsplit.io/v1/apply",
                                .content_type = "application/json",
                                .body = std::string(kObjects)});
  Require(made.status == 200, "the objects are refused", made.body);
}

Json Api::Get(const std::string& target) const {
  return Json::parse(
      Answer({.method = "GET", .target = target, .accept = "application/json"}).body);
}

std::vector<ObjectPtr> Api::Objects() const {
  std::vector<ObjectPtr> objects;
  for (const KindInfo& info : Kinds()) {
    for (ObjectPtr& object : store().List(info.kind)) {
      objects.push_back(std::move(object));
    }
  }
  return objects;
}

std::vector<Json> EventsOf(Stream& stream) {
  std::vector<Json> events;
  const auto now = std::chrono::steady_clock::now();
  for (int i = 0; i < 3 && !stream.ended(); ++i) {
    std::string text = stream.Take(now + std::chrono::seconds(i));
    std::string_view rest = text;
    while (!rest.empty()) {
      const std::size_t end = rest.find('\n');
      Require(end != std::string_view::npos, "a line without an end", rest);
      events.push_back(Json::parse(rest.substr(0, end), nullptr, false));
      Require(events.back().is_object() && events.back().contains("type") &&
                  events.back()["object"].is_object(),
              "no event", rest);
      rest.remove_prefix(end + 1);
    }
  }
  return events;
}

void CheckChange(const Api& api, const Call& call, const Response& response) {
  CheckObjects(api);
  CheckHistory(Api(), api);
  if (response.content_type == "application/json") {
    CheckWritten(api, call, response);
  }
}

void CheckRead(const Api& api, const Call& call, const Response& response) {
  CheckForms(api, call.request, response);
  const auto place = FindPlace(call.path);
  if (place && place->name.empty()) {
    CheckPages(api, call);
  }
}

void CheckForecast(const Api& api, const Call& call, const Response& forecast) {
  Request request = call.request;
  std::map<std::string, std::string> query = call.query;
  query.erase("dryRun");
  request.target = TargetOf(call.path, query);
  const Response made = api.Answer(request);
  Require(made.status == forecast.status && made.warnings == forecast.warnings, "another forecast",
          made.body);
  if (made.content_type == "application/json") {
    const Json said = Json::parse(forecast.body);
    const Json done = Json::parse(made.body);
    for (const char* path : {"/kind", "/metadata/name"}) {
      Require(TextAt(said, path) == TextAt(done, path), path, made.body);
    }
    Require(said.value("spec", Json()) == done.value("spec", Json()), "another spec", made.body);
  }
}

}  // namespace vsplit::fuzz
