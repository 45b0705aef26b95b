// SPDX-License-Identifier: Apache-2.0
#include "judge.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "destination_rules.h"
#include "registry.h"
#include "scene.h"
#include "settings.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

const DestinationRule& RuleOf(const ObjectPtr& object) {
  return object->spec.Get<DestinationRule>();
}

// The first of the merged rules that has a trafficPolicy; null when none has.
ObjectPtr TopPolicy(const std::vector<ObjectPtr>& merged) {
  const auto found = std::ranges::find_if(
      merged, [](const ObjectPtr& object) { return RuleOf(object).traffic_policy.has_value(); });
  return found == merged.end() ? nullptr : *found;
}

// Which of the places a block stands in: Istio asks some of them for some things only.
enum class Level { kHost, kHostPort, kSubset };

// Writes the verdicts on the parts of one DestinationRule.
class Judge {
 public:
  Judge(const ObjectPtr& object, const HostName& host, const RegistryService* service,
        std::vector<Verdict>& verdicts)
      : object_(object), host_(host), service_(service), verdicts_(verdicts) {}

  // Enforced if there is no reason why not.
  void Add(const std::string& path, const std::string& reason) {
    Add(path, reason.empty() ? Verdict::Kind::kEnforced : Verdict::Kind::kNotEnforced, reason);
  }

  void AddPolicy(const std::string& path, const TrafficPolicy& policy, Level level) {
    AddSettings(path, policy.settings, level);
    for (std::size_t i = 0; i < policy.port_level_settings.size(); ++i) {
      const PortPolicy& entry = policy.port_level_settings[i];
      const std::string place = fmt::format("{}.portLevelSettings[{}]", path, i);
      if (service_ != nullptr && service_->FindPort(entry.port) == nullptr) {
        Add(place, fmt::format("{} has no port {}", ToString(service_->object().key), entry.port));
      } else {
        AddSettings(place, entry.settings, level == Level::kHost ? Level::kHostPort : level);
      }
    }
  }

 private:
  void Add(const std::string& path, Verdict::Kind kind, const std::string& reason) {
    verdicts_.push_back(
        {.kind = kind, .object = object_->key, .path = path, .host = host_, .reason = reason});
  }
  void Approximate(const std::string& path, const std::string& how) {
    Add(path, Verdict::Kind::kApproximated, how);
  }

  void AddSettings(const std::string& path, const PolicySettings& settings, Level level) {
    for (const auto& [field, reason] : Unenforced(settings)) {
      const bool plain = field == "tls" && AllowsPlaintext(*object_);
      Add(path + "." + field,
          plain ? fmt::format("plain text is sent, as annotation {} says", kPlaintextAnnotation)
                : reason);
    }
    if (settings.connection_pool) {
      AddPool(path + ".connectionPool.tcp", *settings.connection_pool, level);
    }
    if (settings.outlier_detection) {
      AddDetection(path + ".outlierDetection", *settings.outlier_detection);
    }
    if (settings.load_balancer) {
      AddBalancer(path + ".loadBalancer", *settings.load_balancer,
                  settings.outlier_detection.has_value());
    }
  }

  void AddPool(const std::string& path, const ConnectionPool& pool, Level level) {
    if (pool.connect_timeout) {
      Approximate(path + ".connectTimeout", "between two of the kernel's SYN retries");
    }
    const std::string elsewhere = "Istio asks only the trafficPolicy of the host for it";
    if (pool.idle_timeout && level != Level::kHost) {
      Add(path + ".idleTimeout", elsewhere);
    }
    if (pool.max_connection_duration && level != Level::kHost) {
      Add(path + ".maxConnectionDuration", elsewhere);
    }
  }

  void AddDetection(const std::string& path, const OutlierDetection& detection) {
    if (!SettingsOf({.outlier_detection = &detection}).ejection) {
      Add(path, "nothing is counted that a connection can show");
    } else {
      Approximate(path, "connections that fail are counted, responses are not");
    }
  }

  void AddBalancer(const std::string& path, const LoadBalancer& balancer, bool detects) {
    if (balancer.locality && !detects &&
        (!balancer.locality->failover.empty() || !balancer.locality->failover_priority.empty())) {
      Add(path + ".localityLbSetting", "failover needs outlierDetection beside it");
    }
    if (balancer.warmup && !SettingsOf({.load_balancer = &balancer}).warmup) {
      Add(path + ".warmup", "only ROUND_ROBIN and LEAST_REQUEST have a slow start");
    }
  }

  const ObjectPtr& object_;
  const HostName& host_;
  const RegistryService* service_;
  std::vector<Verdict>& verdicts_;
};

// Why a subset of the service chooses nobody; empty when it may.
std::string WhyNoSubset(const RegistryService* service) {
  if (service == nullptr || service->resolution != Resolution::kNone) {
    return "";
  }
  return fmt::format("{} keeps the address that was dialled, whatever the labels there",
                     service->headless ? "a headless Service" : "resolution NONE");
}

// A verdict on each part that the rule has; on the rule itself if it has none.
void JudgeParts(const ObjectPtr& object, const std::vector<ObjectPtr>& merged,
                const RegistryService* service, const std::string& reason, Judge judge) {
  const DestinationRule& rule = RuleOf(object);
  if (rule.traffic_policy) {
    const ObjectPtr top = TopPolicy(merged);
    const bool shadowed = reason.empty() && top != object;
    judge.Add("spec.trafficPolicy",
              shadowed ? fmt::format("shadowed by the one of {}", ToString(top->key)) : reason);
    if (reason.empty() && !shadowed) {
      judge.AddPolicy("spec.trafficPolicy", *rule.traffic_policy, Level::kHost);
    }
  }
  for (std::size_t i = 0; i < rule.subsets.size(); ++i) {
    const Subset& subset = rule.subsets[i];
    const std::string path = fmt::format("spec.subsets[{}]", i);
    std::string why = reason;
    if (why.empty() && FindSubset(merged, subset.name) != &subset) {
      why = fmt::format("an older DestinationRule defines \"{}\" too", subset.name);
    } else if (why.empty()) {
      why = WhyNoSubset(service);
    }
    judge.Add(path, why);
    if (why.empty() && subset.traffic_policy) {
      judge.AddPolicy(path + ".trafficPolicy", *subset.traffic_policy, Level::kSubset);
    }
  }
  if (!rule.traffic_policy && rule.subsets.empty()) {
    judge.Add("spec", reason);
  }
}

}  // namespace

bool AllowsPlaintext(const Object& rule) {
  const auto found = rule.annotations.find(std::string(kPlaintextAnnotation));
  return found != rule.annotations.end() && found->second == "true";
}

void JudgeDestinationRules(const Scene& scene, const HostName& host, const RegistryService* service,
                           const std::string& obstacle, std::vector<Verdict>& verdicts) {
  const std::vector<ObjectPtr> all = scene.store.DestinationRulesFor(host);
  if (all.empty()) {
    return;
  }
  const std::string ns = service == nullptr ? "" : service->ns;
  const std::vector<ObjectPtr> merged = MergedRules(scene, host, ns);
  for (const ObjectPtr& object : all) {
    const std::string reason = obstacle.empty() ? WhyLeftOut(scene, object, merged, ns) : obstacle;
    JudgeParts(object, merged, service, reason, Judge(object, host, service, verdicts));
  }
}

}  // namespace vsplit::resolve
