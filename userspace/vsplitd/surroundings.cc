// SPDX-License-Identifier: Apache-2.0
#include "surroundings.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "agent.h"
#include "log.h"
#include "pods.h"
#include "vsplit/names.h"
#include "vsplit/reaper.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/telemetry.h"
#include "vsplit/workloads.h"

namespace vsplit {
namespace {

// Between two looks at connections.
constexpr std::chrono::milliseconds kShortest{100};
constexpr std::chrono::milliseconds kLongest{60'000};
// Between two attempts to settle.
constexpr std::chrono::milliseconds kRetry{1'000};

}  // namespace

Result<std::unique_ptr<Surroundings>> Surroundings::Open(boost::asio::io_context& loop,
                                                         const std::string& cgroup_mount,
                                                         const NamesOptions& names) {
  std::unique_ptr<Surroundings> surroundings(new Surroundings(loop));
  Surroundings* const self = surroundings.get();
  Result<PodCgroups> cgroups =
      PodCgroups::Start(loop, {.mount = cgroup_mount}, [self] { self->TellPods(); });
  if (!cgroups) {
    return tl::unexpected<Error>(cgroups.error());
  }
  self->cgroups_.emplace(*std::move(cgroups));
  Result<Names> started =
      Names::Start(loop, names, [self](const std::set<std::string>&) { self->TellNames(); });
  if (!started) {
    return tl::unexpected<Error>(started.error());
  }
  self->names_.emplace(*std::move(started));
  return surroundings;
}

CgroupFinder Surroundings::Finder() {
  return [this](const CgroupHints& hints) { return cgroups_->Find(hints); };
}

bool Surroundings::AllAnswered() const {
  return std::ranges::all_of(names_->answers(), [](const auto& entry) {
    return entry.second.answered || !entry.second.trouble.empty();
  });
}

void Surroundings::Meet(Agent& agent, std::chrono::milliseconds patience) {
  agent_ = &agent;
  Follow();
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!AllAnswered() && std::chrono::steady_clock::now() < end) {
    loop_.run_one_until(end);
  }
  TellNames();
}

void Surroundings::Follow() {
  if (wanted_ != agent_->names_version()) {
    wanted_ = agent_->names_version();
    const std::size_t too_many = names_->Want(agent_->DnsNames(), agent_->names());
    if (too_many > 0 && too_many != too_many_names_) {
      Log(Priority::kWarning, "too_many_names", {{"left_out", std::to_string(too_many)}});
    }
    too_many_names_ = too_many;
  }
  AwaitReaping();
  AwaitSettling();
}

// What failed is tried again until it is in force.
void Surroundings::AwaitSettling() {
  if (awaits_settling_ || !agent_->IsUnsettled()) {
    return;
  }
  awaits_settling_ = true;
  settling_.expires_after(kRetry);
  settling_.async_wait([this](boost::system::error_code error) {
    awaits_settling_ = false;
    if (!error) {
      (void)agent_->Settle();  // the agent logs and counts what fails
      Follow();
    }
  });
}

// A connection that is made from now on is not due before the shortest limit has passed.
void Surroundings::AwaitReaping() {
  const std::optional<std::chrono::milliseconds> limit = agent_->ShortestLimit();
  if (!limit) {
    reaping_.cancel();
    awaited_.reset();
    return;
  }
  const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
  std::chrono::nanoseconds wait = *limit;
  if (next_reaping_) {
    wait = std::min(wait, *next_reaping_ - now);
  }
  wait = std::clamp<std::chrono::nanoseconds>(wait, kShortest, kLongest);
  if (awaited_ && *awaited_ <= now + wait) {
    return;
  }
  awaited_ = now + wait;
  reaping_.expires_after(wait);
  reaping_.async_wait([this](boost::system::error_code error) {
    if (!error) {
      awaited_.reset();
      ReapConnections();
      AwaitReaping();
    }
  });
}

void Surroundings::ReapConnections() {
  const Reaped reaped = Reap(agent_->cgroup(), agent_->Limited(),
                             std::chrono::steady_clock::now().time_since_epoch());
  next_reaping_ = reaped.next;
  ended_["idle_timeout"] += reaped.idle;
  ended_["max_connection_duration"] += reaped.expired;
  if (reaped.idle + reaped.expired > 0) {
    Log(Priority::kInfo, "connections_ended",
        {{"idle", std::to_string(reaped.idle)}, {"expired", std::to_string(reaped.expired)}});
  }
  if (reaped.trouble != reaping_trouble_ && !reaped.trouble.empty()) {
    Log(Priority::kWarning, "ending_connections_failed", {{"error", reaped.trouble}});
  }
  reaping_trouble_ = reaped.trouble;
}

AroundStatus Surroundings::Status() const {
  AroundStatus status{
      .names = names_->answers().size(), .names_left_out = too_many_names_, .ended = ended_};
  if (!reaping_trouble_.empty()) {
    status.features.push_back({.name = "idleTimeout, maxConnectionDuration",
                               .on = false,
                               .reason = reaping_trouble_ + "; some connections live longer"});
  }
  for (const auto& [name, answer] : names_->answers()) {
    if (!answer.trouble.empty()) {
      status.failing_names.emplace(
          name, answer.trouble + (answer.answered ? "; the last answer stays in force" : ""));
    }
  }
  if (!cgroups_->trouble().empty()) {
    status.features.push_back(
        {.name = "sources",
         .on = false,
         .reason = cgroups_->trouble() + "; every pod gets the route for everyone"});
  }
  return status;
}

void Surroundings::TellPods() {
  if (agent_ == nullptr) {
    return;
  }
  if (const Result<void> done = agent_->LookAtPods(); !done) {
    Log(Priority::kError, "pods_failed", {{"error", done.error().message}});
  }
  if (names_failed_) {
    TellNames();
  }
  Follow();
}

void Surroundings::TellNames() {
  if (agent_ == nullptr) {
    return;
  }
  DnsAnswers answers;
  for (const auto& [name, answer] : names_->answers()) {
    if (answer.answered) {
      answers.emplace(name, answer.addresses);
    }
  }
  const Result<void> done = agent_->TakeNames(std::move(answers));
  names_failed_ = !done;
  if (!done) {
    Log(Priority::kError, "names_failed", {{"error", done.error().message}});
  }
  AwaitSettling();
}

}  // namespace vsplit
