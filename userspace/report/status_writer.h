// SPDX-License-Identifier: Apache-2.0
// Which rule's status is written next, and what becomes of it. Pure: time and chance are given.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "lease.h"
#include "pace.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"

namespace vsplit::report {

class StatusWriter {
 public:
  StatusWriter(ReportOptions options, ReportSource source)
      : options_(std::move(options)), source_(std::move(source)), budget_(options_.status_pace) {}

  // This agent is the one from now on, or no more. Before and after, nothing is due.
  void Begin(Time now);
  void End();

  void Touch(const std::set<ObjectKey>& rules, Time now);

  // When something may be due; nothing: not before a Touch.
  std::optional<Time> Due() const;
  // The next request; nothing: none is due, or enough was looked at for now: Due() says. Take has
  // to be called with its answer.
  std::optional<ApiRequest> Next(Time now);
  void Take(const ApiAnswer& answer, Time now, double chance);

  const std::string& trouble() const { return trouble_; }

 private:
  struct Written {
    std::string resource_version;  // of the object before
    std::int64_t generation = 0;
    std::string wanted;
    Time when{};
    bool moved = false;  // it has got another resourceVersion, of which the watch will tell
  };

  std::optional<ApiRequest> Ask(const ObjectKey& key, Time now);

  ReportOptions options_;
  ReportSource source_;
  Queue queue_;
  Budget budget_;
  bool begun_ = false;
  std::map<ObjectKey, Written> written_;
  std::map<Kind, Time> refused_;  // until when no rights are taken for granted
  ObjectKey asked_;
  Written asking_;
  std::string trouble_;
};

}  // namespace vsplit::report
