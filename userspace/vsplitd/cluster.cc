// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "log.h"
#include "vsplit/api.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {

std::string WhyRefused(const RefusedObject& refused) {
  std::string why;
  std::size_t more = 0;
  for (const Diagnostic& diagnostic : refused.diagnostics) {
    if (diagnostic.severity != Diagnostic::Severity::kError) {
      continue;
    }
    if (why.empty()) {
      // Line and column are those of a JSON text that nobody has written.
      why = (diagnostic.path.empty() ? "" : diagnostic.path + ": ") + diagnostic.message;
    } else {
      ++more;
    }
  }
  if (more > 0) {
    why += "; and " + std::to_string(more) + " more";
  }
  return why.empty() ? "it cannot be read" : why;
}

ClusterFollower::ClusterFollower(boost::asio::io_context& loop, ClusterOptions options,
                                 const Store& store, Transact transact)
    : options_(std::move(options)),
      store_(store),
      transact_(std::move(transact)),
      timer_(loop),
      wanted_(options_.node, options_.domain) {}

Result<std::unique_ptr<ClusterFollower>> ClusterFollower::Start(boost::asio::io_context& loop,
                                                                const ClusterOptions& options,
                                                                const Store& store,
                                                                Transact transact) {
  std::unique_ptr<ClusterFollower> follower(
      new ClusterFollower(loop, options, store, std::move(transact)));
  ClusterFollower* const self = follower.get();
  Result<Kubernetes> source =
      Kubernetes::Start(loop, options.kubernetes, [self] { self->Gather(); });
  if (!source) {
    return tl::unexpected<Error>(source.error());
  }
  self->source_.emplace(*std::move(source));
  // What was known last is a first guess of which Pods are asked for.
  for (const Kind kind : {Kind::kDestinationRule, Kind::kServiceEntry}) {
    for (const ObjectPtr& object : store.List(kind)) {
      self->wanted_.Put(*object);
    }
  }
  self->Ask();
  return follower;
}

void ClusterFollower::Gather() {
  ClusterChange change = source_->Take();
  for (const ObjectKey& key : change.gone) {
    wanted_.Remove(key);
    pending_.insert_or_assign(key, std::nullopt);
  }
  for (Object& object : change.objects) {
    wanted_.Put(object);
    rules_pending_ = rules_pending_ || IsRule(object.kind());
    ObjectKey key = object.key;
    pending_.insert_or_assign(std::move(key), std::move(object));
  }
  Ask();
  LogSource();
  Schedule();
  if (!change.heard.empty()) {
    news_({change.heard.begin(), change.heard.end()});
  }
}

// What a new collection replaces is followed until the new one is complete: else its objects would
// be gone in between.
void ClusterFollower::Ask() {
  const std::set<Collection> wanted = wanted_.collections();
  const std::size_t before = asked_.size();
  asked_.insert(wanted.begin(), wanted.end());
  if (asked_.size() != before) {
    source_->Want(asked_);
    incomplete_since_ = std::chrono::steady_clock::now();
  }
  if (source_->complete() && asked_ != wanted) {
    asked_ = wanted;
    source_->Want(asked_);
  }
}

bool ClusterFollower::HasToWait() const {
  return !source_->complete() &&
         (!in_force_ || std::chrono::steady_clock::now() < incomplete_since_ + options_.patience);
}

void ClusterFollower::Schedule() {
  if (!HasToWait()) {
    AwaitUntil(WhenGathered());
  } else if (in_force_) {
    Await(options_.patience);
  }
}

std::chrono::steady_clock::time_point ClusterFollower::WhenGathered() const {
  const auto soon = std::chrono::steady_clock::now() + options_.gather;
  return rules_pending_ ? soon : std::max(soon, rested_);
}

void ClusterFollower::Await(std::chrono::milliseconds time) {
  AwaitUntil(std::chrono::steady_clock::now() + time);
}

// Commits then, or earlier if that is awaited already.
void ClusterFollower::AwaitUntil(std::chrono::steady_clock::time_point when) {
  if (awaited_ && *awaited_ <= when) {
    return;
  }
  awaited_ = when;
  timer_.expires_at(when);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) {
      awaited_.reset();
      Commit();
    }
  });
}

std::vector<Write> ClusterFollower::Pending() {
  if (!in_force_) {
    // What the disk knows and the server does not.
    for (const KindInfo& info : Kinds()) {
      for (const ObjectPtr& object : store_.List(info.kind)) {
        if (!source_->Has(object->key)) {
          wanted_.Remove(object->key);
          pending_.insert_or_assign(object->key, std::nullopt);
        }
      }
    }
  }
  std::vector<Write> writes;
  writes.reserve(pending_.size());
  while (!pending_.empty()) {  // there may be many: never all of them twice
    auto node = pending_.extract(pending_.begin());
    if (node.mapped()) {
      writes.push_back({.mode = Write::Mode::kMirror, .object = *std::move(node.mapped())});
    } else if (store_.Find(node.key()) != nullptr) {
      Write& write = writes.emplace_back();
      write.mode = Write::Mode::kDelete;
      write.object.key = std::move(node.key());
    }
  }
  rules_pending_ = false;
  return writes;
}

// By what a cluster is told from others: as Kubernetes advises by the uid of its namespace
// kube-system. A server that has none is known by its address.
std::string ClusterFollower::Source() const {
  const auto found = pending_.find({.kind = Kind::kNamespace, .ns = "", .name = "kube-system"});
  if (found != pending_.end() && found->second && !found->second->version.uid.empty()) {
    return "cluster " + found->second->version.uid.str();
  }
  const ApiServer& server = options_.kubernetes.server;
  return "server " + server.host + ":" + server.port;
}

// Whether the store's objects may become this cluster's, which those of others would not survive.
bool ClusterFollower::TakesOver() {
  const std::string source = Source();
  StoreSource& known = options_.source;
  const bool holds_any = std::ranges::any_of(
      Kinds(), [this](const KindInfo& info) { return store_.Count(info.kind) > 0; });
  const std::string before = std::exchange(foreign_, "");
  if (source != known.known && holds_any && !known.replace) {
    foreign_ = fmt::format(
        "the state file holds objects of {}, and this is {}: they stay in force, and nothing is "
        "taken. Start with another --state, or once with --replace-state to delete them",
        known.known.empty() ? "no cluster" : known.known, source);
  } else if (source != known.known) {
    const Result<void> kept = known.keep(source);
    if (!kept) {
      foreign_ = kept.error().message;
      Await(options_.retry);
    } else {
      known.known = source;
    }
  }
  if (foreign_ != before && !foreign_.empty()) {
    Log(Priority::kError, "cluster_not_taken", {{"error", foreign_}});
  }
  return foreign_.empty();
}

std::string ClusterFollower::why_not_in_force() const {
  if (in_force_) {
    return "";
  }
  return foreign_.empty() ? "not all objects are known; the last ones hold" : foreign_;
}

void ClusterFollower::Commit() {
  if (HasToWait()) {
    return Schedule();  // rules have come since that ask for Pods which are not known
  }
  if (!in_force_ && !TakesOver()) {
    return;
  }
  std::vector<Write> writes = Pending();
  const bool news = !in_force_ || !failed_.empty();
  std::erase_if(failed_, [this](const auto& entry) { return !source_->Has(entry.first); });
  if (!writes.empty()) {
    const auto began = std::chrono::steady_clock::now();
    Put(std::move(writes));
    const auto ended = std::chrono::steady_clock::now();
    const std::chrono::steady_clock::duration least = options_.pause;
    rested_ = ended + std::min<std::chrono::steady_clock::duration>(std::max(least, ended - began),
                                                                    options_.most);
  }
  if (!in_force_) {
    in_force_ = true;
    Log(Priority::kInfo, "cluster_in_force",
        {{"failed", std::to_string(failed_.size())},
         {"refused", std::to_string(source_->refused().size())}});
  }
  if (!failed_.empty()) {
    Await(options_.retry);
  }
  if (news || !failed_.empty()) {
    news_({});
  }
}

// What cannot be put into force together is tried in halves, so that one object holds up no other;
// unless the trouble is the system's and none of the objects'. What fails is tried again later.
void ClusterFollower::Put(std::vector<Write> writes) {
  std::vector<std::vector<Write>> parts;
  parts.push_back(std::move(writes));
  while (!parts.empty()) {
    std::vector<Write> part = std::move(parts.back());
    parts.pop_back();
    const Result<Applied> applied = transact_(part);
    if (applied) {
      for (const Change& change : applied->changes) {
        failed_.erase(change.key);
      }
      continue;
    }
    if (applied.error().reason == Error::Reason::kSystem) {
      parts.push_back(std::move(part));
      for (std::vector<Write>& rest : parts) {
        TryLater(std::move(rest), applied.error());
      }
      return;
    }
    if (part.size() == 1) {
      TryLater(std::move(part), applied.error());
      continue;
    }
    const auto middle = part.begin() + static_cast<std::ptrdiff_t>(part.size() / 2);
    parts.emplace_back(std::make_move_iterator(middle), std::make_move_iterator(part.end()));
    part.erase(middle, part.end());
    parts.push_back(std::move(part));
  }
}

void ClusterFollower::TryLater(std::vector<Write> writes, const Error& error) {
  const std::size_t before = failed_.size();
  for (Write& write : writes) {
    const ObjectKey key = write.object.key;
    FailedObject& known = failed_[key];
    if (known.why != error.message && writes.size() == 1) {
      Log(Priority::kError, "cluster_object_failed",
          {{"object", ToString(key)}, {"error", error.message}});
    }
    known = {.version = write.object.version, .why = error.message, .times = known.times + 1};
    pending_.emplace(key, write.mode == Write::Mode::kDelete
                              ? std::optional<Object>{}
                              : std::optional<Object>(std::move(write.object)));
  }
  if (writes.size() > 1 && failed_.size() > before) {
    Log(Priority::kError, "cluster_objects_failed",
        {{"objects", std::to_string(writes.size())}, {"error", error.message}});
  }
}

std::vector<Feature> ClusterFollower::Status() const {
  std::vector<Feature> features;
  features.push_back({.name = "kubernetes", .on = in_force_, .reason = why_not_in_force()});
  for (const auto& [collection, status] : source_->status()) {
    if (status.absent) {
      features.push_back({.name = ToString(collection),
                          .on = false,
                          .reason = "the API server has no such kind; waiting for it"});
    } else if (!status.trouble.empty()) {
      features.push_back({.name = ToString(collection), .on = false, .reason = status.trouble});
    }
  }
  for (const auto& [key, refused] : source_->refused()) {
    features.push_back({.name = ToString(key),
                        .on = false,
                        .reason = "refused, what it was before holds: " + WhyRefused(refused)});
  }
  for (const auto& [key, failed] : failed_) {
    features.push_back({.name = ToString(key), .on = false, .reason = failed.why});
  }
  return features;
}

// Each trouble once, and its end; and each list but the first.
void ClusterFollower::LogSource() {
  for (const auto& [collection, status] : source_->status()) {
    Logged& logged = logged_[collection];
    if (logged.trouble != status.trouble) {
      logged.trouble = status.trouble;
      Log(logged.trouble.empty() ? Priority::kInfo : Priority::kWarning,
          logged.trouble.empty() ? "cluster_followed" : "cluster_trouble",
          {{"collection", ToString(collection)}, {"error", logged.trouble}});
    }
    const std::size_t before = std::exchange(logged.lists, status.lists);
    if (status.lists > 1 && status.lists > before) {
      Log(Priority::kInfo, "cluster_listed_anew",
          {{"collection", ToString(collection)}, {"expired", std::to_string(status.expired)}});
    }
  }
}

}  // namespace vsplit
