// SPDX-License-Identifier: Apache-2.0
#include "watch.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
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
#include "view.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using Clock = Stream::Clock;

constexpr std::size_t kPiece = std::size_t{256} << 10;  // bytes to be written at once, about
constexpr std::chrono::seconds kBookmarks{60};          // between two
constexpr std::chrono::seconds kLongest{45 * 60};       // of a watch that names no time

struct WatchOptions {
  View view;
  std::uint64_t since = 0;        // events behind it
  bool initial_events = false;    // the objects that are there come first, as ADDED
  bool mark_initial_end = false;  // and then a bookmark that says that these were all
  bool bookmarks = false;
  std::chrono::seconds time = kLongest;
};

class EventStream : public Stream {
 public:
  EventStream(const Store& store, std::unique_ptr<Watched> watched, const WatchOptions& options)
      : store_(&store),
        watched_(std::move(watched)),
        as_(watched_->appearance()),
        options_(options),
        position_(options_.initial_events ? store.resource_version() : options_.since),
        initial_(options_.initial_events),
        end_(Clock::now() + options_.time),
        next_bookmark_(Clock::now() + kBookmarks) {}

  std::string Take(Clock::time_point now) override {
    std::string text;
    if (initial_) {
      TakeInitial(text);
    }
    if (!initial_ && text.size() < kPiece) {
      TakeChanges(text);
    }
    const bool caught_up = text.size() < kPiece && !ended_;
    if (caught_up && options_.bookmarks && now >= std::min(next_bookmark_, end_)) {
      next_bookmark_ = now + kBookmarks;
      text += Bookmark(false);
    }
    ended_ = ended_ || (caught_up && now >= end_);
    return text;
  }

  bool ended() const override { return ended_; }

  Clock::time_point due() const override {
    return options_.bookmarks ? std::min(next_bookmark_, end_) : end_;
  }

 private:
  void TakeInitial(std::string& text) {
    while (text.size() < kPiece) {
      std::optional<Json> object = watched_->NextPresent();
      if (!object) {
        initial_ = false;
        text += options_.mark_initial_end ? Bookmark(true) : "";
        return;
      }
      text += Seen("ADDED", *std::move(object));
    }
  }

  void TakeChanges(std::string& text) {
    const RecentChanges& recent = store_->recent();
    if (position_ < recent.forgotten) {
      ended_ = true;
      text += Event("ERROR", Json::parse(ToResponse(Expired(recent.forgotten)).body));
      return;
    }
    auto change =
        std::ranges::upper_bound(recent.changes, position_, {}, &Change::resource_version);
    for (; change != recent.changes.end() && text.size() < kPiece; ++change) {
      if (std::optional<Watched::Event> event = watched_->Of(*change)) {
        text += Seen(event->type, std::move(event->object));
      }
      position_ = change->resource_version;
    }
    if (change == recent.changes.end()) {
      position_ = std::max(position_, store_->resource_version());
    }
  }

  Failure Expired(std::uint64_t oldest) const {
    return {.code = 410,
            .reason = "Expired",
            .message = "too old resource version: " + std::to_string(position_) + " (" +
                       std::to_string(oldest) + ")"};
  }

  std::string Seen(std::string_view type, Json object) {
    return Event(type, ViewRendered(as_, options_.view, std::move(object),
                                    std::exchange(columns_due_, false)));
  }

  std::string Bookmark(bool initial_end) const {
    Json metadata = {{"resourceVersion", std::to_string(position_)},
                     {"creationTimestamp", nullptr}};
    if (initial_end) {
      metadata["annotations"] = {{"k8s.io/initial-events-end", "true"}};
    }
    if (options_.view.form == View::Form::kTable) {
      return Event("BOOKMARK", {{"kind", "Table"},
                                {"apiVersion", options_.view.table_version},
                                {"metadata", {{"resourceVersion", std::to_string(position_)}}},
                                {"columnDefinitions", nullptr},
                                {"rows", Json::array({{{"cells", Json::array()},
                                                       {"object",
                                                        {{"kind", "PartialObjectMetadata"},
                                                         {"apiVersion", "meta.k8s.io/v1"},
                                                         {"metadata", std::move(metadata)}}}}})}});
    }
    const bool partial = options_.view.form == View::Form::kMetadata;
    return Event("BOOKMARK", {{"kind", partial ? "PartialObjectMetadata" : as_.kind},
                              {"apiVersion", partial ? "meta.k8s.io/v1" : as_.api_version},
                              {"metadata", std::move(metadata)}});
  }

  static std::string Event(std::string_view type, Json object) {
    return Dump({{"type", type}, {"object", std::move(object)}});
  }

  const Store* store_;
  std::unique_ptr<Watched> watched_;
  Appearance as_;
  WatchOptions options_;
  std::uint64_t position_;  // what came up to it was said
  bool initial_;            // what is there is not all said
  Clock::time_point end_, next_bookmark_;
  bool columns_due_ = true;
  bool ended_ = false;
};

class WatchedObjects : public Watched {
 public:
  WatchedObjects(const Backend& backend, Place place, Selector selector, std::uint64_t since)
      : backend_(&backend), place_(std::move(place)), selector_(std::move(selector)) {
    if (since == 0) {
      present_ = ObjectsIn(*backend_->store, place_.info->kind, place_.ns);
    }
  }

  std::optional<Json> NextPresent() override {
    while (next_ < present_.size()) {
      const ObjectPtr object = std::move(present_[next_++]);
      if (selector_.Matches(*object)) {
        return ShownDocument(*backend_, place_, *object);
      }
    }
    present_.clear();
    return std::nullopt;
  }

  std::optional<Event> Of(const Change& change) override {
    if (!place_.Covers(change.key)) {
      return std::nullopt;
    }
    const bool before = change.before != nullptr && selector_.Matches(*change.before);
    const bool after = change.after != nullptr && selector_.Matches(*change.after);
    if (!before && !after) {
      return std::nullopt;
    }
    const Object& last = change.after != nullptr ? *change.after : *change.before;
    Event event{.type = before ? "MODIFIED" : "ADDED",
                .object = ShownDocument(*backend_, place_, last)};
    if (!after) {
      event.type = "DELETED";
      event.object["metadata"]["resourceVersion"] = std::to_string(change.resource_version);
    }
    return event;
  }

  Appearance appearance() const override { return AppearanceOf(*backend_, place_); }

 private:
  const Backend* backend_;
  Place place_;
  Selector selector_;
  std::vector<ObjectPtr> present_;
  std::size_t next_ = 0;
};

Outcome<bool> Truth(const Call& call, const std::string& name) {
  const std::string value = call.Query(name);
  if (value == "1") {
    return true;
  }
  return value == "0" ? Outcome<bool>(false) : Flag(call, name);
}

// Of what is sent first.
Outcome<void> ReadInitial(const Call& call, WatchOptions& options) {
  const Outcome<std::uint64_t> version = NumberParameter(call, "resourceVersion");
  const Outcome<bool> initial = Truth(call, "sendInitialEvents");
  if (!version || !initial) {
    return tl::unexpected(version ? initial.error() : version.error());
  }
  options.since = *version;
  options.initial_events = *initial || (*version == 0 && call.Query("sendInitialEvents").empty());
  options.mark_initial_end = *initial && options.bookmarks;
  const std::string match = call.Query("resourceVersionMatch");
  if (*initial && match != "NotOlderThan") {
    return tl::unexpected(Failure{
        .code = 422,
        .reason = "Invalid",
        .message = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: "
                   "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        .causes = {{.reason = "FieldValueForbidden",
                    .field = "resourceVersionMatch",
                    .message = "sendInitialEvents requires NotOlderThan"}}});
  }
  if (options.since == 0 && !options.initial_events) {
    options.since = call.backend.store->resource_version();
  }
  return {};
}

}  // namespace

Outcome<bool> AsksToWatch(const Call& call) {
  return Truth(call, "watch");
}

Outcome<Response> Watch(const Call& call, const BeginWatched& begin) {
  const Outcome<View> view = ViewOf(call);
  if (!view) {
    return tl::unexpected(view.error());
  }
  const Outcome<bool> bookmarks = Truth(call, "allowWatchBookmarks");
  if (!bookmarks) {
    return tl::unexpected(bookmarks.error());
  }
  const Outcome<std::uint64_t> seconds = NumberParameter(call, "timeoutSeconds");
  if (!seconds) {
    return tl::unexpected(seconds.error());
  }
  WatchOptions options{.view = *view, .bookmarks = *bookmarks};
  if (*seconds != 0) {
    options.time = std::min(
        std::chrono::seconds(std::min<std::uint64_t>(*seconds, kLongest.count())), kLongest);
  }
  if (const Outcome<void> read = ReadInitial(call, options); !read) {
    return tl::unexpected(read.error());
  }
  return Response{
      .stream = std::make_shared<EventStream>(
          *call.backend.store, begin(options.initial_events ? 0 : options.since), options)};
}

Outcome<Response> Watch(const Call& call, const Place& place) {
  Outcome<Selector> selector = ParseSelector(call, *place.info);
  if (!selector) {
    return tl::unexpected(selector.error());
  }
  if (!place.name.empty()) {
    selector->fields.push_back(
        {.key = "metadata.name", .is = Requirement::Operator::kIn, .values = {place.name}});
  }
  return Watch(call, [&](std::uint64_t since) -> std::unique_ptr<Watched> {
    return std::make_unique<WatchedObjects>(call.backend, place, *std::move(selector), since);
  });
}

}  // namespace vsplit
