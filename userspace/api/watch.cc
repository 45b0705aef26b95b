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
  Selector selector;
  std::uint64_t since = 0;        // events behind it
  bool initial_events = false;    // the objects that are there come first, as ADDED
  bool mark_initial_end = false;  // and then a bookmark that says that these were all
  bool bookmarks = false;
  std::chrono::seconds time = kLongest;
};

class EventStream : public Stream {
 public:
  EventStream(const Backend& backend, Place place, WatchOptions options)
      : backend_(&backend),
        place_(std::move(place)),
        options_(std::move(options)),
        position_(options_.since),
        end_(Clock::now() + options_.time),
        next_bookmark_(Clock::now() + kBookmarks) {
    if (options_.initial_events) {
      const Store& store = *backend_->store;
      initial_ = ObjectsIn(store, place_.info->kind, place_.ns);
      position_ = store.resource_version();
    }
  }

  std::string Take(Clock::time_point now) override {
    std::string text;
    TakeInitial(text);
    if (next_initial_ == initial_.size() && text.size() < kPiece) {
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
    while (next_initial_ < initial_.size() && text.size() < kPiece) {
      const Object& object = *initial_[next_initial_++];
      if (options_.selector.Matches(object)) {
        text += Event("ADDED", Seen(object));
      }
    }
    if (next_initial_ == initial_.size() && options_.mark_initial_end) {
      options_.mark_initial_end = false;
      text += Bookmark(true);
    }
    if (next_initial_ == initial_.size()) {
      initial_.clear();
      next_initial_ = 0;
    }
  }

  void TakeChanges(std::string& text) {
    const RecentChanges& recent = backend_->store->recent();
    if (position_ < recent.forgotten) {
      ended_ = true;
      text += Event("ERROR", Json::parse(ToResponse(Expired(recent.forgotten)).body));
      return;
    }
    auto change =
        std::ranges::upper_bound(recent.changes, position_, {}, &Change::resource_version);
    for (; change != recent.changes.end() && text.size() < kPiece; ++change) {
      text += EventOf(*change);
      position_ = change->resource_version;
    }
    if (change == recent.changes.end()) {
      position_ = std::max(position_, backend_->store->resource_version());
    }
  }

  Failure Expired(std::uint64_t oldest) const {
    return {.code = 410,
            .reason = "Expired",
            .message = "too old resource version: " + std::to_string(position_) + " (" +
                       std::to_string(oldest) + ")"};
  }

  // Nothing for a change that this watch does not see.
  std::string EventOf(const Change& change) {
    if (!place_.Covers(change.key)) {
      return "";
    }
    const bool before = change.before != nullptr && options_.selector.Matches(*change.before);
    const bool after = change.after != nullptr && options_.selector.Matches(*change.after);
    if (after) {
      return Event(before ? "MODIFIED" : "ADDED", Seen(*change.after));
    }
    if (!before) {
      return "";
    }
    const bool columns = std::exchange(columns_due_, false);
    const Object& gone = change.after != nullptr ? *change.after : *change.before;
    return Event("DELETED", ViewDeleted(*backend_, options_.view, place_, gone,
                                        change.resource_version, columns));
  }

  Json Seen(const Object& object) {
    return ViewObject(*backend_, options_.view, place_, object, std::exchange(columns_due_, false));
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
    return Event("BOOKMARK",
                 {{"kind", partial ? "PartialObjectMetadata" : std::string(place_.info->name)},
                  {"apiVersion", partial ? "meta.k8s.io/v1" : place_.api_version()},
                  {"metadata", std::move(metadata)}});
  }

  static std::string Event(std::string_view type, Json object) {
    return Dump({{"type", type}, {"object", std::move(object)}});
  }

  const Backend* backend_;
  Place place_;
  WatchOptions options_;
  std::uint64_t position_;  // what came up to it was said
  std::vector<ObjectPtr> initial_;
  std::size_t next_initial_ = 0;
  Clock::time_point end_, next_bookmark_;
  bool columns_due_ = true;
  bool ended_ = false;
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

Outcome<Response> Watch(const Call& call, const Place& place) {
  const Outcome<View> view = ViewOf(call);
  if (!view) {
    return tl::unexpected(view.error());
  }
  Outcome<Selector> selector = ParseSelector(call, *place.info);
  if (!selector) {
    return tl::unexpected(selector.error());
  }
  const Outcome<bool> bookmarks = Truth(call, "allowWatchBookmarks");
  if (!bookmarks) {
    return tl::unexpected(bookmarks.error());
  }
  const Outcome<std::uint64_t> seconds = NumberParameter(call, "timeoutSeconds");
  if (!seconds) {
    return tl::unexpected(seconds.error());
  }
  WatchOptions options{.view = *view, .selector = *std::move(selector), .bookmarks = *bookmarks};
  if (*seconds != 0) {
    options.time = std::min(
        std::chrono::seconds(std::min<std::uint64_t>(*seconds, kLongest.count())), kLongest);
  }
  if (const Outcome<void> read = ReadInitial(call, options); !read) {
    return tl::unexpected(read.error());
  }
  if (!place.name.empty()) {
    options.selector.fields.push_back(
        {.key = "metadata.name", .is = Requirement::Operator::kIn, .values = {place.name}});
  }
  return Response{.stream = std::make_shared<EventStream>(call.backend, place, std::move(options))};
}

}  // namespace vsplit
