// SPDX-License-Identifier: Apache-2.0
// Events of the core group, for `kubectl describe` and `kubectl events`: what the agent finds about
// an object right now. Nothing is kept: an Event is there as long as what it says holds, so there
// is at most one for each object, and none is older than its reason.
#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "answers.h"
#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "render.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

constexpr const char* kCondition = "Enforced";

// A field of an Event that has, or has not, a value.
struct FieldTest {
  std::string path;
  std::string value;
  bool equal = true;
};

Outcome<std::vector<FieldTest>> ReadFieldSelector(const Call& call) {
  constexpr std::array kFields = {"involvedObject.apiVersion",
                                  "involvedObject.fieldPath",
                                  "involvedObject.kind",
                                  "involvedObject.name",
                                  "involvedObject.namespace",
                                  "involvedObject.resourceVersion",
                                  "involvedObject.uid",
                                  "metadata.name",
                                  "metadata.namespace",
                                  "reason",
                                  "reportingComponent",
                                  "source",
                                  "type"};
  std::vector<FieldTest> tests;
  const std::string text = call.Query("fieldSelector");
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view one = rest.substr(0, comma);
    rest.remove_prefix(std::min(comma + 1, rest.size()));
    const std::size_t sign = one.find('=');
    if (sign == std::string_view::npos || sign == 0) {
      return BadRequest("invalid field selector \"" + std::string(one) + "\"");
    }
    const bool differs = one[sign - 1] == '!';
    std::string_view value = one.substr(sign + 1);
    if (!differs && value.starts_with('=')) {
      value.remove_prefix(1);
    }
    FieldTest test{.path = std::string(one.substr(0, sign - (differs ? 1 : 0))),
                   .value = std::string(value),
                   .equal = !differs};
    if (std::ranges::find(kFields, test.path) == kFields.end()) {
      return BadRequest("field label not supported: " + test.path);
    }
    tests.push_back(std::move(test));
  }
  return tests;
}

bool Holds(const std::vector<FieldTest>& tests, const Json& event) {
  return std::ranges::all_of(tests, [&event](const FieldTest& test) {
    std::string pointer = "/" + test.path;
    std::ranges::replace(pointer, '.', '/');
    return (TextAt(event, pointer.c_str()) == test.value) == test.equal;
  });
}

// What is known of an Event before anyone asks whether there is something to say.
Json Frame(const Object& object) {
  const KindInfo& info = InfoOf(object.kind());
  const std::string version = std::to_string(object.version.resource_version);
  return {{"kind", "Event"},
          {"apiVersion", "v1"},
          {"metadata",
           {{"name", object.key.name + "." + std::string(info.singular) + ".enforced"},
            {"namespace", object.key.ns},
            {"uid", object.version.uid + "-enforced"},
            {"resourceVersion", version}}},
          {"involvedObject",
           {{"kind", info.name},
            {"namespace", object.key.ns},
            {"name", object.key.name},
            {"uid", object.version.uid},
            {"apiVersion", ApiVersion(info, PreferredVersion(info))},
            {"resourceVersion", version}}},
          {"source", {{"component", "vsplitd"}}},
          {"reportingComponent", "vsplitd"},
          {"reportingInstance", ""}};
}

// The condition of the agent's that is worth an Event; null: all is as written.
Json Finding(const Call& call, const Object& object) {
  const std::string text = call.backend.object_status(object);
  const Json status = text.empty() ? Json() : Json::parse(text, nullptr, false);
  const Json conditions = status.is_object() ? status.value("conditions", Json()) : Json();
  for (const Json& condition : conditions) {
    if (TextAt(condition, "/type") == kCondition && TextAt(condition, "/reason") != kCondition) {
      return condition;
    }
  }
  return {};
}

void Fill(const Json& finding, Json& event) {
  const std::string time = TextAt(finding, "/lastTransitionTime");
  const std::string reason = TextAt(finding, "/reason");
  event["metadata"]["creationTimestamp"] = time;
  event["type"] = reason == "Unused" ? "Normal" : "Warning";
  event["reason"] = reason;
  event["message"] = TextAt(finding, "/message");
  event["firstTimestamp"] = time;
  event["lastTimestamp"] = time;
  event["count"] = 1;
}

// Those of a namespace, or of all, that pass the tests. The agent is asked only about objects whose
// Events may.
Json EventsIn(const Call& call, const std::string& ns, const std::vector<FieldTest>& tests) {
  std::vector<FieldTest> early;
  std::ranges::copy_if(tests, std::back_inserter(early), [](const FieldTest& test) {
    return test.path != "type" && test.path != "reason";
  });
  const Store& store = *call.backend.store;
  Json events = Json::array();
  for (const KindInfo& info : Kinds()) {
    if (!HasOwnStatus(info.kind)) {
      continue;
    }
    for (const ObjectPtr& object : ObjectsIn(store, info.kind, ns)) {
      Json event = Frame(*object);
      const Json finding = Holds(early, event) ? Finding(call, *object) : Json();
      if (finding.is_null()) {
        continue;
      }
      Fill(finding, event);
      if (Holds(tests, event)) {
        events.push_back(std::move(event));
      }
    }
  }
  return events;
}

// "api/v1/events", "api/v1/namespaces/NS/events[/NAME]"
struct EventPlace {
  std::string ns;
  std::string name;
};

bool FindEvents(const std::vector<std::string>& path, EventPlace& place) {
  if (path.size() < 3 || path[0] != "api" || path[1] != "v1") {
    return false;
  }
  if (path.size() == 3) {
    return path[2] == "events";
  }
  if (path.size() < 5 || path.size() > 6 || path[2] != "namespaces" || path[4] != "events") {
    return false;
  }
  place.ns = path[3];
  place.name = path.size() == 6 ? path[5] : "";
  return true;
}

}  // namespace

bool IsEvents(const Call& call) {
  EventPlace place;
  return FindEvents(call.path, place);
}

Outcome<Response> AnswerEvents(const Call& call) {
  if (call.request.method != "GET") {
    return MethodNotAllowed("GET");
  }
  const Outcome<bool> watch = Flag(call, "watch");
  if (!watch) {
    return tl::unexpected(watch.error());
  }
  if (*watch) {
    return MethodNotAllowed("GET");  // as Kubernetes says of a resource without the verb
  }
  Outcome<std::vector<FieldTest>> tests = ReadFieldSelector(call);
  if (!tests) {
    return tl::unexpected(tests.error());
  }
  EventPlace place;
  FindEvents(call.path, place);
  if (!place.name.empty()) {
    tests->push_back({.path = "metadata.name", .value = place.name});
  }
  Json events = EventsIn(call, place.ns, *tests);
  if (!place.name.empty()) {
    if (events.empty()) {
      return tl::unexpected(Failure{.code = 404,
                                    .reason = "NotFound",
                                    .message = "events \"" + place.name + "\" not found",
                                    .name = place.name,
                                    .group = "",
                                    .kind = "events"});
    }
    return Response{.body = Dump(events.front())};
  }
  const std::string version = std::to_string(call.backend.store->resource_version());
  const Json list = {{"kind", "EventList"},
                     {"apiVersion", "v1"},
                     {"metadata", {{"resourceVersion", version}}},
                     {"items", std::move(events)}};
  return Response{.body = Dump(list)};
}

}  // namespace vsplit
