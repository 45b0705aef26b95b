// SPDX-License-Identifier: Apache-2.0
#include "vsplit/report.h"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "event_writer.h"
#include "lease.h"
#include "status_writer.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"

namespace vsplit {

using report::EventWriter;
using report::Lease;
using report::StatusWriter;
using report::Time;

namespace {

constexpr const char* kStatus = "status of rules";
constexpr const char* kEvents = "Events";
constexpr const char* kLease = "Lease";

// An answer that comes late is of no use to the holder.
KubernetesOptions ForLease(const ReportOptions& options) {
  KubernetesOptions kubernetes = options.kubernetes;
  kubernetes.connect = std::min(kubernetes.connect, options.lease.deadline / 3);
  kubernetes.silence = std::min(kubernetes.silence, options.lease.deadline / 3);
  return kubernetes;
}

KubernetesOptions ForWrites(const ReportOptions& options) {
  KubernetesOptions kubernetes = options.kubernetes;
  kubernetes.silence = std::min(kubernetes.silence, kubernetes.connect);
  return kubernetes;
}

const char* ResultOf(const ApiAnswer& answer) {
  constexpr unsigned kForbidden = 403;
  constexpr unsigned kConflict = 409;
  if (answer.status == kConflict) {
    return "conflict";
  }
  if (answer.Trouble().empty()) {
    return "written";
  }
  return answer.status == kForbidden ? "forbidden" : "failed";
}

Time Now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

struct Reporter::State : std::enable_shared_from_this<Reporter::State> {
  State(boost::asio::io_context& the_loop, const ReportOptions& the_options,
        ReportSource the_source, std::function<void()> on_change)
      : loop(the_loop),
        options(the_options),
        source(std::move(the_source)),
        changed(std::move(on_change)),
        lease(options.lease),
        status_writer(options, source),
        event_writer(options),
        lease_client(loop, ForLease(options)),
        writes_client(loop, ForWrites(options)),
        lease_timer(loop),
        writes_timer(loop) {}

  void AskLease();
  void TakeLease(const ApiAnswer& answer);
  void NoteHolder();
  void Work();
  void WorkAt(Time when);
  void Send(const char* what, ApiRequest request);
  void TakeWritten(const char* what, const ApiAnswer& answer);
  void Note(const char* what, const std::string& trouble);
  void GiveBack();
  void Tell();
  double Chance() { return std::uniform_real_distribution<double>(0, 1)(random); }

  boost::asio::io_context& loop;
  ReportOptions options;
  ReportSource source;
  std::function<void()> changed;
  Lease lease;
  StatusWriter status_writer;
  EventWriter event_writer;
  // The Lease does not wait for what else is written.
  ApiClient lease_client;
  ApiClient writes_client;
  boost::asio::steady_timer lease_timer;
  boost::asio::steady_timer writes_timer;
  ReportStatus status;
  std::function<void()> released;  // to be called when the Lease is given back
  bool stands = false;
  bool closing = false;
  bool telling = false;
  std::minstd_rand random{std::random_device{}()};
};

void Reporter::State::AskLease() {
  lease_client.Send(lease.Next(Now(), source.now()),
                    [this, weak = weak_from_this()](const ApiAnswer& answer) {
                      if (const std::shared_ptr<State> self = weak.lock()) {
                        TakeLease(answer);
                      }
                    });
}

void Reporter::State::TakeLease(const ApiAnswer& answer) {
  lease.Take(answer, Now());
  Note(kLease, lease.trouble());
  if (closing) {
    return GiveBack();
  }
  if (lease.Writes() || !answer.Trouble().empty()) {
    ++status.requests[{"lease", ResultOf(answer)}];
  }
  NoteHolder();
  lease_timer.expires_after(lease.Wait(Chance()));
  lease_timer.async_wait([this, weak = weak_from_this()](boost::system::error_code error) {
    const std::shared_ptr<State> self = weak.lock();
    if (!error && self != nullptr) {
      NoteHolder();
      AskLease();
    }
  });
}

void Reporter::State::NoteHolder() {
  const bool holds = lease.Holds(Now());
  if (status.holder != lease.holder()) {
    status.holder = lease.holder();
    Tell();
  }
  if (std::exchange(status.holds, holds) == holds) {
    return;
  }
  if (holds) {
    status_writer.Begin(Now());
  } else {
    status_writer.End();
    Note(kStatus, "");
  }
  Tell();
  Work();
}

void Reporter::State::Work() {
  if (writes_client.busy() || closing) {
    return;
  }
  const Time now = Now();
  if (lease.Holds(now)) {
    if (std::optional<ApiRequest> request = status_writer.Next(now)) {
      return Send(kStatus, *std::move(request));
    }
  }
  if (std::optional<ApiRequest> request = event_writer.Next(now, source.now())) {
    return Send(kEvents, *std::move(request));
  }
  const std::optional<Time> status_due = status_writer.Due();
  const std::optional<Time> event_due = event_writer.Due();
  if (status_due && event_due) {
    WorkAt(std::min(*status_due, *event_due));
  } else if (status_due || event_due) {
    WorkAt(status_due ? *status_due : *event_due);
  }
}

void Reporter::State::WorkAt(Time when) {
  writes_timer.expires_at(when);
  writes_timer.async_wait([this, weak = weak_from_this()](boost::system::error_code error) {
    const std::shared_ptr<State> self = weak.lock();
    if (!error && self != nullptr) {
      Work();
    }
  });
}

void Reporter::State::Send(const char* what, ApiRequest request) {
  writes_timer.cancel();
  writes_client.Send(std::move(request),
                     [this, what, weak = weak_from_this()](const ApiAnswer& answer) {
                       if (const std::shared_ptr<State> self = weak.lock()) {
                         TakeWritten(what, answer);
                       }
                     });
}

void Reporter::State::TakeWritten(const char* what, const ApiAnswer& answer) {
  const bool is_status = what == kStatus;
  ++status.requests[{is_status ? "status" : "event", ResultOf(answer)}];
  if (is_status) {
    status_writer.Take(answer, Now(), Chance());
    Note(what, status_writer.trouble());
  } else {
    event_writer.Take(answer, Now(), Chance());
    Note(what, event_writer.trouble());
  }
  Work();
}

void Reporter::State::Note(const char* what, const std::string& trouble) {
  const auto known = status.troubles.find(what);
  if ((known == status.troubles.end() ? "" : known->second) == trouble) {
    return;
  }
  if (trouble.empty()) {
    status.troubles.erase(known);
  } else {
    status.troubles.insert_or_assign(what, trouble);
  }
  Tell();
}

void Reporter::State::Tell() {
  if (std::exchange(telling, true)) {
    return;
  }
  boost::asio::post(loop, [weak = weak_from_this()] {
    if (const std::shared_ptr<State> self = weak.lock()) {
      self->telling = false;
      self->changed();
    }
  });
}

void Reporter::State::GiveBack() {
  const auto finished = [this, weak = weak_from_this()](const ApiAnswer&) {
    const std::shared_ptr<State> self = weak.lock();
    if (self != nullptr && released) {
      std::exchange(released, {})();
    }
  };
  if (std::optional<ApiRequest> request = lease.Release(Now(), source.now())) {
    lease_client.Send(*std::move(request), finished);
  } else {
    boost::asio::post(loop, [finished] { finished({}); });
  }
}

Reporter::Reporter(boost::asio::io_context& loop, ReportOptions options, ReportSource source,
                   std::function<void()> changed)
    : state_(std::make_shared<State>(loop, options, std::move(source), std::move(changed))) {}

Reporter::Reporter(Reporter&& other) noexcept = default;
Reporter& Reporter::operator=(Reporter&& other) noexcept = default;
Reporter::~Reporter() = default;

void Reporter::Stand() {
  if (state_->options.status && !std::exchange(state_->stands, true)) {
    state_->AskLease();
  }
}

void Reporter::Touch(const std::set<ObjectKey>& rules) {
  state_->status_writer.Touch(rules, Now());
  state_->WorkAt(Now());  // the caller may be in the middle of something
}

void Reporter::SetTroubles(const std::vector<ObjectTrouble>& troubles) {
  if (state_->options.events) {
    state_->event_writer.Set(troubles, Now());
    state_->WorkAt(Now());
  }
}

void Reporter::Release(std::function<void()> done) {
  State& state = *state_;
  state.closing = true;
  state.released = std::move(done);
  state.lease_timer.cancel();
  state.writes_timer.cancel();
  // A renewal under way would change what is to be given back.
  if (!state.lease_client.busy()) {
    state.GiveBack();
  }
}

const ReportStatus& Reporter::status() const {
  return state_->status;
}

}  // namespace vsplit
