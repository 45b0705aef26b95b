// SPDX-License-Identifier: Apache-2.0
// Objects and lists of them.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "selector.h"
#include "text.h"
#include "verbs.h"
#include "view.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"
#include "watch.h"

namespace vsplit {
namespace {

// Where a list goes on: the version that it is of, and the last object that was in it.
struct Page {
  std::uint64_t version = 0;
  ObjectKey after;          // without a name: from the beginning
  std::uint64_t limit = 0;  // 0: none
};

std::string TokenOf(std::uint64_t version, const ObjectKey& last) {
  return std::to_string(version) + "/" + last.ns + "/" + last.name;
}

Failure Expired() {
  return {.code = 410,
          .reason = "Expired",
          .message =
              "The provided continue parameter or resourceVersion is too old to display a "
              "consistent list result. You can start a new list without it"};
}

Failure TooNew(std::uint64_t asked, std::uint64_t present) {
  return {.code = 504,
          .reason = "Timeout",
          .message = "Too large resource version: " + std::to_string(asked) +
                     ", current: " + std::to_string(present),
          .causes = {{.reason = "ResourceVersionTooLarge",
                      .field = "",
                      .message = "Too large resource version"}},
          .retry_after = 1};
}

Outcome<Page> ReadContinue(const std::string& token, Kind kind, Page page) {
  std::string_view rest = token;
  const std::string_view version = TakeUntil(rest, '/');
  const std::string_view ns = TakeUntil(rest, '/');
  const Outcome<std::uint64_t> number = ParseNumber("continue", version);
  if (!number || rest.empty()) {
    return BadRequest("the continue parameter \"" + token + "\" is none that was given out");
  }
  page.version = *number;
  page.after = {.kind = kind, .ns = std::string(ns), .name = std::string(rest)};
  return page;
}

Outcome<Page> ReadPage(const Call& call, Kind kind) {
  const std::uint64_t present = call.backend.store->resource_version();
  const Outcome<std::uint64_t> limit = NumberParameter(call, "limit");
  const Outcome<std::uint64_t> version = NumberParameter(call, "resourceVersion");
  if (!limit || !version) {
    return tl::unexpected(limit ? version.error() : limit.error());
  }
  Page page{.version = present, .after = {}, .limit = *limit};
  if (const std::string token = call.Query("continue"); !token.empty()) {
    return ReadContinue(token, kind, std::move(page));
  }
  if (*version > present) {
    return tl::unexpected(TooNew(*version, present));
  }
  const std::string match = call.Query("resourceVersionMatch");
  if (match == "Exact") {
    page.version = *version;
  } else if (!match.empty() && match != "NotOlderThan") {
    return BadRequest("invalid resourceVersionMatch \"" + match +
                      "\", it is Exact or NotOlderThan");
  }
  return page;
}

// The objects as they were in this version; nothing: that is too long ago.
Outcome<std::vector<ObjectPtr>> ObjectsAt(const Store& store, const Place& place,
                                          std::uint64_t version) {
  std::vector<ObjectPtr> objects = ObjectsIn(store, place.info->kind, place.ns);
  if (version >= store.resource_version()) {
    return objects;
  }
  const RecentChanges& recent = store.recent();
  if (version < recent.forgotten) {
    return tl::unexpected(Expired());
  }
  std::map<ObjectKey, ObjectPtr> as_it_was;
  for (const ObjectPtr& object : objects) {
    as_it_was.emplace(object->key, object);
  }
  for (auto change = recent.changes.rbegin();
       change != recent.changes.rend() && change->resource_version > version; ++change) {
    if (!place.Covers(change->key)) {
      continue;
    }
    if (change->before == nullptr) {
      as_it_was.erase(change->key);
    } else {
      as_it_was[change->key] = change->before;
    }
  }
  objects.clear();
  for (auto& [key, object] : as_it_was) {
    objects.push_back(std::move(object));
  }
  return objects;
}

}  // namespace

Outcome<Response> Get(const Call& call, const Place& place) {
  const Outcome<bool> watches = AsksToWatch(call);
  if (!watches) {
    return tl::unexpected(watches.error());
  }
  if (*watches) {
    return Watch(call, place);
  }
  const Outcome<View> view = ViewOf(call);
  if (!view) {
    return tl::unexpected(view.error());
  }
  const std::uint64_t present = call.backend.store->resource_version();
  const Outcome<std::uint64_t> version = NumberParameter(call, "resourceVersion");
  if (!version || *version > present) {
    return tl::unexpected(version ? TooNew(*version, present) : version.error());
  }
  const ObjectPtr object = call.backend.store->Find(place.key());
  if (object == nullptr) {
    return About(place.key(), {.code = 404, .reason = "NotFound"});
  }
  return Response{.body = Dump(ViewObject(call.backend, *view, place, *object))};
}

Outcome<Response> List(const Call& call, const Place& place) {
  const Outcome<bool> watches = AsksToWatch(call);
  if (!watches) {
    return tl::unexpected(watches.error());
  }
  if (*watches) {
    return Watch(call, place);
  }
  const Outcome<View> view = ViewOf(call);
  if (!view) {
    return tl::unexpected(view.error());
  }
  const Outcome<Selector> selector = ParseSelector(call, *place.info);
  if (!selector) {
    return tl::unexpected(selector.error());
  }
  const Outcome<Page> page = ReadPage(call, place.info->kind);
  if (!page) {
    return tl::unexpected(page.error());
  }
  Outcome<std::vector<ObjectPtr>> objects = ObjectsAt(*call.backend.store, place, page->version);
  if (!objects) {
    return tl::unexpected(objects.error());
  }
  std::erase_if(*objects, [&](const ObjectPtr& object) {
    return (!page->after.name.empty() && object->key <= page->after) || !selector->Matches(*object);
  });
  ListMetadata metadata{.resource_version = page->version};
  if (page->limit != 0 && objects->size() > page->limit) {
    metadata.remaining = objects->size() - page->limit;
    objects->resize(page->limit);
    metadata.continue_token = TokenOf(page->version, objects->back()->key);
  }
  return Response{.body = Dump(ViewList(call.backend, *view, place, *objects, metadata))};
}

}  // namespace vsplit
