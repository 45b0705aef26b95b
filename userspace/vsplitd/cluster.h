// SPDX-License-Identifier: Apache-2.0
// The objects of a Kubernetes API server become the agent's: nothing before all of them are known,
// then each change as it comes, many at once when many come at once. While the server is away, and
// for an agent that starts then, what was known last holds.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"
#include "wanted.h"

namespace vsplit {

// Whose objects the store holds when a follower starts.
struct StoreSource {
  std::string known;     // what was kept last; empty: no cluster's
  bool replace = false;  // by those of this cluster, if they are another's
  // Durable when it returns.
  std::function<Result<void>(const std::string& source)> keep;
};

struct ClusterOptions {
  KubernetesOptions kubernetes;
  std::string node;
  std::string domain;
  // From the first of several changes to the transaction that has them all.
  std::chrono::milliseconds gather{5};
  // From a transaction to the next one, in a storm of changes; a rule does not wait for it. As long
  // as the transaction has taken, if that is more, up to `most`: else little would be read between
  // two of them, and the server would send faster than that.
  std::chrono::milliseconds pause{20};
  std::chrono::milliseconds most{1'000};
  // For Pods that a new rule asks about, before it comes into force without them.
  std::chrono::milliseconds patience{2'000};
  std::chrono::milliseconds retry{5'000};  // of what could not be put into force
  StoreSource source;
};

// Of the API server's, what could not be put into force; it is tried again and again.
struct FailedObject {
  Version version;
  std::string why;
  std::uint64_t times = 0;  // how often it has failed
};

// The first of its mistakes, and how many more there are.
std::string WhyRefused(const RefusedObject& refused);

class ClusterFollower {
 public:
  // All of the writes or none; where it fails they are what they were.
  using Transact = std::function<Result<Applied>(std::vector<Write>& writes)>;

  // `store` is what Transact changes; both outlive this.
  static Result<std::unique_ptr<ClusterFollower>> Start(boost::asio::io_context& loop,
                                                        const ClusterOptions& options,
                                                        const Store& store, Transact transact);

  // The first picture is in force.
  bool in_force() const { return in_force_; }
  // Why it is not; empty: it is.
  std::string why_not_in_force() const;
  // What `status` is to say: one line for each collection in trouble, each object refused or
  // failed.
  std::vector<Feature> Status() const;
  const std::map<ObjectKey, FailedObject>& failed() const { return failed_; }
  const Kubernetes& source() const { return *source_; }

  // Called when the server has said something of these rules and refused objects, and when
  // in_force() or failed() may be another.
  void OnNews(std::function<void(const std::set<ObjectKey>& heard)> news) {
    news_ = std::move(news);
  }

 private:
  ClusterFollower(boost::asio::io_context& loop, ClusterOptions options, const Store& store,
                  Transact transact);

  void Gather();
  void Ask();
  bool HasToWait() const;
  std::string Source() const;
  bool TakesOver();
  void Schedule();
  std::chrono::steady_clock::time_point WhenGathered() const;
  void Await(std::chrono::milliseconds time);
  void AwaitUntil(std::chrono::steady_clock::time_point when);
  void Commit();
  std::vector<Write> Pending();
  void Put(std::vector<Write> writes);
  void TryLater(std::vector<Write> writes, const Error& error);
  void LogSource();

  ClusterOptions options_;
  const Store& store_;
  Transact transact_;
  boost::asio::steady_timer timer_;
  std::optional<Kubernetes> source_;
  WantedCollections wanted_;
  std::set<Collection> asked_;  // with those that new ones are about to replace
  std::map<ObjectKey, std::optional<Object>> pending_;  // nothing: it is gone
  std::map<ObjectKey, FailedObject> failed_;
  std::function<void(const std::set<ObjectKey>&)> news_ = [](const auto&) {};
  struct Logged {
    std::string trouble;    // the last
    std::size_t lists = 0;  // up to which they are logged
  };
  std::map<Collection, Logged> logged_;
  std::optional<std::chrono::steady_clock::time_point> awaited_;  // what the timer waits for
  std::chrono::steady_clock::time_point incomplete_since_;        // of what was asked for last
  bool rules_pending_ = false;
  std::chrono::steady_clock::time_point rested_;  // the end of the pause after a transaction
  std::string foreign_;  // why the store's objects are not replaced; empty: they may be
  bool in_force_ = false;
};

}  // namespace vsplit
