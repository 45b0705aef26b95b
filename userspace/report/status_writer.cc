// SPDX-License-Identifier: Apache-2.0
#include "status_writer.h"

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lease.h"
#include "status_patch.h"
#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/text.h"

namespace vsplit::report {
namespace {

constexpr unsigned kOk = 200;
constexpr unsigned kForbidden = 403;
constexpr unsigned kNotFound = 404;
constexpr unsigned kConflict = 409;
// An object that has just been deleted is not found; one that stays has no such subresource.
constexpr unsigned kNotFoundForSure = 3;
// Rules that are looked at in one call; the loop has other work, too.
constexpr unsigned kAtOnce = 100;

// "2024-10-10T07:03:57Z", without what may come behind the seconds: metav1.Time.
std::string InSeconds(const std::string& time) {
  const std::size_t point = time.find('.');
  return point == std::string::npos ? time : time.substr(0, point) + "Z";
}

std::string TargetOf(const ObjectKey& key) {
  const KindInfo& info = InfoOf(key.kind);
  return "/apis/" + ApiVersion(info, PreferredVersion(info)) + "/namespaces/" + UrlEncode(key.ns) +
         "/" + std::string(info.plural) + "/" + UrlEncode(key.name) + "/status?fieldManager=vsplit";
}

}  // namespace

void StatusWriter::Begin(Time now) {
  begun_ = true;
  for (const ObjectKey& key : source_.rules()) {
    queue_.Touch(key, now);
  }
}

void StatusWriter::End() {
  begun_ = false;
  queue_.Clear();
  written_.clear();
  refused_.clear();
  trouble_.clear();
}

void StatusWriter::Touch(const std::set<ObjectKey>& rules, Time now) {
  if (begun_) {
    for (const ObjectKey& key : rules) {
      queue_.Touch(key, now);
    }
  }
}

std::optional<Time> StatusWriter::Due() const {
  const std::optional<Time> due = queue_.Due();
  return due ? std::optional(budget_.Next(*due)) : std::nullopt;
}

std::optional<ApiRequest> StatusWriter::Next(Time now) {
  if (budget_.Next(now) > now) {
    return std::nullopt;
  }
  for (unsigned looked = 0; looked < kAtOnce; ++looked) {
    const std::optional<ObjectKey> key = queue_.Take(now);
    if (!key) {
      return std::nullopt;
    }
    if (std::optional<ApiRequest> request = Ask(*key, now)) {
      budget_.Spend(now);
      return request;
    }
  }
  return std::nullopt;
}

std::optional<ApiRequest> StatusWriter::Ask(const ObjectKey& key, Time now) {
  const ServerObject* const held = source_.held(key);
  if (held == nullptr) {
    queue_.Succeeded(key);
    written_.erase(key);
    return std::nullopt;
  }
  const std::string wanted = source_.wanted(key);
  std::optional<std::string> patch =
      wanted.empty() ? std::nullopt : StatusPatch(*held, wanted, InSeconds(source_.now()));
  if (!patch) {
    queue_.Succeeded(key);
    return std::nullopt;
  }
  if (const auto last = written_.find(key); last != written_.end()) {
    const Written& written = last->second;
    if (written.resource_version == held->resource_version &&
        (written.moved || written.wanted == wanted)) {
      return std::nullopt;  // the watch has not said yet what was written; or it made no difference
    }
    if (written.generation == held->version.generation && now < written.when + options_.rest) {
      queue_.Later(key, written.when + options_.rest);
      return std::nullopt;
    }
  }
  if (const auto refused = refused_.find(key.kind);
      refused != refused_.end() && now < refused->second) {
    queue_.Later(key, refused->second);
    return std::nullopt;
  }
  asked_ = key;
  asking_ = {.resource_version = held->resource_version,
             .generation = held->version.generation,
             .wanted = wanted,
             .when = now};
  return ApiRequest{.method = "PATCH",
                    .target = TargetOf(key),
                    .content_type = "application/merge-patch+json",
                    .body = *std::move(patch)};
}

void StatusWriter::Take(const ApiAnswer& answer, Time now, double chance) {
  if (!begun_) {
    return;  // it ended meanwhile
  }
  if (answer.retry_after.count() > 0) {
    budget_.Pause(now + answer.retry_after);
  }
  if (answer.status == kOk) {
    const Json object = Json::parse(answer.body, nullptr, false);
    asking_.moved = TextAt(object, "/metadata/resourceVersion") != asking_.resource_version;
    written_.insert_or_assign(asked_, std::move(asking_));
    queue_.Succeeded(asked_);
    trouble_.clear();
    return;
  }
  if (answer.status == kForbidden) {
    refused_[asked_.kind] = now + options_.refused;
    queue_.Later(asked_, now + options_.refused);
    trouble_ = answer.Trouble();
    return;
  }
  const unsigned failures = queue_.Failed(asked_, now, options_, chance);
  // The watch will bring what was in the way, or that the object is gone.
  const bool passes =
      answer.status == kConflict || (answer.status == kNotFound && failures < kNotFoundForSure);
  if (!passes) {
    trouble_ = answer.Trouble();
  }
}

}  // namespace vsplit::report
