// SPDX-License-Identifier: Apache-2.0
// Events of the core group, for `kubectl describe` and `kubectl events`: what the agent finds about
// an object right now. Nothing is kept: an Event is there as long as what it says holds, so there
// is at most one for each object, and none is older than its reason. It has its object's
// resourceVersion, which moves whenever what the agent says about the object does.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
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
#include "table.h"
#include "text.h"
#include "view.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"
#include "vsplit/text.h"
#include "watch.h"

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
            {"uid", object.version.uid.str() + "-enforced"},
            {"resourceVersion", version}}},
          {"involvedObject",
           {{"kind", info.name},
            {"namespace", object.key.ns},
            {"name", object.key.name},
            {"uid", object.version.uid.str()},
            {"apiVersion", ApiVersion(info, PreferredVersion(info))},
            {"resourceVersion", version}}},
          {"source", {{"component", "vsplitd"}}},
          {"reportingComponent", "vsplitd"},
          {"reportingInstance", ""}};
}

// The condition of the agent's that is worth an Event; null: all is as written.
Json Finding(const Backend& backend, const Object& object) {
  const std::string text = backend.object_status(object);
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

// Who is asked about, and of that what passes the tests.
struct EventQuery {
  std::string ns;  // empty: all
  std::vector<FieldTest> tests;
};

bool IsAbout(const EventQuery& query, const ObjectKey& key) {
  return HasOwnStatus(key.kind) && (query.ns.empty() || query.ns == key.ns);
}

// Of an object that is asked about; null: there is none. The agent is asked only where one may be.
Json EventOf(const Backend& backend, const EventQuery& query, const Object& object) {
  std::vector<FieldTest> early;
  std::ranges::copy_if(query.tests, std::back_inserter(early), [](const FieldTest& test) {
    return test.path != "type" && test.path != "reason";
  });
  Json event = Frame(object);
  const Json finding = Holds(early, event) ? Finding(backend, object) : Json();
  if (finding.is_null()) {
    return {};
  }
  Fill(finding, event);
  return Holds(query.tests, event) ? event : Json();
}

std::vector<Json> EventsOf(const Backend& backend, const EventQuery& query) {
  std::vector<Json> events;
  for (const KindInfo& info : Kinds()) {
    if (!HasOwnStatus(info.kind)) {
      continue;
    }
    for (const ObjectPtr& object : ObjectsIn(*backend.store, info.kind, query.ns)) {
      if (Json event = EventOf(backend, query, *object); !event.is_null()) {
        events.push_back(std::move(event));
      }
    }
  }
  return events;
}

// ---- as a table ---------------------------------------------------------------------------------

struct Column {
  const char* name;
  int priority;  // 1: with -o wide only
  Json (*cell)(const Json& event, const std::string& now);
};

// As `kubectl get events` shows them in Kubernetes.
constexpr auto kColumns = std::to_array<Column>({
    {"Last Seen", 0,
     [](const Json& event, const std::string& now) {
       return Json(AgeOf(TextAt(event, "/lastTimestamp"), now));
     }},
    {"Type", 0, [](const Json& event, const std::string&) { return Json(TextAt(event, "/type")); }},
    {"Reason", 0,
     [](const Json& event, const std::string&) { return Json(TextAt(event, "/reason")); }},
    {"Object", 0,
     [](const Json& event, const std::string&) {
       return Json(Lower(TextAt(event, "/involvedObject/kind")) + "/" +
                   TextAt(event, "/involvedObject/name"));
     }},
    {"Subobject", 1, [](const Json&, const std::string&) { return Json(""); }},
    {"Source", 1,
     [](const Json& event, const std::string&) {
       return Json(TextAt(event, "/source/component"));
     }},
    {"Message", 0,
     [](const Json& event, const std::string&) { return Json(TextAt(event, "/message")); }},
    {"First Seen", 1,
     [](const Json& event, const std::string& now) {
       return Json(AgeOf(TextAt(event, "/firstTimestamp"), now));
     }},
    {"Count", 1,
     [](const Json& event, const std::string&) { return event.value("count", Json()); }},
    {"Name", 1,
     [](const Json& event, const std::string&) { return Json(TextAt(event, "/metadata/name")); }},
});

Json Columns() {
  Json columns = Json::array();
  for (const Column& column : kColumns) {
    const std::string name = column.name;
    columns.push_back({{"name", name},
                       {"type", name == "Count" ? "integer" : "string"},
                       {"format", name == "Name" ? "name" : ""},
                       {"description", ""},
                       {"priority", column.priority}});
  }
  return columns;
}

Appearance EventAppearance(const Backend& backend) {
  return {.kind = "Event",
          .api_version = "v1",
          .columns = Columns,
          .cells = [now = backend.now](const Json& event) {
            Json cells = Json::array();
            for (const Column& column : kColumns) {
              cells.push_back(column.cell(event, now()));
            }
            return cells;
          }};
}

// ---- as they come and go ------------------------------------------------------------------------

// An Event is of one object, and is there or not after each change of it.
class WatchedEvents : public Watched {
 public:
  WatchedEvents(const Backend& backend, EventQuery query, std::uint64_t since)
      : backend_(backend), query_(std::move(query)) {
    const Store& store = *backend_.store;
    present_ = EventsOf(backend_, query_);
    for (const Json& event : present_) {
      known_.insert(TextAt(event, "/metadata/uid"));
    }
    if (since == 0) {
      return;
    }
    present_.clear();
    // Of what has changed since then it is not known whether there was an Event, if there could be.
    const std::deque<Change>& changes = store.recent().changes;
    for (auto change = changes.rbegin();
         change != changes.rend() && change->resource_version > since; ++change) {
      if (!IsAbout(query_, change->key)) {
        continue;
      }
      if (change->before) {
        known_.insert(UidOf(*change->before));
      } else {
        known_.erase(UidOf(*change->after));
      }
    }
  }

  std::optional<Json> NextPresent() override {
    if (next_ == present_.size()) {
      present_.clear();
      return std::nullopt;
    }
    return std::move(present_[next_++]);
  }

  std::optional<Event> Of(const Change& change) override {
    if (!IsAbout(query_, change.key)) {
      return std::nullopt;
    }
    Json event = change.after ? EventOf(backend_, query_, *change.after) : Json();
    const Object& last = change.after ? *change.after : *change.before;
    if (!event.is_null()) {
      const bool is_new = known_.insert(UidOf(last)).second;
      return Event{.type = is_new ? "ADDED" : "MODIFIED", .object = std::move(event)};
    }
    if (known_.erase(UidOf(last)) == 0) {
      return std::nullopt;
    }
    event = Frame(last);
    event["metadata"]["resourceVersion"] = std::to_string(change.resource_version);
    return Event{.type = "DELETED", .object = std::move(event)};
  }

  Appearance appearance() const override { return EventAppearance(backend_); }

 private:
  static std::string UidOf(const Object& object) { return TextAt(Frame(object), "/metadata/uid"); }

  const Backend& backend_;
  EventQuery query_;
  std::vector<Json> present_;
  std::size_t next_ = 0;
  std::set<std::string> known_;  // uids of the Events that the client knows, or may
};

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
  const Outcome<bool> watches = AsksToWatch(call);
  const Outcome<View> view = ViewOf(call);
  Outcome<std::vector<FieldTest>> tests = ReadFieldSelector(call);
  if (!watches || !view) {
    return tl::unexpected(watches ? view.error() : watches.error());
  }
  if (!tests) {
    return tl::unexpected(tests.error());
  }
  EventPlace place;
  FindEvents(call.path, place);
  if (!place.name.empty()) {
    tests->push_back({.path = "metadata.name", .value = place.name});
  }
  const EventQuery query{.ns = place.ns, .tests = *std::move(tests)};
  if (*watches) {
    return Watch(call, [&](std::uint64_t since) -> std::unique_ptr<Watched> {
      return std::make_unique<WatchedEvents>(call.backend, query, since);
    });
  }
  std::vector<Json> events = EventsOf(call.backend, query);
  const Appearance as = EventAppearance(call.backend);
  if (place.name.empty()) {
    const ListMetadata metadata{.resource_version = call.backend.store->resource_version()};
    return Response{.body = Dump(ViewRenderedList(as, *view, std::move(events), metadata))};
  }
  if (events.empty()) {
    return tl::unexpected(Failure{.code = 404,
                                  .reason = "NotFound",
                                  .message = "events \"" + place.name + "\" not found",
                                  .name = place.name,
                                  .group = "",
                                  .kind = "events"});
  }
  return Response{.body = Dump(ViewRendered(as, *view, std::move(events.front()), true))};
}

}  // namespace vsplit
