// SPDX-License-Identifier: Apache-2.0
#include "vsplit/names.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "channel.h"
#include "vsplit/result.h"

namespace vsplit {

// Each name is in one of three places: in the queue, under way, or waiting for its timer.
struct Names::State : std::enable_shared_from_this<Names::State> {
  struct Schedule {
    explicit Schedule(boost::asio::io_context& loop) : timer(loop) {}
    boost::asio::steady_timer timer;
    unsigned failures = 0;  // in a row
  };

  State(boost::asio::io_context& the_loop, NamesOptions the_options,
        std::function<void(const std::set<std::string>&)> on_change)
      : loop(the_loop), options(std::move(the_options)), changed(std::move(on_change)) {}

  void AskNext();
  void Ask(const std::string& name);
  void Take(const std::string& name, NameReply reply);
  void AskAgain(const std::string& name, Schedule& schedule, std::chrono::milliseconds after);
  void Tell(const std::string& name);

  boost::asio::io_context& loop;
  NamesOptions options;
  std::function<void(const std::set<std::string>&)> changed;
  std::unique_ptr<NameChannel> channel;
  std::map<std::string, NameAnswer> answers;
  std::map<std::string, std::unique_ptr<Schedule>> schedules;  // of the same names
  std::deque<std::string> queue;
  std::set<std::string> under_way;
  std::set<std::string> untold;  // changed, and `changed` is about to be called
  bool stale = false;            // the channel's servers do not answer: they may be others by now
  std::minstd_rand random{std::random_device{}()};
};

// A server that does not answer may have been replaced in resolv.conf, which is read by a channel
// when it is opened.
void Names::State::AskNext() {
  if (stale && under_way.empty()) {
    if (Result<std::unique_ptr<NameChannel>> fresh = NameChannel::Open(loop, options)) {
      channel = *std::move(fresh);
      stale = false;
    }
  }
  while (!queue.empty() && under_way.size() < options.max_questions) {
    const std::string name = std::move(queue.front());
    queue.pop_front();
    if (answers.contains(name) && under_way.insert(name).second) {
      Ask(name);
    }
  }
}

void Names::State::Ask(const std::string& name) {
  const std::weak_ptr<State> self = weak_from_this();
  // By way of the loop: a reply may come from within Ask, and may ask for a new channel.
  channel->Ask(name, [self, name, &the_loop = loop](NameReply reply) {
    boost::asio::post(the_loop, [self, name, reply = std::move(reply)]() mutable {
      if (const std::shared_ptr<State> state = self.lock()) {
        state->Take(name, std::move(reply));
        state->AskNext();
      }
    });
  });
}

void Names::State::Take(const std::string& name, NameReply reply) {
  under_way.erase(name);
  const auto entry = answers.find(name);
  if (entry == answers.end()) {
    return;  // forgotten meanwhile
  }
  NameAnswer& answer = entry->second;
  Schedule& schedule = *schedules.at(name);
  answer.trouble = reply.trouble;
  if (reply.failed) {
    stale = true;
    ++schedule.failures;
    const double chance = std::uniform_real_distribution<double>(0, 1)(random);
    AskAgain(name, schedule, RetryAfter(options, schedule.failures, chance));
    return;
  }
  schedule.failures = 0;
  std::ranges::sort(reply.addresses);
  reply.addresses.erase(std::unique(reply.addresses.begin(), reply.addresses.end()),
                        reply.addresses.end());
  reply.addresses.resize(std::min(reply.addresses.size(), options.max_addresses));
  if (!answer.answered || answer.addresses != reply.addresses) {
    Tell(name);
  }
  answer.addresses = std::move(reply.addresses);
  answer.answered = true;
  AskAgain(name, schedule, RefreshAfter(options, reply.ttl));
}

void Names::State::AskAgain(const std::string& name, Schedule& schedule,
                            std::chrono::milliseconds after) {
  schedule.timer.expires_after(after);
  schedule.timer.async_wait([self = weak_from_this(), name](boost::system::error_code error) {
    const std::shared_ptr<State> state = self.lock();
    if (!error && state != nullptr) {
      state->queue.push_back(name);
      state->AskNext();
    }
  });
}

// What changes in one turn of the loop is told at once: fewer transactions.
void Names::State::Tell(const std::string& name) {
  const bool first = untold.empty();
  untold.insert(name);
  if (!first) {
    return;
  }
  boost::asio::post(loop, [self = weak_from_this()] {
    if (const std::shared_ptr<State> state = self.lock()) {
      state->changed(std::exchange(state->untold, {}));
    }
  });
}

Names::Names(std::shared_ptr<State> state) : state_(std::move(state)) {}
Names::Names(Names&& other) noexcept = default;
Names& Names::operator=(Names&& other) noexcept = default;
Names::~Names() = default;

Result<Names> Names::Start(boost::asio::io_context& loop, const NamesOptions& options,
                           std::function<void(const std::set<std::string>&)> changed) {
  auto state = std::make_shared<State>(loop, options, std::move(changed));
  Result<std::unique_ptr<NameChannel>> channel = NameChannel::Open(loop, options);
  if (!channel) {
    return tl::unexpected<Error>(channel.error());
  }
  state->channel = *std::move(channel);
  return Names(std::move(state));
}

std::size_t Names::Want(const std::set<std::string>& names, const KnownAddresses& known) {
  State& state = *state_;
  std::erase_if(state.answers, [&](const auto& entry) { return !names.contains(entry.first); });
  std::erase_if(state.schedules, [&](const auto& entry) { return !names.contains(entry.first); });
  std::size_t too_many = 0;
  for (const std::string& name : names) {
    if (state.answers.contains(name)) {
      continue;
    }
    if (state.answers.size() >= state.options.max_names) {
      ++too_many;
      continue;
    }
    NameAnswer& answer = state.answers[name];
    if (const auto before = known.find(name); before != known.end()) {
      answer = {.addresses = before->second, .answered = true, .trouble = {}};
    }
    state.schedules.emplace(name, std::make_unique<State::Schedule>(state.loop));
    state.queue.push_back(name);
  }
  state.AskNext();
  return too_many;
}

const std::map<std::string, NameAnswer>& Names::answers() const {
  return state_->answers;
}

}  // namespace vsplit
