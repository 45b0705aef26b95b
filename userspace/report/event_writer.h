// SPDX-License-Identifier: Apache-2.0
// Which Event is written next: events.k8s.io/v1, one for each trouble of an object, and again, with
// how often, as long as it is found. Pure: time and chance are given.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lease.h"
#include "pace.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"

namespace vsplit::report {

class EventWriter {
 public:
  explicit EventWriter(ReportOptions options)
      : options_(std::move(options)), budget_(options_.event_pace) {}

  // All troubles that there are now.
  void Set(const std::vector<ObjectTrouble>& troubles, Time now);

  std::optional<Time> Due() const;
  // The next request; nothing: none is due. Take has to be called with its answer. `wall` is
  // RFC 3339 with microseconds.
  std::optional<ApiRequest> Next(Time now, const std::string& wall);
  void Take(const ApiAnswer& answer, Time now, double chance);

  const std::string& trouble() const { return trouble_; }

 private:
  struct Entry {
    ObjectTrouble trouble;    // times: when it was set last; 0: it is not there any more
    std::string event;        // name of the Event; empty: there is none
    std::uint64_t count = 0;  // in all
    std::uint64_t told = 0;   // of these
    std::uint64_t telling = 0;
    Time last{};  // when it was there last
    Time next{};  // when it may be told again
    std::chrono::milliseconds repeat{};
    unsigned failures = 0;  // in a row
  };

  void Put(const ObjectTrouble& trouble, Time now);
  void Forget(Time now);
  ApiRequest Create(Entry& entry, const std::string& wall);

  ReportOptions options_;
  Budget budget_;
  std::map<ObjectKey, Entry> entries_;
  ObjectKey asked_;
  std::uint64_t created_ = 0;  // Events
  std::string trouble_;
};

}  // namespace vsplit::report
