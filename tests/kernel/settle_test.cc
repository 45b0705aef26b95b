// SPDX-License-Identifier: Apache-2.0
// What follows a commit in place may fail: then the commit stands, and the rest is noted and tried
// again.
#include <bpf/bpf.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent.h"
#include "pods.h"
#include "vsplit/address.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/policy.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"
#include "vsplit/workloads.h"

namespace vsplit::testing {
namespace {

using ::testing::Test;

constexpr std::uint32_t kWorkloads = 16;  // as many as frontends
constexpr std::uint64_t kFirstCgroup = 1000;

class SettleTest : public Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<Agent>> agent = Agent::Load(
        {.state = folder_ / "objects.db",
         .node = {.name = "n1", .locality = Locality{}, .cgroup_mount = "/sys/fs/cgroup"},
         .datapath = {.pins = bpffs_.path() + "/vsplit",
                      .cgroup = cgroup_.path(),
                      .sizes = {.frontends = kWorkloads, .endpoints = 64, .connections = 64}}},
        FindCgroups);
    ASSERT_TRUE(agent) << agent.error().message;
    agent_ = *std::move(agent);
    const Result<void> started = agent_->Start();
    ASSERT_TRUE(started) << started.error().message;
    workloads_ = Descriptor(bpf_obj_get((bpffs_.path() + "/vsplit/workloads").c_str()));
    ASSERT_GE(workloads_.get(), 0);
  }
  void TearDown() override {
    agent_.reset();
    EXPECT_TRUE(Datapath::Uninstall(bpffs_.path() + "/vsplit"));
    std::filesystem::remove_all(folder_);
  }

  // By their order.
  static std::map<ObjectKey, vsplit::PodCgroup> FindCgroups(const CgroupHints& hints) {
    std::map<ObjectKey, vsplit::PodCgroup> found;
    for (const auto& [key, hint] : hints) {
      found[key] = {.id = kFirstCgroup + found.size(), .level = 3, .path = hint.uid};
    }
    return found;
  }

  Result<Applied> AddPod(const std::string& name) {
    Object pod{.key = {Kind::kPod, "default", name},
               .spec = Pod{.uid = "uid-" + name, .node_name = "n1", .phase = "Running"}};
    std::vector<Write> writes;
    writes.push_back({.object = std::move(pod)});
    return agent_->Transact(writes, false);
  }
  Result<Applied> Apply(const std::string& yaml) {
    std::vector<Write> writes;
    for (Object& object : Parse(yaml).objects) {
      writes.push_back({.object = std::move(object)});
    }
    return agent_->Transact(writes, false);
  }
  // The name in the kernel's table; empty: there is none.
  std::string NameOf(std::uint64_t cgroup) const {
    const workload_key key{cgroup};
    workload_value value{};
    return bpf_map_lookup_elem(workloads_.get(), &key, &value) == 0 ? value.name : "";
  }
  // By another program, which is what sqlite3 is to the agent.
  bool Sql(const char* sql) const { return Stored(sql) == 0; }
  // The objects on disk, or what the statement gives; less than 0: it fails.
  int Stored(const char* sql = "SELECT count(*) FROM objects") const {
    sqlite3* database = nullptr;
    int number = 0;
    const auto take = [](void* out, int, char** values, char**) {
      *static_cast<int*>(out) = std::stoi(values[0]);
      return 0;
    };
    const bool done = sqlite3_open((folder_ / "objects.db").c_str(), &database) == SQLITE_OK &&
                      sqlite3_exec(database, sql, take, &number, nullptr) == SQLITE_OK;
    sqlite3_close(database);
    return done ? number : -1;
  }
  bool Says(const std::string& text) {
    const Backend backend = agent_->MakeBackend();
    return backend.metrics().find(text) != std::string::npos;
  }

  TestBpffs bpffs_;
  TestCgroup cgroup_;
  std::filesystem::path folder_ = [] {
    std::string path = std::filesystem::temp_directory_path() / "vsplit-settle-XXXXXX";
    return std::filesystem::path(mkdtemp(path.data()));
  }();
  std::unique_ptr<Agent> agent_;
  Descriptor workloads_;
};

TEST_F(SettleTest, AWorkloadThatHadNoRoomIsThereOnceThereIs) {
  for (std::uint64_t i = 0; i < kWorkloads; ++i) {
    const workload_key key{500 + i};
    const workload_value value{};
    ASSERT_EQ(bpf_map_update_elem(workloads_.get(), &key, &value, BPF_ANY), 0) << i;
  }
  const Result<Applied> applied = AddPod("a");
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(NameOf(kFirstCgroup), "default/a");
  EXPECT_EQ(NameOf(500), "");
  EXPECT_FALSE(agent_->IsUnsettled());
  EXPECT_TRUE(Says("\nvsplit_unsettled_total 1\n"));
  EXPECT_TRUE(Says("\nvsplit_unsettled 0\n"));
}

TEST_F(SettleTest, WhatCannotBeWrittenIsReportedAndTriedAgain) {
  ASSERT_TRUE(AddPod("a"));
  EXPECT_TRUE(Says("\nvsplit_unsettled_total 0\n"));
  // Nobody writes to this table any more; the next agent's will be another.
  ASSERT_EQ(bpf_map_freeze(workloads_.get()), 0);
  const Result<Applied> applied = AddPod("b");
  ASSERT_TRUE(applied) << applied.error().message;
  EXPECT_EQ(NameOf(kFirstCgroup + 1), "");
  EXPECT_TRUE(agent_->IsUnsettled());
  const Backend backend = agent_->MakeBackend();
  EXPECT_NE(backend.status().find("write table workloads: Operation not permitted"),
            std::string::npos)
      << backend.status();
  EXPECT_FALSE(backend.not_ready().empty());
  EXPECT_TRUE(Says("\nvsplit_unsettled 1\n"));
  // At once, and again.
  EXPECT_TRUE(Says("\nvsplit_unsettled_total 2\n"));
  EXPECT_FALSE(agent_->Settle());
  EXPECT_TRUE(Says("\nvsplit_unsettled_total 3\n"));
  // Rules are not held up by it.
  const Result<Applied> rules = Apply(R"(
kind: Service
apiVersion: v1
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.7, ports: [{name: http, port: 80}]}
---
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: web, namespace: default}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
)");
  ASSERT_TRUE(rules) << rules.error().message;
  EXPECT_NE(backend.image().find("10.96.0.7:80"), std::string::npos) << backend.image();
}

// Objects that the disk has and that did not come into force are taken back from it, however long
// that takes: else an agent that starts would put them into force.
TEST_F(SettleTest, WhatTheDiskCannotTakeBackIsTriedAgain) {
  const Descriptor hosts(bpf_obj_get((bpffs_.path() + "/vsplit/hosts").c_str()));
  ASSERT_EQ(bpf_map_freeze(hosts.get()), 0);
  ASSERT_TRUE(
      Sql("CREATE TRIGGER hold BEFORE DELETE ON objects "
          "BEGIN SELECT RAISE(ABORT, 'held'); END"));
  const std::string rules = R"(
kind: Service
apiVersion: v1
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.96.0.7, ports: [{name: http, port: 80}]}
---
kind: VirtualService
apiVersion: networking.istio.io/v1
metadata: {name: web, namespace: default}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
)";
  const Result<Applied> applied = Apply(rules);
  ASSERT_FALSE(applied);
  EXPECT_NE(applied.error().message.find("the disk already holds the new objects"),
            std::string::npos)
      << applied.error().message;
  EXPECT_TRUE(agent_->IsUnsettled());
  const Backend backend = agent_->MakeBackend();
  EXPECT_NE(backend.status().find("objects that are not in force"), std::string::npos)
      << backend.status();
  EXPECT_FALSE(backend.not_ready().empty());
  EXPECT_FALSE(agent_->Settle());
  const Result<Applied> pod = AddPod("a");
  ASSERT_FALSE(pod);
  EXPECT_NE(pod.error().message.find("held"), std::string::npos) << pod.error().message;
  EXPECT_EQ(Stored(), 2);

  ASSERT_TRUE(Sql("DROP TRIGGER hold"));
  const Result<void> settled = agent_->Settle();
  EXPECT_TRUE(settled) << settled.error().message;
  EXPECT_FALSE(agent_->IsUnsettled());
  EXPECT_EQ(Stored(), 0);
  EXPECT_TRUE(AddPod("a"));
  EXPECT_EQ(Stored(), 1);
}

TEST_F(SettleTest, AnAnswerOfDnsIsInForceAtOnceAndTheNextReplacesIt) {
  ASSERT_TRUE(Apply(R"(
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db, namespace: default}
spec:
  hosts: [db.example.com]
  addresses: [10.99.0.1]
  ports: [{name: tcp, number: 5432, protocol: TCP}]
  resolution: DNS
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: rr, namespace: default}
spec:
  hosts: [rr.example.com]
  addresses: [10.99.0.2]
  ports: [{name: tcp, number: 5432, protocol: TCP}]
  resolution: DNS_ROUND_ROBIN
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db, namespace: default}
spec: {host: db.example.com}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: rr, namespace: default}
spec: {host: rr.example.com}
)"));
  EXPECT_EQ(agent_->DnsNames(), (std::set<HostName>{"db.example.com", "rr.example.com"}));
  const IpAddress seven = *ParseIpAddress("10.0.0.7");
  const IpAddress eight = *ParseIpAddress("10.0.0.8");
  const IpAddress nine = *ParseIpAddress("10.0.0.9");
  const Backend backend = agent_->MakeBackend();
  const auto has = [&backend](const std::string& endpoint) {
    return backend.image().find(endpoint + ":5432") != std::string::npos;
  };
  EXPECT_FALSE(has("10.0.0.8"));
  ASSERT_TRUE(agent_->TakeNames({{"db.example.com", {eight, nine}}}));
  EXPECT_TRUE(has("10.0.0.8") && has("10.0.0.9"));
  ASSERT_TRUE(agent_->TakeNames({{"db.example.com", {seven}}}));
  EXPECT_TRUE(has("10.0.0.7"));
  EXPECT_FALSE(has("10.0.0.8") || has("10.0.0.9"));
  // Of round robin the first address alone.
  ASSERT_TRUE(agent_->TakeNames({{"db.example.com", {seven}}, {"rr.example.com", {eight, nine}}}));
  EXPECT_TRUE(has("10.0.0.8"));
  EXPECT_FALSE(has("10.0.0.9"));
}

}  // namespace
}  // namespace vsplit::testing
