// SPDX-License-Identifier: Apache-2.0
#include "cluster_reports.h"

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent.h"
#include "cluster.h"
#include "identity.h"
#include "log.h"
#include "vsplit/api.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

constexpr std::chrono::seconds kFarewell{3};

std::string StaysInForce(const ObjectPtr& object) {
  return object == nullptr
             ? ""
             : "generation " + std::to_string(object->version.generation) + " stays in force: ";
}

}  // namespace

std::string ClusterStatusOf(const ObjectKey& rule, const ClusterFollower& cluster,
                            const Store& store,
                            const std::function<std::string(const Object&)>& object_status) {
  const Kubernetes& source = cluster.source();
  const ServerObject* const held = source.FindRule(rule);
  if (held == nullptr) {
    return "";
  }
  const ObjectPtr object = store.Find(rule);
  if (const auto refused = source.refused().find(rule); refused != source.refused().end()) {
    return UnprogrammedStatusJson(held->version, false,
                                  StaysInForce(object) + WhyRefused(refused->second));
  }
  if (const auto failed = cluster.failed().find(rule);
      failed != cluster.failed().end() && failed->second.version == held->version) {
    return UnprogrammedStatusJson(held->version, true, StaysInForce(object) + failed->second.why);
  }
  const bool present = object != nullptr &&
                       object->version.generation == held->version.generation &&
                       object->version.uid == held->version.uid;
  return present ? object_status(*object) : "";  // else it is on its way
}

std::vector<ObjectTrouble> ClusterTroubles(const ClusterFollower& cluster) {
  std::vector<ObjectTrouble> troubles;
  for (const auto& [key, refused] : cluster.source().refused()) {
    troubles.push_back({.object = key,
                        .uid = refused.server.version.uid.str(),
                        .reason = "Refused",
                        .note = WhyRefused(refused)});
  }
  for (const auto& [key, failed] : cluster.failed()) {
    troubles.push_back({.object = key,
                        .uid = failed.version.uid.str(),
                        .reason = "NotProgrammed",
                        .note = failed.why,
                        .times = failed.times});
  }
  return troubles;
}

ClusterReports::ClusterReports(boost::asio::io_context& loop, const ReportOptions& options,
                               Agent& agent, ClusterFollower& cluster, const Backend& backend)
    : loop_(loop),
      options_(options),
      cluster_(cluster),
      reporter_(
          loop, options,
          {.rules = [&cluster] { return cluster.source().Rules(); },
           .held = [&cluster](const ObjectKey& key) { return cluster.source().FindRule(key); },
           .wanted =
               [&cluster, &store = *backend.store,
                object_status = backend.object_status](const ObjectKey& key) {
                 return ClusterStatusOf(key, cluster, store, object_status);
               },
           .now = NowInMicroseconds},
          [this] { Log(); }) {
  agent.OnRules([this](const std::set<ObjectKey>& rules) { reporter_.Touch(rules); });
  cluster.OnNews([this](const std::set<ObjectKey>& heard) {
    if (cluster_.in_force()) {
      reporter_.Stand();
    }
    std::set<ObjectKey> rules = heard;
    for (const auto& [key, failed] : cluster_.failed()) {
      rules.insert(key);
    }
    reporter_.Touch(rules);
    reporter_.SetTroubles(ClusterTroubles(cluster_));
  });
}

void ClusterReports::AddTo(AroundStatus& status) const {
  const ReportStatus& report = reporter_.status();
  for (const auto& [what, trouble] : report.troubles) {
    status.features.push_back({.name = what + " in the cluster",
                               .on = false,
                               .reason = trouble + "; the rules stay in force"});
  }
  if (options_.status && report.troubles.empty()) {
    status.features.push_back({.name = "status of rules in the cluster",
                               .on = true,
                               .reason = report.holder.empty() ? "no agent writes it yet"
                                                               : "written by " + report.holder});
  }
  if (status.cluster) {
    status.cluster->writes_status = report.holds;
    status.cluster->requests = report.requests;
  }
}

// Each trouble once, and its end; and who writes the status.
void ClusterReports::Log() {
  const ReportStatus& report = reporter_.status();
  if (logged_holder_ != report.holder) {
    logged_holder_ = report.holder;
    vsplit::Log(Priority::kInfo, "status_writer",
                {{"holder", report.holder}, {"self", report.holds ? "true" : "false"}});
  }
  std::map<std::string, std::string> changed = report.troubles;
  for (const auto& [what, trouble] : logged_) {
    changed.try_emplace(what, "");
  }
  for (const auto& [what, trouble] : changed) {
    if (std::exchange(logged_[what], trouble) != trouble) {
      vsplit::Log(trouble.empty() ? Priority::kInfo : Priority::kWarning,
                  trouble.empty() ? "cluster_told" : "cluster_not_told",
                  {{"what", what}, {"error", trouble}});
    }
  }
}

void ClusterReports::Close() {
  bool released = false;
  reporter_.Release([&released] { released = true; });
  const auto end = std::chrono::steady_clock::now() + kFarewell;
  loop_.restart();
  while (!released && std::chrono::steady_clock::now() < end) {
    loop_.run_one_until(end);
  }
}

}  // namespace vsplit
