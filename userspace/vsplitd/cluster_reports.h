// SPDX-License-Identifier: Apache-2.0
// What becomes of an API server's objects here, told to that server.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent.h"
#include "cluster.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/telemetry.h"

namespace vsplit {

// The status that a rule of the cluster is to have; empty: not yet known. `object_status` gives
// that of a rule in the store.
std::string ClusterStatusOf(const ObjectKey& rule, const ClusterFollower& cluster,
                            const Store& store,
                            const std::function<std::string(const Object&)>& object_status);

// Refused objects, and those that could not be put into force.
std::vector<ObjectTrouble> ClusterTroubles(const ClusterFollower& cluster);

class ClusterReports {
 public:
  // All of them outlive this. Nothing else may use OnRules and OnNews.
  ClusterReports(boost::asio::io_context& loop, const ReportOptions& options, Agent& agent,
                 ClusterFollower& cluster, const Backend& backend);

  // For `status` and metrics.
  void AddTo(AroundStatus& status) const;

  // Gives back what other agents would wait for; runs the loop until then, for three seconds at
  // most.
  void Close();

 private:
  void Log();

  boost::asio::io_context& loop_;
  ReportOptions options_;
  const ClusterFollower& cluster_;
  Reporter reporter_;
  std::string logged_holder_;
  std::map<std::string, std::string> logged_;  // the trouble that was logged last
};

}  // namespace vsplit
