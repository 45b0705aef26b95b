// SPDX-License-Identifier: Apache-2.0
// The parts of vsplitd that need no kernel.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <regex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flags.h"
#include "hosts.h"
#include "identity.h"
#include "lock.h"
#include "log.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

Frontend At(const char* address) {
  return {ParseSocketAddress(address).value_or(SocketAddress{})};
}

// A host whose frontends all lead to one cluster.
ServedHost Host(const HostName& name, const std::vector<const char*>& frontends,
                const Dependencies& dependencies = {}) {
  ServedHost host{.resolved = {.host = name, .dependencies = dependencies}};
  for (const char* frontend : frontends) {
    host.part.frontends[At(frontend)] = {
        .everyone = {.host = name,
                     .clusters = {{.name = "outbound|80||" + name, .settings = {}, .groups = {}}}},
        .sources = {}};
  }
  return host;
}

HostChange Only(ServedHost host) {
  HostChange change;
  const HostName name = host.resolved.host;
  change.emplace(name, std::move(host));
  return change;
}

TEST(ServedHosts, ChangeHoldsOnlyWhatDiffers) {
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {"10.0.0.1:80", "10.0.0.1:90"})));
  ServedHost after = Host("a", {"10.0.0.1:80", "10.0.0.2:80"});
  const Result<ImageChange> change = hosts.ChangeOf(Only(after));
  ASSERT_TRUE(change);
  EXPECT_EQ(change->frontends.size(), 2U);
  EXPECT_EQ(change->frontends.at(At("10.0.0.1:90")), std::nullopt);
  EXPECT_EQ(change->frontends.at(At("10.0.0.2:80")), after.part.frontends.at(At("10.0.0.2:80")));
  EXPECT_EQ(hosts.DifferenceOf(Only(after)), Difference(hosts.Find("a")->part, after.part));
}

TEST(ServedHosts, FrontendOfTwoHostsIsRefusedByName) {
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {"10.0.0.1:80"})));
  const Result<ImageChange> change = hosts.ChangeOf(Only(Host("b", {"10.0.0.1:80"})));
  ASSERT_FALSE(change);
  EXPECT_EQ(change.error(),
            (Error{"frontend 10.0.0.1:80 belongs to two hosts: a and b", Error::Reason::kInvalid}));
  HostChange both = Only(Host("c", {"10.0.0.3:80"}));
  both.merge(Only(Host("d", {"10.0.0.3:80"})));
  EXPECT_EQ(hosts.ChangeOf(both).error().message,
            "frontend 10.0.0.3:80 belongs to two hosts: c and d");
}

TEST(ServedHosts, FrontendMayMoveBetweenHostsInOneTransaction) {
  ServedHosts hosts;
  hosts.Take(Only(Host("b", {"10.0.0.1:80"})));
  HostChange move = Only(Host("a", {"10.0.0.1:80"}));
  move.emplace("b", std::nullopt);
  const Result<ImageChange> change = hosts.ChangeOf(move);
  ASSERT_TRUE(change) << change.error().message;
  EXPECT_EQ(change->frontends.size(), 1U);
  EXPECT_EQ(change->frontends.at(At("10.0.0.1:80")).value_or(ImageFrontend{}).everyone.host, "a");
  hosts.Take(move);
  EXPECT_EQ(hosts.Find("b"), nullptr);
  EXPECT_FALSE(hosts.ChangeOf(Only(Host("b", {"10.0.0.1:80"}))));
}

TEST(ServedHosts, ChangeReachesWhoeverDependsOnIt) {
  const ObjectKey pod{Kind::kPod, "default", "p"};
  const IpAddress ip = At("10.1.0.1:1").address.ip;
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {}, {.hosts = {"a", "x"}, .pods = {pod}, .pod_ips = {}})));
  hosts.Take(Only(Host("b", {}, {.hosts = {"b"}, .pods = {}, .pod_ips = {ip}})));
  using Names = std::set<HostName>;
  EXPECT_EQ(hosts.DependingOn({.hosts = {"x"}, .pods = {}, .pod_ips = {}}), Names{"a"});
  EXPECT_EQ(hosts.DependingOn({.hosts = {}, .pods = {pod}, .pod_ips = {ip}}), (Names{"a", "b"}));
  hosts.Take(Only(Host("a", {}, {.hosts = {"a"}, .pods = {}, .pod_ips = {}})));
  EXPECT_EQ(hosts.DependingOn({.hosts = {"x"}, .pods = {pod}, .pod_ips = {}}), Names{});
}

TEST(Log, QuotesWhatWouldBreakTheLine) {
  EXPECT_EQ(LogLine(Priority::kInfo, "applied", {{"generation", "7"}, {"object", "Pod a/b"}}),
            "<6>event=applied generation=7 object=\"Pod a/b\"");
  EXPECT_EQ(LogLine(Priority::kError, "failed", {{"error", "a \"b\"\n<3>c\\"}, {"empty", ""}}),
            "<3>event=failed error=\"a \\\"b\\\"\\n<3>c\\\\\" empty=\"\"");
}

TEST(Identity, UidsAreRandomAndOfVersion4) {
  const Result<std::vector<std::string>> uids = RandomUids(3);
  ASSERT_TRUE(uids);
  const std::regex shape("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  for (const std::string& uid : *uids) {
    EXPECT_TRUE(std::regex_match(uid, shape)) << uid;
  }
  EXPECT_EQ(std::set<std::string>(uids->begin(), uids->end()).size(), 3U);
  EXPECT_TRUE(std::regex_match(Now(), std::regex(R"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)"))) << Now();
}

TEST(Lock, IsHeldByOneAndNamesIt) {
  std::string folder = std::filesystem::temp_directory_path() / "vsplit-lock-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  {
    Result<Lock> first = Lock::Take(folder + "/run", "/sys/fs/bpf/vsplit");
    ASSERT_TRUE(first) << first.error().message;
    const Result<Lock> second = Lock::Take(folder + "/run", "/sys/fs/bpf/vsplit/");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), (Error{"another vsplitd (process " + std::to_string(getpid()) +
                                         ") works with the pins at /sys/fs/bpf/vsplit/",
                                     Error::Reason::kConflict}));
    EXPECT_TRUE(Lock::Take(folder + "/run", "/sys/fs/bpf/other"));
  }
  EXPECT_TRUE(Lock::Take(folder + "/run", "/sys/fs/bpf/vsplit"));
  std::filesystem::remove_all(folder);
}

FlagsResult Parsed(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "vsplitd");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data(), "1.2.3");
}

Flags Taken(std::vector<const char*> arguments) {
  const FlagsResult parsed = Parsed(std::move(arguments));
  EXPECT_TRUE(parsed.flags);
  return parsed.flags.value_or(Flags{});
}

TEST(Flags, DefaultsAreTheDocumentedOnes) {
  const Flags flags = Taken({});
  EXPECT_FALSE(flags.uninstall);
  EXPECT_EQ(flags.server.socket, "/run/vsplit/vsplit.sock");
  EXPECT_EQ(flags.agent.state, "/var/lib/vsplit/objects.db");
  EXPECT_EQ(flags.agent.datapath.pins, "/sys/fs/bpf/vsplit");
  EXPECT_EQ(flags.agent.datapath.cgroup, "");
  EXPECT_TRUE(flags.agent.datapath.observe);
  EXPECT_FALSE(flags.agent.all_hosts);
  EXPECT_EQ(flags.agent.resolve.policy, Policy::kExact);
  EXPECT_EQ(flags.agent.resolve.undeclared, UndeclaredPorts::kAsWritten);
}

TEST(Flags, EachIsTaken) {
  const Flags flags = Taken({"--observe=off",
                             "--policy",
                             "random",
                             "--undeclared-ports=http",
                             "--hosts=all",
                             "--domain",
                             "example.org",
                             "--root-namespace",
                             "mesh",
                             "--max-frontends=100",
                             "--max-endpoints=200",
                             "--max-connections=300",
                             "--cgroup",
                             "/c",
                             "--pins",
                             "/p",
                             "--state",
                             "/s",
                             "--socket",
                             "/k"});
  const AgentOptions& agent = flags.agent;
  EXPECT_FALSE(agent.datapath.observe);
  EXPECT_EQ(agent.resolve.policy, Policy::kRandom);
  EXPECT_EQ(agent.resolve.undeclared, UndeclaredPorts::kHttp);
  EXPECT_TRUE(agent.all_hosts);
  EXPECT_EQ(agent.domain, "example.org");
  EXPECT_EQ(agent.resolve.root_namespace, "mesh");
  EXPECT_EQ(agent.datapath.sizes.frontends, 100U);
  EXPECT_EQ(agent.datapath.sizes.endpoints, 200U);
  EXPECT_EQ(agent.datapath.sizes.connections, 300U);
  EXPECT_EQ(agent.datapath.cgroup + agent.datapath.pins + agent.state, "/c/p/s");
  EXPECT_EQ(flags.server.socket, "/k");
}

TEST(Flags, MistakesEndWithCode2AndQuestionsWithCode0) {
  EXPECT_EQ(Parsed({"--observe=maybe"}).exit_code, 2);
  EXPECT_EQ(Parsed({"--policy=1"}).exit_code, 2);
  EXPECT_EQ(Parsed({"--max-frontends=0"}).exit_code, 2);
  EXPECT_EQ(Parsed({"--nothing"}).exit_code, 2);
  EXPECT_EQ(Parsed({"--version"}).exit_code, 0);
  EXPECT_FALSE(Parsed({"--help"}).flags);
  const Flags uninstall = Taken({"uninstall", "--pins", "/p"});
  EXPECT_TRUE(uninstall.uninstall);
  EXPECT_EQ(uninstall.agent.datapath.pins, "/p");
}

}  // namespace
}  // namespace vsplit
