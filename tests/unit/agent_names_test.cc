// SPDX-License-Identifier: Apache-2.0
// What DNS said to an agent holds for the next one, whether the resolver answers then or not.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agent.h"
#include "disk_folder.h"
#include "names_dns.h"
#include "pods.h"
#include "surroundings.h"
#include "vsplit/address.h"
#include "vsplit/disk.h"
#include "vsplit/names.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;

// A rule, so that the host is served.
constexpr const char* kObjects = R"(
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
kind: VirtualService
metadata: {name: db, namespace: default}
spec:
  hosts: [db.example.com]
  tcp: [{route: [{destination: {host: db.example.com}}]}]
)";

class AgentNames : public testing::Test {
 protected:
  AgentNames() {
    std::filesystem::create_directories(folder.path() / "cgroup");
    options.servers = {server.address()};
    options.timeout = milliseconds(50);
    options.tries = 1;
    options.min_retry = options.max_retry = milliseconds(10);
    server.records["db.example.com"] = {.addresses = {"10.0.0.8", "10.0.0.9"}, .ttl = 3600};
    std::vector<Change> changes;
    ParseResult parsed = Parse(kObjects);
    for (Object& object : parsed.objects) {
      changes.push_back(Put(std::make_shared<const Object>(std::move(object))));
    }
    EXPECT_EQ(changes.size(), 2U);
    EXPECT_TRUE(Open(folder.file()).Commit(changes, 1));
  }

  // What an agent knows of the name once it has been let start; nothing: it knows nothing.
  std::optional<std::string> StartAgent(milliseconds patience) {
    Result<std::unique_ptr<Surroundings>> around =
        Surroundings::Open(loop, folder.path() / "cgroup", options);
    EXPECT_TRUE(around);
    Result<std::unique_ptr<Agent>> agent =
        Agent::Load({.state = folder.file()}, (*around)->Finder());
    if (!agent) {
      ADD_FAILURE() << agent.error().message;
      return std::nullopt;
    }
    (*around)->Meet(**agent, patience);
    while (server.failing && (*around)->Status().failing_names.empty()) {
      loop.run_one_for(milliseconds(100));
    }
    trouble = (*around)->Status().failing_names["db.example.com"];
    const auto known = (*agent)->names().find("db.example.com");
    if (known == (*agent)->names().end()) {
      return std::nullopt;
    }
    std::string text;
    for (const IpAddress& address : known->second) {
      text += (text.empty() ? "" : " ") + ToString(address);
    }
    return text;
  }

  static constexpr milliseconds kLong{30'000};

  TempFolder folder;
  boost::asio::io_context loop;
  DnsServer server{loop};
  NamesOptions options;
  std::string trouble;  // with the last question, if it has ended
};

TEST_F(AgentNames, AnswersHoldWhenTheResolverIsDeadAtTheNextStart) {
  EXPECT_EQ(StartAgent(kLong), "10.0.0.8 10.0.0.9");
  server.failing = true;
  EXPECT_EQ(StartAgent(kLong), "10.0.0.8 10.0.0.9");
  EXPECT_TRUE(trouble.ends_with("; the last answer stays in force")) << trouble;
  server.failing = false;
  server.silent = true;
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(StartAgent(kLong), "10.0.0.8 10.0.0.9");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, kLong / 2)
      << "a known name is not waited for";
}

TEST_F(AgentNames, NameThatNobodyKnowsIsWaitedForNoLongerThanPatienceLasts) {
  server.silent = true;
  EXPECT_EQ(StartAgent(milliseconds(20)), std::nullopt);
  EXPECT_EQ(StartAgent(kLong), std::nullopt);
  EXPECT_FALSE(trouble.empty());
  EXPECT_EQ(trouble.find("stays in force"), std::string::npos);
}

TEST_F(AgentNames, NamesNoLongerWantedAreForgotten) {
  EXPECT_EQ(StartAgent(kLong), "10.0.0.8 10.0.0.9");
  {
    Disk disk = Open(folder.file());
    KnownNames names = disk.Load()->names;
    ASSERT_EQ(names.size(), 1U);
    names["old.example.com"] = {};
    ASSERT_TRUE(disk.KeepNames(names));
  }
  EXPECT_EQ(StartAgent(kLong), "10.0.0.8 10.0.0.9");
  EXPECT_EQ(Open(folder.file()).Load()->names.size(), 1U);
}

}  // namespace
}  // namespace vsplit
