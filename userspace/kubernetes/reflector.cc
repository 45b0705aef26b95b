// SPDX-License-Identifier: Apache-2.0
#include "reflector.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include "item.h"
#include "mirror.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/retry.h"
#include "vsplit/text.h"

namespace vsplit::kubernetes {
namespace {

constexpr unsigned kNotFound = 404;
constexpr unsigned kGone = 410;
constexpr unsigned kUnprocessable = 422;
constexpr unsigned kBadRequest = 400;
constexpr unsigned kServerError = 500;
// A server that is starting may not know its custom kinds for a moment.
constexpr unsigned kNotFoundForSure = 4;
// An answer that lasted so long ends a row of failures.
constexpr std::chrono::seconds kHealthy{60};

}  // namespace

std::string PathOf(const Collection& collection) {
  const KindInfo& info = InfoOf(collection.kind);
  std::string path =
      (info.group.empty() ? "/api/" : "/apis/") + ApiVersion(info, PreferredVersion(info));
  if (!collection.ns.empty()) {
    path += "/namespaces/" + UrlEncode(collection.ns);
  }
  return path + "/" + std::string(info.plural);
}

Question Reflector::Next(double chance) {
  failed_ = anew_ = gone_ = false;
  asked_ = mode_;
  std::string query;
  const auto add = [&query](std::string_view name, std::string_view value) {
    query += query.empty() ? '?' : '&';
    query += std::string(name) + "=" + UrlEncode(value);
  };
  if (!collection_.field_selector.empty()) {
    add("fieldSelector", collection_.field_selector);
  }
  if (mode_ == Mode::kPages) {
    add("limit", std::to_string(options_.page));
    if (!page_.empty()) {
      add("continue", page_);
    }
    return {.target = PathOf(collection_) + query};
  }
  const std::chrono::duration<double> range = options_.max_watch - options_.min_watch;
  const auto seconds =
      options_.min_watch + std::chrono::duration_cast<std::chrono::seconds>(range * chance);
  add("watch", "true");
  add("allowWatchBookmarks", "true");
  add("timeoutSeconds", std::to_string(seconds.count()));
  if (mode_ == Mode::kStream) {
    listed_.clear();
    add("sendInitialEvents", "true");
    add("resourceVersionMatch", "NotOlderThan");
  } else {
    add("resourceVersion", resource_version_);
  }
  return {.target = PathOf(collection_) + query, .watch = true};
}

void Reflector::TakeStart() {
  status_.trouble.clear();
  not_found_ = 0;
}

bool Reflector::TakeLine(std::string_view line, Mirror& mirror) {
  Result<Event> event = ReadEvent(collection_.kind, line);
  if (!event) {
    TakeTrouble(event.error().message);
    return false;
  }
  switch (event->type) {
    case Event::Type::kError:
      TakeError(event->code, std::move(event->message));
      return false;
    case Event::Type::kBookmark:
      if (mode_ == Mode::kStream) {
        if (event->initial_end) {
          Complete(std::move(event->resource_version), mirror);
        }
        return true;
      }
      break;
    case Event::Type::kChanged:
      if (mode_ == Mode::kStream) {
        listed_.push_back(std::move(event->item));
        return true;
      }
      mirror.Put(collection_, std::move(event->item));
      break;
    case Event::Type::kDeleted:
      if (mode_ == Mode::kStream) {
        const ObjectKey& key = event->item.key;
        std::erase_if(listed_, [&key](const Item& item) { return item.key == key; });
        return true;
      }
      mirror.Remove(collection_, event->item.key);
      break;
  }
  resource_version_ = std::move(event->resource_version);
  return true;
}

void Reflector::TakePage(std::string_view body, Mirror& mirror) {
  Result<Page> page = ReadPage(collection_.kind, body);
  if (!page) {
    return TakeTrouble(page.error().message);
  }
  for (Item& item : page->items) {
    listed_.push_back(std::move(item));
  }
  page_ = std::move(page->next);
  if (page_.empty()) {
    Complete(std::move(page->resource_version), mirror);
  }
}

void Reflector::TakeRefusal(unsigned status, std::string_view body, Mirror& mirror) {
  const unsigned not_found = not_found_;
  TakeError(status, "HTTP status " + std::to_string(status) + ": " + MessageOf(body));
  if (status != kNotFound) {
    return;
  }
  ListAnew();
  // Kinds of Kubernetes itself are always there. When the definition of another one is removed, its
  // objects are deleted first: what was listed once and was not deleted stays.
  const bool custom = InfoOf(collection_.kind).group == InfoOf(Kind::kVirtualService).group;
  not_found_ = not_found + 1;
  if (custom && not_found_ >= kNotFoundForSure) {
    status_.absent = true;
    if (!std::exchange(status_.complete, true)) {
      mirror.Replace(collection_, {});
    }
  }
}

void Reflector::TakeTrouble(std::string what) {
  not_found_ = 0;
  failed_ = true;
  status_.trouble = std::move(what);
}

// A server that has seen no event of a kind since it started sends no bookmarks of it (its watch
// cache knows no version to send): such a watch is as silent as that of a dead peer, which shows
// when it is asked anew.
void Reflector::TakeSilence(std::string what) {
  if (mode_ != Mode::kWatch) {
    TakeTrouble(std::move(what));
  }
}

void Reflector::TakeError(unsigned code, std::string message) {
  if (code == kGone) {
    // The version is too old, or the token of a page: nothing is wrong with the server.
    gone_ = true;
    status_.expired += mode_ == Mode::kWatch ? 1 : 0;
    ListAnew();
    return;
  }
  TakeTrouble(std::move(message));
  // Refused as a parameter that it does not take, or as a feature that its storage lacks.
  if (mode_ == Mode::kStream &&
      (code == kUnprocessable || code == kBadRequest || code == kServerError)) {
    streams_lists_ = false;
    failed_ = false;
    ListAnew();
  }
}

void Reflector::Complete(std::string resource_version, Mirror& mirror) {
  mirror.Replace(collection_, std::exchange(listed_, {}));
  resource_version_ = std::move(resource_version);
  mode_ = Mode::kWatch;
  not_found_ = 0;
  status_.complete = true;
  status_.absent = false;
  status_.trouble.clear();
  ++status_.lists;
}

void Reflector::ListAnew() {
  mode_ = streams_lists_ ? Mode::kStream : Mode::kPages;
  page_.clear();
  listed_.clear();
  anew_ = true;
}

std::chrono::milliseconds Reflector::WaitAfter(std::chrono::milliseconds lasted,
                                               std::chrono::milliseconds retry_after,
                                               double chance) {
  if (asked_ == Mode::kStream && mode_ == Mode::kStream && !failed_ && !anew_) {
    // As from a server that knows nothing of streamed lists, and ends the watch in its time.
    TakeTrouble("the server ended a list before it was complete");
    streams_lists_ = false;
    ListAnew();
  }
  if (lasted >= kHealthy) {
    status_.failures = 0;
  }
  if (!failed_) {
    status_.trouble.clear();
    const bool hasty = (asked_ == Mode::kWatch || gone_) && lasted < std::chrono::seconds(1);
    return std::max(retry_after, hasty ? options_.min_retry : std::chrono::milliseconds(0));
  }
  ++status_.failures;
  return std::max(retry_after,
                  RetryAfter(options_.min_retry, options_.max_retry, status_.failures, chance));
}

}  // namespace vsplit::kubernetes
