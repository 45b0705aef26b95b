// SPDX-License-Identifier: Apache-2.0
// What changes around the agent without anybody writing an object: cgroups of pods, addresses of
// DNS names, connections that outlive their limits. Watches them on the agent's loop and tells it.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent.h"
#include "pods.h"
#include "vsplit/names.h"
#include "vsplit/result.h"
#include "vsplit/telemetry.h"
#include "vsplit/workloads.h"

namespace vsplit {

class Surroundings {
 public:
  // Nothing is told before Meet.
  static Result<std::unique_ptr<Surroundings>> Open(boost::asio::io_context& loop,
                                                    const std::string& cgroup_mount,
                                                    const NamesOptions& names);

  CgroupFinder Finder();

  // Before the agent starts: waits for the first answers about the names that no agent before it
  // knew; at most as long as this.
  void Meet(Agent& agent, std::chrono::milliseconds patience);
  // After each write: the agent may need other names.
  void Follow();

  AroundStatus Status() const;

 private:
  explicit Surroundings(boost::asio::io_context& loop)
      : loop_(loop), reaping_(loop), settling_(loop) {}

  void TellPods();
  void TellNames();
  bool AllAnswered() const;
  void AwaitReaping();
  void AwaitSettling();
  void ReapConnections();

  boost::asio::io_context& loop_;
  std::optional<PodCgroups> cgroups_;
  std::optional<Names> names_;
  Agent* agent_ = nullptr;
  std::optional<std::uint64_t> wanted_;  // Agent::names_version of the names that are asked for
  std::size_t too_many_names_ = 0;
  boost::asio::steady_timer reaping_;
  boost::asio::steady_timer settling_;
  bool awaits_settling_ = false;
  // CLOCK_MONOTONIC: when a known connection may be due, and what the timer waits for.
  std::optional<std::chrono::nanoseconds> next_reaping_, awaited_;
  std::map<std::string, std::uint64_t> ended_;  // connections, by limit
  std::string reaping_trouble_;
  bool names_failed_ = false;  // the last answers are not in force
};

}  // namespace vsplit
