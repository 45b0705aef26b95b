// SPDX-License-Identifier: Apache-2.0
// From nothing to serving: objects from disk, tables from the kernel, and what differs.
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent.h"
#include "hosts.h"
#include "identity.h"
#include "log.h"
#include "pods.h"
#include "vsplit/address.h"
#include "vsplit/datapath.h"
#include "vsplit/disk.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {

Result<std::unique_ptr<Agent>> Agent::Load(const AgentOptions& options, CgroupFinder find) {
  Result<Disk> disk = Disk::Open(options.state);
  if (!disk) {
    return tl::unexpected<Error>(disk.error());
  }
  std::unique_ptr<Agent> agent(new Agent(options, *std::move(disk), std::move(find)));
  if (const Result<void> loaded = agent->LoadObjects(); !loaded) {
    return Fail("load " + options.state, loaded.error());
  }
  agent->pods_ = FindPods(agent->store_, agent->options_.node, agent->find_);
  if (const Result<void> served = agent->ServeAll(); !served) {
    return tl::unexpected<Error>(served.error());
  }
  return agent;
}

// What names mean may be known only after those that are asked for are.
Result<void> Agent::Start() {
  Result<void> served = DnsNames().empty() ? Result<void>{} : ServeAll();
  return served ? Adopt() : served;
}

Result<void> Agent::LoadObjects() {
  Result<DiskContent> content = disk_.Load();
  if (!content) {
    return tl::unexpected<Error>(content.error());
  }
  std::vector<Object> objects;
  objects.reserve(content->objects.size());
  for (DiskContent::Stored& entry : content->objects) {
    const DiskContent::Stored stored = std::exchange(entry, {});  // gone when it is read
    ParseResult parsed = Parse(stored.json, {.format = TextFormat::kJson,
                                             .default_namespace = stored.ns,
                                             .source = "",
                                             .stored = true});
    if (parsed.objects.size() != 1) {
      return Fail(parsed.diagnostics.empty() ? "a row holds no object"
                                             : ToString(parsed.diagnostics.front()),
                  Error::Reason::kInvalid);
    }
    objects.push_back(std::move(parsed.objects.front()));
    objects.back().version = stored.version;
  }
  store_.Load(std::move(objects), content->resource_version);
  source_ = std::move(content->source);
  names_ = std::move(content->names);
  conditions_.Load(content->conditions);
  return {};
}

Result<void> Agent::ServeAll() {
  HostChange all;
  for (const HostName& host : HostsWithRules(store_, options_.all_hosts)) {
    Result<std::optional<ServedHost>> served = Serve(host, pods_);
    if (!served) {
      return tl::unexpected<Error>(served.error());
    }
    all.emplace(host, *std::move(served));
  }
  hosts_.Take(std::move(all));
  return {};
}

Result<void> Agent::Adopt() {
  Result<Datapath> datapath = Datapath::Open(options_.datapath);
  if (!datapath) {
    return tl::unexpected<Error>(datapath.error());
  }
  datapath_ = std::make_unique<Datapath>(*std::move(datapath));
  if (Result<void> repaired = Repair(); !repaired) {
    return repaired;
  }
  TableImage wanted = hosts_.Image();
  wanted.workloads = pods_.image;
  const ImageChange change = ChangeTo(tables_, wanted);
  const Result<Plan> plan = MakePlan(tables_, change);
  if (!plan) {
    return tl::unexpected<Error>(plan.error());
  }
  if (Result<void> done = datapath_->Apply(*plan, tables_); !done) {
    return done;
  }
  shortest_limit_.reset();
  if (Result<void> attached = datapath_->Attach(); !attached) {
    return attached;
  }
  const Conditions::News news = conditions_.LookAtAll(store_, hosts_, Now());
  KeepConditions(news);
  Announce(news, {});
  Log(Priority::kInfo, "in_force",
      {{"generation", std::to_string(tables_.generation)},
       {"frontends", std::to_string(wanted.frontends.size())},
       {"pods", std::to_string(pods_.workloads.size())},
       {"operations", std::to_string(plan->operations.size())},
       {"cgroup", datapath_->cgroup()}});
  return {};
}

}  // namespace vsplit
