// SPDX-License-Identifier: Apache-2.0
#include "policy.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "scene.h"
#include "visibility.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {
namespace {

const DestinationRule& RuleOf(const ObjectPtr& object) {
  return std::get<DestinationRule>(object->spec);
}

std::string NameOf(const ObjectPtr& object) {
  return ToString(object->key);
}

HostName HostOf(const Scene& scene, const ObjectPtr& object) {
  return QualifyHost(RuleOf(object).host, object->key.ns, scene.store.domain());
}

// Why a rule cannot be followed for every client alike; empty when it can.
std::string ClientCondition(const ObjectPtr& object) {
  const DestinationRule& rule = RuleOf(object);
  if (rule.workload_selector) {
    return "applies only to clients that its workloadSelector names, sources are not told apart "
           "yet";
  }
  if (!IsPublic(rule.export_to)) {
    return fmt::format("exported only to \"{}\", sources are not told apart yet",
                       Join(rule.export_to));
  }
  return "";
}

// Those of one namespace with the most specific host: the exact one, else the longest wildcard.
std::vector<ObjectPtr> MostSpecific(const Scene& scene, const std::vector<ObjectPtr>& rules,
                                    const HostName& host, const std::string& ns) {
  std::vector<ObjectPtr> best;
  std::pair<bool, std::size_t> best_rank;
  for (const ObjectPtr& object : rules) {
    if (object->key.ns != ns || !ClientCondition(object).empty()) {
      continue;
    }
    const HostName pattern = HostOf(scene, object);
    const std::pair rank(pattern == host, pattern.size());
    if (best.empty() || rank > best_rank) {
      best.clear();
      best_rank = rank;
    }
    if (rank == best_rank) {
      best.push_back(object);
    }
  }
  SortByPrecedence(best);
  return best;
}

// The first of the merged rules that has a trafficPolicy; null when none has.
ObjectPtr TopPolicy(const std::vector<ObjectPtr>& merged) {
  const auto found = std::ranges::find_if(
      merged, [](const ObjectPtr& object) { return RuleOf(object).traffic_policy.has_value(); });
  return found == merged.end() ? nullptr : *found;
}

// A level overrides the load balancer of the level outside of it, and its entry for the port
// replaces the whole of the level, what the entry leaves out going back to Istio's defaults.
void Override(std::optional<LoadBalancer>& balancer, const std::optional<TrafficPolicy>& level,
              std::uint16_t port) {
  if (!level) {
    return;
  }
  if (level->settings.load_balancer) {
    balancer = level->settings.load_balancer;
  }
  const auto entry = std::ranges::find(level->port_level_settings, port, &PortPolicy::port);
  if (entry != level->port_level_settings.end()) {
    balancer = entry->settings.load_balancer;
  }
}

// Writes the verdicts on the parts of one DestinationRule.
class Judge {
 public:
  Judge(const ObjectPtr& object, const HostName& host, std::vector<Verdict>& verdicts)
      : object_(object), host_(host), verdicts_(verdicts) {}

  // Enforced if there is no reason why not.
  void Add(const std::string& path, const std::string& reason) {
    verdicts_.push_back(
        {.kind = reason.empty() ? Verdict::Kind::kEnforced : Verdict::Kind::kNotEnforced,
         .object = object_->key,
         .path = path,
         .host = host_,
         .reason = reason});
  }

  void AddPolicy(const std::string& path, const TrafficPolicy& policy) {
    AddSettings(path, policy.settings);
    for (std::size_t i = 0; i < policy.port_level_settings.size(); ++i) {
      AddSettings(fmt::format("{}.portLevelSettings[{}]", path, i),
                  policy.port_level_settings[i].settings);
    }
  }

 private:
  // The blocks that are not carried out, each by its name.
  void AddSettings(const std::string& path, const PolicySettings& settings) {
    const std::string reason = "not supported yet";
    if (settings.connection_pool) {
      Add(path + ".connectionPool", reason);
    }
    if (settings.outlier_detection) {
      Add(path + ".outlierDetection", reason);
    }
    if (!settings.tls_mode.empty() && settings.tls_mode != "DISABLE") {
      Add(path + ".tls", "connections are left as the application makes them");
    }
    if (!settings.load_balancer) {
      return;
    }
    if (settings.load_balancer->simple == SimpleLoadBalancer::kPassthrough) {
      Add(path + ".loadBalancer.simple", "PASSTHROUGH is not supported yet");
    }
    if (settings.load_balancer->consistent_hash) {
      Add(path + ".loadBalancer.consistentHash", reason);
    }
    if (settings.load_balancer->locality) {
      Add(path + ".loadBalancer.localityLbSetting", reason);
    }
    if (settings.load_balancer->warmup) {
      Add(path + ".loadBalancer.warmup", reason);
    }
  }

  const ObjectPtr& object_;
  const HostName& host_;
  std::vector<Verdict>& verdicts_;
};

// Why this rule is not among the merged ones; empty when it is.
std::string WhyLeftOut(const Scene& scene, const ObjectPtr& object,
                       const std::vector<ObjectPtr>& merged, const std::string& ns) {
  if (std::ranges::find(merged, object) != merged.end()) {
    return "";
  }
  if (const std::string condition = ClientCondition(object); !condition.empty()) {
    return condition;
  }
  if (object->key.ns != ns && object->key.ns != scene.options.root_namespace) {
    return fmt::format(
        "applies only to clients in namespace {}, sources are not told apart "
        "yet",
        object->key.ns);
  }
  return fmt::format("shadowed by {}", NameOf(merged.front()));
}

// A verdict on each part that the rule has; on the rule itself if it has none.
void JudgeParts(const ObjectPtr& object, const std::vector<ObjectPtr>& merged,
                const std::string& reason, Judge judge) {
  const DestinationRule& rule = RuleOf(object);
  if (rule.traffic_policy) {
    const ObjectPtr top = TopPolicy(merged);
    const bool shadowed = reason.empty() && top != object;
    judge.Add("spec.trafficPolicy",
              shadowed ? fmt::format("shadowed by the one of {}", NameOf(top)) : reason);
    if (reason.empty() && !shadowed) {
      judge.AddPolicy("spec.trafficPolicy", *rule.traffic_policy);
    }
  }
  for (std::size_t i = 0; i < rule.subsets.size(); ++i) {
    const Subset& subset = rule.subsets[i];
    const std::string path = fmt::format("spec.subsets[{}]", i);
    const bool shadowed = reason.empty() && FindSubset(merged, subset.name) != &subset;
    judge.Add(path, shadowed
                        ? fmt::format("an older DestinationRule defines \"{}\" too", subset.name)
                        : reason);
    if (reason.empty() && !shadowed && subset.traffic_policy) {
      judge.AddPolicy(path + ".trafficPolicy", *subset.traffic_policy);
    }
  }
  if (!rule.traffic_policy && rule.subsets.empty()) {
    judge.Add("spec", reason);
  }
}

}  // namespace

std::vector<ObjectPtr> MergedRules(const Scene& scene, const HostName& host,
                                   const std::string& ns) {
  const std::vector<ObjectPtr> all = scene.store.DestinationRulesFor(host);
  std::vector<ObjectPtr> merged = MostSpecific(scene, all, host, ns);
  if (merged.empty()) {
    merged = MostSpecific(scene, all, host, scene.options.root_namespace);
  }
  return merged;
}

const Subset* FindSubset(const std::vector<ObjectPtr>& merged, std::string_view name) {
  for (const ObjectPtr& object : merged) {
    const std::vector<Subset>& subsets = RuleOf(object).subsets;
    const auto found = std::ranges::find(subsets, name, &Subset::name);
    if (found != subsets.end()) {
      return &*found;
    }
  }
  return nullptr;
}

Algorithm AlgorithmFor(const std::vector<ObjectPtr>& merged, const Subset* subset,
                       std::uint16_t port) {
  std::optional<LoadBalancer> balancer;
  if (const ObjectPtr top = TopPolicy(merged)) {
    Override(balancer, RuleOf(top).traffic_policy, port);
  }
  if (subset != nullptr) {
    Override(balancer, subset->traffic_policy, port);
  }
  const auto simple = balancer ? balancer->simple : std::nullopt;
  if (simple == SimpleLoadBalancer::kRoundRobin) {
    return Algorithm::kRoundRobin;
  }
  return simple == SimpleLoadBalancer::kRandom ? Algorithm::kRandom : Algorithm::kLeastRequest;
}

void JudgeDestinationRules(const Scene& scene, const HostName& host, const std::string& ns,
                           const std::string& obstacle, std::vector<Verdict>& verdicts) {
  const std::vector<ObjectPtr> merged = MergedRules(scene, host, ns);
  for (const ObjectPtr& object : scene.store.DestinationRulesFor(host)) {
    const std::string reason = obstacle.empty() ? WhyLeftOut(scene, object, merged, ns) : obstacle;
    JudgeParts(object, merged, reason, Judge(object, host, verdicts));
  }
}

}  // namespace vsplit::resolve
