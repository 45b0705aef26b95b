// SPDX-License-Identifier: Apache-2.0
// Who of several agents is the one: a coordination.k8s.io/v1 Lease, as client-go's leaderelection
// has it. Each change is made under the resourceVersion that was read. The clocks of the others are
// never read: a holder is gone when its record has not changed for as long as the record says, by
// the clock here. Pure: time and chance are given.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/report.h"

namespace vsplit::report {

using Time = std::chrono::steady_clock::time_point;

class Lease {
 public:
  explicit Lease(LeaseOptions options) : options_(std::move(options)) {}

  // What to ask now; `wall` is RFC 3339 with microseconds.
  ApiRequest Next(Time now, const std::string& wall);
  void Take(const ApiAnswer& answer, Time now);
  bool Writes() const { return asked_ != Asked::kGet; }  // the last question
  // From the last answer to the next question.
  std::chrono::milliseconds Wait(double chance) const;

  // Whether this agent is the one. It ceases to be by itself when it cannot renew.
  bool Holds(Time now) const { return now < Until(); }
  // Until when it is, if it does not renew.
  Time Until() const;

  // Gives it back; nothing: it is not held. Holds() is false from now on.
  std::optional<ApiRequest> Release(Time now, const std::string& wall);

  std::string holder() const;                              // as far as is known; empty: nobody
  const std::string& trouble() const { return trouble_; }  // empty: none

 private:
  enum class Asked : std::uint8_t { kGet, kCreate, kReplace };

  bool Mine() const { return holder() == options_.identity; }
  bool IsFree(Time now) const;
  void Adopt(Json record, Time now);
  void TakeTrouble(const ApiAnswer& answer, Time now);
  ApiRequest Write(Asked how, Json record);

  LeaseOptions options_;
  Json record_;             // as the server had it last; null: it had none, or that is not known
  Time observed_{};         // when its spec was seen to be another
  bool read_ = false;       // just now: a write may follow at once
  bool know_ = false;       // record_ is what the server has, as far as is known
  bool may_write_ = false;  // ... and it is absent or free
  std::optional<Time> renewed_;  // when the last write that succeeded was sent
  Asked asked_ = Asked::kGet;
  Time asked_at_{};
  unsigned failures_ = 0;  // in a row
  bool forbidden_ = false;
  std::string trouble_;
};

}  // namespace vsplit::report
