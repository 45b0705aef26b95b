// SPDX-License-Identifier: Apache-2.0
// The parts of vsplitd that need no kernel.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
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
#include "pods.h"
#include "vsplit/address.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/plan.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/workloads.h"

namespace vsplit {
namespace {

Frontend At(const char* address) {
  return {ParseSocketAddress(address).value_or(SocketAddress{})};
}

// A host whose frontends all lead to one cluster.
ServedHost Host(const HostName& name, const std::vector<const char*>& frontends,
                const Dependencies& dependencies = {}, const std::string& created = "") {
  ServedHost host{.meaning = {.everyone = {.host = name, .dependencies = dependencies}},
                  .object = {Kind::kService, "default", name},
                  .created = created};
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
  const HostName name = host.meaning.everyone.host;
  change.emplace(name, std::move(host));
  return change;
}

TEST(ServedHosts, ChangeHoldsOnlyWhatDiffers) {
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {"10.0.0.1:80", "10.0.0.1:90"})));
  ServedHost after = Host("a", {"10.0.0.1:80", "10.0.0.2:80"});
  const ImageChange change = hosts.ChangeOf(Only(after));
  EXPECT_EQ(change.frontends.size(), 2U);
  EXPECT_EQ(change.frontends.at(At("10.0.0.1:90")), std::nullopt);
  EXPECT_EQ(change.frontends.at(At("10.0.0.2:80")), after.part.frontends.at(At("10.0.0.2:80")));
  EXPECT_EQ(hosts.DifferenceOf(Only(after)), Difference(hosts.Find("a")->part, after.part));
}

// The host that has a frontend after the change; "nobody", or "unchanged".
HostName OwnerIn(const ImageChange& change, const char* frontend) {
  const auto found = change.frontends.find(At(frontend));
  if (found == change.frontends.end()) {
    return "unchanged";
  }
  return found->second ? found->second->everyone.host : "nobody";
}

TEST(ServedHosts, FrontendOfTwoHostsBelongsToTheOlderOne) {
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {"10.0.0.1:80"}, {}, "2024-02-01T00:00:00Z")));
  const HostChange younger = Only(Host("b", {"10.0.0.1:80"}, {}, "2024-03-01T00:00:00Z"));
  EXPECT_EQ(OwnerIn(hosts.ChangeOf(younger), "10.0.0.1:80"), "unchanged");
  const std::vector<Verdict> losses = hosts.LossesOf("b", younger);
  ASSERT_EQ(losses.size(), 1U);
  EXPECT_EQ(ToString(losses.front()),
            "Service default/b: spec.clusterIPs: b:80: not enforced: 10.0.0.1:80/tcp belongs to a, "
            "whose Service default/a is older");
  hosts.Take(younger);
  EXPECT_EQ(hosts.LossesOf("b"), losses);
  EXPECT_TRUE(hosts.LossesOf("a").empty());

  const HostChange oldest = Only(Host("c", {"10.0.0.1:80"}, {}, "2024-01-01T00:00:00Z"));
  EXPECT_EQ(OwnerIn(hosts.ChangeOf(oldest), "10.0.0.1:80"), "c");
  hosts.Take(oldest);
  EXPECT_EQ(hosts.Image().frontends.at(At("10.0.0.1:80")).everyone.host, "c");
  EXPECT_EQ(hosts.LossesOf("a").size(), 1U);
}

TEST(ServedHosts, FrontendGivenUpGoesToTheNextByAge) {
  ServedHosts hosts;
  hosts.Take(Only(Host("a", {"10.0.0.1:80"}, {}, "2024-01-01T00:00:00Z")));
  hosts.Take(Only(Host("b", {"10.0.0.1:80"}, {}, "2024-02-01T00:00:00Z")));
  HostChange gone;
  gone.emplace("a", std::nullopt);
  EXPECT_EQ(OwnerIn(hosts.ChangeOf(gone), "10.0.0.1:80"), "b");
  hosts.Take(gone);
  EXPECT_TRUE(hosts.LossesOf("b").empty());
  gone.clear();
  gone.emplace("b", std::nullopt);
  EXPECT_EQ(OwnerIn(hosts.ChangeOf(gone), "10.0.0.1:80"), "nobody");
}

TEST(ServedHosts, OfOneAgeTheFirstByNameHasIt) {
  ServedHosts hosts;
  HostChange both = Only(Host("d", {"10.0.0.3:80"}));
  both.merge(Only(Host("c", {"10.0.0.3:80"})));
  EXPECT_EQ(OwnerIn(hosts.ChangeOf(both), "10.0.0.3:80"), "c");
}

TEST(ServedHosts, FrontendMayMoveBetweenHostsInOneTransaction) {
  ServedHosts hosts;
  hosts.Take(Only(Host("b", {"10.0.0.1:80"})));
  HostChange move = Only(Host("a", {"10.0.0.1:80"}));
  move.emplace("b", std::nullopt);
  const ImageChange change = hosts.ChangeOf(move);
  EXPECT_EQ(change.frontends.size(), 1U);
  EXPECT_EQ(OwnerIn(change, "10.0.0.1:80"), "a");
  hosts.Take(move);
  EXPECT_EQ(hosts.Find("b"), nullptr);
}

TEST(ServedHosts, HostsForWhichItMattersWhoConnectsAreKnown) {
  ServedHosts hosts;
  ServedHost asking = Host("a", {});
  asking.meaning.asked.push_back({.asked = {.node = "n1"}});
  hosts.Take(Only(std::move(asking)));
  hosts.Take(Only(Host("b", {}, {.names = {"db.example.com"}})));
  EXPECT_EQ(hosts.Asking(), std::set<HostName>{"a"});
  EXPECT_EQ(hosts.DnsNames(), std::set<HostName>{"db.example.com"});
  EXPECT_EQ(hosts.DependingOn({.names = {"db.example.com"}}), std::set<HostName>{"b"});
  hosts.Take(Only(Host("a", {})));
  EXPECT_TRUE(hosts.Asking().empty());
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

// ---- pods of this node -------------------------------------------------------------------------

const NodeOptions kNode{.name = "n1", .locality = {}, .cgroup_mount = "/sys/fs/cgroup"};

Object PodObject(const std::string& name, const std::string& node, Labels labels = {}) {
  return {.key = {Kind::kPod, "default", name},
          .labels = std::move(labels),
          .spec = Pod{.uid = "uid-" + name,
                      .node_name = node,
                      .ips = {At("10.1.0.1:1").address.ip},
                      .phase = "Running"}};
}

// Finds every cgroup but that of "late".
std::map<ObjectKey, PodCgroup> FindCgroups(const CgroupHints& hints) {
  std::map<ObjectKey, PodCgroup> found;
  for (const auto& [key, hint] : hints) {
    if (key.name != "late") {
      found[key] = {.id = 40 + found.size(), .level = 3, .path = hint.uid};
    }
  }
  return found;
}

class LocalPodsTest : public testing::Test {
 protected:
  std::vector<Change> Write(Object object, vsplit::Write::Mode mode = vsplit::Write::Mode::kApply) {
    Result<std::vector<Change>> changes =
        store_.Stage({{.mode = mode, .object = std::move(object)}}, {.now = "", .uids = {"u"}});
    store_.Keep();
    return *std::move(changes);
  }
  // After writing, as the agent does it.
  LocalPods After(const std::vector<Change>& changes) {
    before_ = pods_;
    pods_ = PodsAfter(changes, store_, kNode, pods_, FindCgroups);
    return pods_;
  }

  Store store_;
  LocalPods pods_ = FindPods(store_, kNode, FindCgroups);
  LocalPods before_;
};

TEST_F(LocalPodsTest, PodOfThisNodeBecomesAWorkload) {
  After(Write(PodObject("web", "n1", {{"app", "web"}})));
  ASSERT_EQ(pods_.workloads.size(), 1U);
  EXPECT_EQ(pods_.workloads.front().name, "default/web");
  EXPECT_EQ(pods_.workloads.front().cgroup, 40U);
  EXPECT_EQ(pods_.workloads.front().client.labels.at("app"), "web");
  EXPECT_EQ(pods_.image.at("default/web").cgroup, 40U);
}

TEST_F(LocalPodsTest, PodOfAnotherNodeConcernsNobody) {
  const std::vector<Change> changes = Write(PodObject("web", "n2"));
  EXPECT_FALSE(ConcernsPods(changes.front(), kNode, pods_));
  EXPECT_TRUE(After(changes).workloads.empty());
}

TEST_F(LocalPodsTest, PodWithoutACgroupIsRememberedAndNoWorkload) {
  After(Write(PodObject("late", "n1")));
  EXPECT_EQ(pods_.hints.size(), 1U);
  EXPECT_TRUE(pods_.workloads.empty());
}

TEST_F(LocalPodsTest, DeletedPodIsGone) {
  After(Write(PodObject("web", "n1")));
  const std::vector<Change> changes = Write(PodObject("web", "n1"), vsplit::Write::Mode::kDelete);
  EXPECT_TRUE(ConcernsPods(changes.front(), kNode, pods_));
  const LocalPods before = pods_;
  EXPECT_EQ(After(changes), FindPods(store_, kNode, FindCgroups));
  EXPECT_EQ(Difference(before.image, pods_.image).at("default/web"), std::nullopt);
}

TEST_F(LocalPodsTest, PodWithOtherLabelsIsAnotherClientInTheSameCgroup) {
  After(Write(PodObject("web", "n1", {{"app", "web"}})));
  After(Write(PodObject("web", "n1", {{"app", "other"}})));
  const WorkloadsChange change = ChangeOf(before_.workloads, pods_.workloads);
  ASSERT_EQ(change.gone.size(), 1U);
  ASSERT_EQ(change.come.size(), 1U);
  EXPECT_EQ(change.gone.front()->client.labels.at("app"), "web");
  EXPECT_EQ(change.come.front()->client.labels.at("app"), "other");
  EXPECT_TRUE(ChangeOf(pods_.workloads, pods_.workloads).empty());
  EXPECT_TRUE(Difference(pods_.image, pods_.image).empty());
}

TEST_F(LocalPodsTest, OtherPlaceOfTheNodeIsThatOfWhoeverIsNoPod) {
  const std::vector<Change> changes = Write({.key = {.kind = Kind::kNode, .name = "n1"},
                                             .labels = {{"topology.kubernetes.io/region", "eu"}},
                                             .spec = Node{}});
  EXPECT_TRUE(ConcernsPods(changes.front(), kNode, pods_));
  EXPECT_EQ(After(changes).anonymous.locality.region, "eu");
}

TEST_F(LocalPodsTest, PodMayHaveAPlaceOfItsOwn) {
  After(Write(PodObject("web", "n1", {{"istio-locality", "us.us-a"}})));
  EXPECT_EQ(pods_.workloads.front().client.locality.region, "us");
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

TEST(Identity, SuffixesOfNamesAreRandomAndReadable) {
  std::set<std::string> suffixes;
  for (int i = 0; i < 20; ++i) {
    const Result<std::string> suffix = RandomSuffix();
    ASSERT_TRUE(suffix);
    EXPECT_TRUE(std::regex_match(*suffix, std::regex("[bcdfghjklmnpqrstvwxz2456789]{5}")));
    suffixes.insert(*suffix);
  }
  EXPECT_GT(suffixes.size(), 10U);
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

TEST(Flags, MetricsHaveAPortWhereOneIsNamed) {
  EXPECT_FALSE(Taken({"--metrics-address", "::"}).metrics);
  const Flags flags = Taken({"--metrics-port", "17644"});
  ASSERT_TRUE(flags.metrics);
  EXPECT_EQ(flags.metrics->address, "127.0.0.1");
  EXPECT_EQ(flags.metrics->port, 17644);
}

TEST(Flags, DefaultsAreTheDocumentedOnes) {
  const Flags flags = Taken({});
  EXPECT_FALSE(flags.metrics);
  EXPECT_FALSE(flags.uninstall);
  EXPECT_EQ(flags.server.socket, "/run/vsplit/vsplit.sock");
  EXPECT_EQ(flags.agent.state, "/var/lib/vsplit/objects.db");
  EXPECT_EQ(flags.agent.datapath.pins, "/sys/fs/bpf/vsplit");
  EXPECT_EQ(flags.agent.datapath.cgroup, "");
  EXPECT_TRUE(flags.agent.datapath.observe);
  EXPECT_FALSE(flags.agent.all_hosts);
  EXPECT_EQ(flags.agent.resolve.policy, Policy::kExact);
  EXPECT_EQ(flags.agent.resolve.undeclared, UndeclaredPorts::kAsWritten);
  EXPECT_FALSE(flags.agent.node.name.empty()) << "the host's";
  EXPECT_EQ(flags.agent.node.locality, std::nullopt);
  EXPECT_FALSE(flags.agent.resolve.registry_only);
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
                             "/k",
                             "--node=n7",
                             "--locality=eu/eu-a",
                             "--registry-only"});
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
  EXPECT_EQ(agent.node.name, "n7");
  EXPECT_EQ(agent.node.locality, (Locality{.region = "eu", .zone = "eu-a"}));
  EXPECT_TRUE(agent.resolve.registry_only);
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
