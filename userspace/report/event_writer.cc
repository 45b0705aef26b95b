// SPDX-License-Identifier: Apache-2.0
#include "event_writer.h"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lease.h"
#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/retry.h"
#include "vsplit/text.h"

namespace vsplit::report {
namespace {

constexpr unsigned kMultiple = 300;
constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kConflict = 409;
constexpr unsigned kInvalid = 422;
// What Kubernetes allows in these fields (pkg/apis/core/validation/events.go).
constexpr std::size_t kNoteBytes = 1024;
constexpr std::size_t kInstanceBytes = 128;
constexpr std::size_t kNameBytes = 200;  // of the object, before a dot and 16 digits
constexpr std::size_t kEntries = 1000;
// What is away for so long is another occurrence when it comes again.
constexpr std::chrono::minutes kMemory{10};

std::string PathOf(const ObjectKey& object) {
  return "/apis/events.k8s.io/v1/namespaces/" +
         UrlEncode(object.ns.empty() ? "default" : object.ns) + "/events";
}

std::string Dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void EventWriter::Set(const std::vector<ObjectTrouble>& troubles, Time now) {
  std::set<ObjectKey> present;
  for (const ObjectTrouble& trouble : troubles) {
    present.insert(trouble.object);
    Put(trouble, now);
  }
  for (auto& [key, entry] : entries_) {
    if (!present.contains(key)) {
      entry.trouble.times = 0;
    }
  }
  Forget(now);
}

void EventWriter::Put(const ObjectTrouble& trouble, Time now) {
  const auto found = entries_.find(trouble.object);
  if (found == entries_.end()) {
    if (entries_.size() < kEntries) {
      entries_.emplace(trouble.object, Entry{.trouble = trouble,
                                             .count = trouble.times,
                                             .last = now,
                                             .next = now,
                                             .repeat = options_.min_repeat});
    }
    return;
  }
  Entry& entry = found->second;
  const ObjectTrouble& before = entry.trouble;
  if (before.note != trouble.note || before.reason != trouble.reason || before.uid != trouble.uid) {
    entry = {.trouble = trouble,
             .count = trouble.times,
             .last = now,
             .next = now,
             .repeat = options_.min_repeat};
    return;
  }
  entry.count += trouble.times - (trouble.times >= before.times ? before.times : 0);
  entry.trouble = trouble;
  entry.last = now;
}

void EventWriter::Forget(Time now) {
  std::erase_if(entries_, [now](const auto& one) {
    return one.second.trouble.times == 0 && one.second.last + kMemory <= now;
  });
}

std::optional<Time> EventWriter::Due() const {
  std::optional<Time> due;
  for (const auto& [key, entry] : entries_) {
    if (entry.told < entry.count) {
      due = due ? std::min(*due, entry.next) : entry.next;
    }
  }
  return due ? std::optional(budget_.Next(*due)) : std::nullopt;
}

std::optional<ApiRequest> EventWriter::Next(Time now, const std::string& wall) {
  if (budget_.Next(now) > now) {
    return std::nullopt;
  }
  for (auto& [key, entry] : entries_) {
    if (entry.told >= entry.count || entry.next > now) {
      continue;
    }
    budget_.Spend(now);
    asked_ = key;
    entry.telling = entry.count;
    if (entry.event.empty()) {
      return Create(entry, wall);
    }
    return ApiRequest{
        .method = "PATCH",
        .target = PathOf(key) + "/" + UrlEncode(entry.event),
        .content_type = "application/merge-patch+json",
        .body = Dumped({{"series", {{"count", entry.count}, {"lastObservedTime", wall}}}})};
  }
  return std::nullopt;
}

ApiRequest EventWriter::Create(Entry& entry, const std::string& wall) {
  const ObjectTrouble& trouble = entry.trouble;
  const KindInfo& info = InfoOf(trouble.object.kind);
  const std::string seed = options_.lease.identity + wall + std::to_string(++created_);
  entry.event = fmt::format("{}.{:016x}", trouble.object.name.str().substr(0, kNameBytes),
                            std::hash<std::string>{}(seed));
  Json json = {{"apiVersion", "events.k8s.io/v1"},
               {"kind", "Event"},
               {"metadata", {{"name", entry.event}}},
               {"eventTime", wall},
               {"reportingController", "vsplit.io/agent"},
               {"reportingInstance", options_.node.substr(0, kInstanceBytes)},
               {"action", "Program"},
               {"reason", trouble.reason},
               {"type", "Warning"},
               {"note", trouble.note.substr(0, kNoteBytes)},
               {"regarding",
                {{"apiVersion", ApiVersion(info, PreferredVersion(info))},
                 {"kind", info.name},
                 {"namespace", trouble.object.ns},
                 {"name", trouble.object.name},
                 {"uid", trouble.uid}}}};
  if (entry.count > 1) {
    json["series"] = {{"count", entry.count}, {"lastObservedTime", wall}};
  }
  return {.method = "POST",
          .target = PathOf(trouble.object) + "?fieldManager=vsplit",
          .content_type = "application/json",
          .body = Dumped(json)};
}

void EventWriter::Take(const ApiAnswer& answer, Time now, double chance) {
  const auto found = entries_.find(asked_);
  if (answer.retry_after.count() > 0) {
    budget_.Pause(now + answer.retry_after);
  }
  if (found == entries_.end() || found->second.event.empty()) {
    return;  // it is another trouble, or gone
  }
  Entry& entry = found->second;
  // A name is taken by nobody else: the first request has reached the server, too.
  const bool twice = answer.status == kConflict && entry.told == 0;
  if (twice || (answer.status != 0 && answer.status < kMultiple)) {
    trouble_.clear();
    entry.failures = 0;
    entry.told = entry.telling;
    entry.next = now + entry.repeat;
    entry.repeat = std::min(entry.repeat * 2, options_.max_repeat);
    return;
  }
  ++entry.failures;
  const bool forbidden = answer.status == kForbidden;
  entry.next = now + RetryAfter(options_.min_retry, options_.max_retry, entry.failures, chance);
  if (entry.told == 0 || answer.status == kNotFound) {
    entry.event.clear();  // it is not there, or no more
  }
  if (answer.status == kConflict || (answer.status == kNotFound && entry.told > 0)) {
    return;
  }
  // Of a namespace that is gone or about to be, and of what the server will never take.
  const bool gone = forbidden && answer.body.find("being terminated") != std::string::npos;
  if (gone || answer.status == kNotFound || answer.status == kInvalid) {
    entry.told = entry.count;
  }
  if (gone) {
    return;
  }
  trouble_ = answer.Trouble();
  if (forbidden) {
    budget_.Pause(now + options_.refused);
  }
}

}  // namespace vsplit::report
