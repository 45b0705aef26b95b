// SPDX-License-Identifier: Apache-2.0
// What the data plane promises while the agent dies, starts again, is upgraded, and changes its
// mind.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "pods.h"

namespace vsplit::testing {
namespace {

using Counts = std::map<std::string, int>;

constexpr char kService[] = "10.96.0.7:80";
constexpr char kOther[] = "10.96.0.8:80";

ImageRoute Only(const char* name, int pod) {
  return Route({{name, 1, {PodAddress(pod)}}});
}

// Clients that never stop asking; how often each name answered, errors included.
class Load {
 public:
  explicit Load(int clients, const std::string& service = kService)
      : counts_(static_cast<std::size_t>(clients)) {
    for (Counts& mine : counts_) {
      threads_.emplace_back([this, &mine, service] {
        while (!stop_) {
          const int epoch = epoch_;
          const std::string name = Ask(Address(service));
          ++mine[epoch == 0 ? name : fmt::format("{} in epoch {}", name, epoch)];
          ++asked_;
        }
      });
    }
  }
  ~Load() { Stop(); }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Answers to connections that begin from now on are counted as "NAME in epoch N".
  void BeginEpoch(int epoch) { epoch_ = epoch; }
  void WaitFor(int more) {
    const int goal = asked_ + more;
    EXPECT_TRUE(Eventually([this, goal] { return asked_ >= goal; }));
  }
  Counts Stop() {
    stop_ = true;
    Counts all;
    threads_.clear();
    for (const Counts& mine : counts_) {
      for (const auto& [name, count] : mine) {
        all[name] += count;
      }
    }
    return all;
  }

 private:
  std::atomic<bool> stop_ = false;
  std::atomic<int> epoch_ = 0, asked_ = 0;
  std::vector<Counts> counts_;
  std::vector<std::jthread> threads_;
};

class SurviveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    node_.AddPod("safe", 1);
    node_.AddPod("risky", 9);
  }
  TestNode node_;
};

TEST_F(SurviveTest, RestartKeepsTheSequenceAndTheCounts) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Counts counts = AskMany(Address(kService), 504);
  node_.Restart();
  node_.Put(Image({{kService, Canary(9, 1)}}));
  EXPECT_EQ(node_.tables().generation, 1U);
  for (const auto& [name, count] : AskMany(Address(kService), 496)) {
    counts[name] += count;
  }
  EXPECT_EQ(counts, (Counts{{"safe", 900}, {"risky", 100}}));
  EXPECT_EQ(node_.Cluster(kService, "safe").opened, 900U);
}

TEST_F(SurviveTest, NothingIsDetachedWithoutAnAgent) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  node_.Stop();
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 9}, {"risky", 1}}));
}

TEST_F(SurviveTest, DyingBetweenAnyTwoOperationsLeavesTheOldOrTheNewState) {
  const TableImage before = Image({{kService, Canary(9, 1)}, {kOther, Only("safe", 1)}});
  const TableImage after = Image({{kService, Only("risky", 9)}, {"10.96.0.9:80", Canary(1, 1)}});
  std::size_t operations = 1;
  for (std::size_t died = 0; died <= operations; ++died) {
    node_.Put(before);
    const Result<Plan> plan = MakePlan(node_.tables(), ChangeTo(node_.tables(), after));
    ASSERT_TRUE(plan) << plan.error().message;
    operations = plan->operations.size();
    bool committed = false;
    for (std::size_t i = 0; i < died; ++i) {
      committed |= std::holds_alternative<Commit>(plan->operations[i]);
      ASSERT_TRUE(node_.datapath().Apply(plan->operations[i], node_.tables()));
    }
    const auto expect = [&](const char* when) {
      EXPECT_EQ(Decode(node_.tables()), committed ? after : before) << when << died;
      EXPECT_EQ(AskMany(Address(kService), 10),
                committed ? (Counts{{"risky", 10}}) : (Counts{{"safe", 9}, {"risky", 1}}))
          << when << died;
    };
    expect("dead after operation ");
    node_.Restart();
    expect("restarted after operation ");
    node_.Put(after);
    EXPECT_EQ(AskMany(Address(kService), 3), (Counts{{"risky", 3}})) << died;
    EXPECT_EQ(AskMany(Address("10.96.0.9:80"), 4), (Counts{{"safe", 2}, {"risky", 2}})) << died;
  }
}

TEST_F(SurviveTest, KilledAgentsUnderLoadLoseNoConnection) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Load load(4);
  for (int round = 0; round < 20; ++round) {
    const pid_t agent = fork();
    if (agent == 0) {
      node_.Restart();
      for (std::uint32_t i = 1;; ++i) {
        node_.Put(Image({{kService, Canary(1 + i % 7, 1 + i % 5)}}));
      }
    }
    const std::uint64_t begun = node_.datapath().control().active_generation;
    EXPECT_TRUE(
        Eventually([&] { return node_.datapath().control().active_generation >= begun + 5; }));
    load.WaitFor(10);
    kill(agent, SIGKILL);
    waitpid(agent, nullptr, 0);
    node_.Restart();
    ASSERT_TRUE(node_.datapath().Attach());
  }
  const Counts counts = load.Stop();
  EXPECT_EQ(counts.size(), 2U) << ::testing::PrintToString(counts);
  node_.Put(Image({{kService, Canary(11, 1)}}));
  EXPECT_EQ(AskMany(Address(kService), 12), (Counts{{"safe", 11}, {"risky", 1}}));
  EXPECT_TRUE(Eventually([this] { return node_.ActiveOfAll() == 0; }));
}

TEST_F(SurviveTest, ReplacingTheProgramsUnderLoadChangesNoSplit) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Load load(1);
  for (int i = 0; i < 10; ++i) {
    load.WaitFor(20);
    DatapathOptions options = node_.options();
    options.observe = i % 2 == 0;
    node_.Restart(options);
    ASSERT_TRUE(node_.datapath().Attach());
  }
  Counts counts = load.Stop();
  const int rest = 10 - (counts["safe"] + counts["risky"]) % 10;
  for (const auto& [name, count] : AskMany(Address(kService), rest)) {
    counts[name] += count;
  }
  EXPECT_EQ(counts["safe"], 9 * counts["risky"]);
  EXPECT_EQ(counts.size(), 2U) << ::testing::PrintToString(counts);
  EXPECT_TRUE(Eventually([this] { return node_.ActiveOfAll() == 0; })) << node_.ActiveOfAll();
  EXPECT_EQ(node_.datapath().totals().release_tracked, 0);
}

TEST_F(SurviveTest, NoConnectionGoesToWeightZeroOnceThatIsInForce) {
  for (int epoch = 1; epoch <= 5; ++epoch) {
    node_.Put(Image({{kService, Canary(1, 1)}}));
    Load load(4);
    load.WaitFor(100);
    node_.Put(Image({{kService, Only("safe", 1)}}));
    load.BeginEpoch(epoch);
    load.WaitFor(100);
    const Counts counts = load.Stop();
    EXPECT_EQ(counts.count(fmt::format("risky in epoch {}", epoch)), 0U);
    EXPECT_EQ(counts.size(), 3U) << ::testing::PrintToString(counts);
  }
}

TEST_F(SurviveTest, EndpointsLeaveUnderLoadWithoutAFailure) {
  node_.AddPod("third", 3);
  const std::vector<SocketAddress> all{PodAddress(1), PodAddress(3), PodAddress(9)};
  node_.Put(Image({{kService, Route({{"web", 1, all}})}}));
  Load load(4);
  load.WaitFor(100);
  node_.Put(Image({{kService, Route({{"web", 1, {PodAddress(1), PodAddress(9)}}})}}));
  load.BeginEpoch(1);
  load.WaitFor(100);
  const Counts counts = load.Stop();
  EXPECT_EQ(counts.count("third in epoch 1"), 0U);
  EXPECT_EQ(counts.size(), 5U) << ::testing::PrintToString(counts);
}

TEST_F(SurviveTest, ManyHostsChangeAtOneInstant) {
  std::vector<std::string> services;
  for (int i = 0; i < 200; ++i) {
    services.push_back(fmt::format("10.97.0.{}:80", i + 1));
  }
  const auto image = [&](int pod) {
    TableImage all;
    for (const std::string& service : services) {
      all.frontends.emplace(Frontend{Address(service)}, Everyone(Only("web", pod)));
    }
    return all;
  };
  node_.Put(image(1));
  std::atomic<bool> stop = false;
  std::atomic<int> backwards = 0;
  std::atomic<int> seen = 0;
  std::jthread reader([&] {
    std::uint64_t newest = 0;
    for (std::size_t i = 0; !stop; i = (i + 97) % services.size()) {
      const Result<decision> now = node_.datapath().Decide({Address(services[i])}, false);
      if (!now || now->verdict != VERDICT_SPLIT || now->generation < newest) {
        ++backwards;
      } else {
        newest = now->generation;
        ++seen;
      }
    }
  });
  for (int i = 0; i < 50; ++i) {
    node_.Put(image(i % 2 == 0 ? 9 : 1));
  }
  EXPECT_TRUE(Eventually([&] { return seen > 200; }));
  stop = true;
  reader.join();
  EXPECT_EQ(backwards, 0);
}

TEST_F(SurviveTest, OtherProgramsOnTheCgroupAreLeftAlone) {
  const std::array<bpf_insn, 2> allow{
      bpf_insn{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1},
      bpf_insn{.code = BPF_JMP | BPF_EXIT}};
  LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
  const Descriptor program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "other", "GPL",
                                         allow.data(), allow.size(), &options));
  const Descriptor cgroup(open(node_.cgroup().c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(
      bpf_prog_attach(program.get(), cgroup.get(), BPF_CGROUP_INET4_CONNECT, BPF_F_ALLOW_MULTI), 0);
  node_.Restart();
  ASSERT_TRUE(node_.datapath().Attach());
  node_.Put(Image({{kService, Canary(9, 1)}}));
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 9}, {"risky", 1}}));
  ASSERT_TRUE(Datapath::Uninstall(node_.options().pins));
  std::array<__u32, 4> ids{};
  __u32 count = ids.size();
  ASSERT_EQ(bpf_prog_query(cgroup.get(), BPF_CGROUP_INET4_CONNECT, 0, nullptr, ids.data(), &count),
            0);
  EXPECT_EQ(count, 1U);
}

TEST_F(SurviveTest, UninstallLeavesNothing) {
  node_.Put(Image({{"10.1.0.1:8080", Only("risky", 9)}}));
  ASSERT_TRUE(Datapath::Uninstall(node_.options().pins));
  EXPECT_FALSE(std::filesystem::exists(node_.options().pins));
  for (const Attachment& attachment : node_.datapath().Attachments()) {
    EXPECT_FALSE(attachment.attached) << attachment.program;
    EXPECT_EQ(attachment.trouble, "no link is pinned");
  }
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "safe");
  EXPECT_TRUE(Datapath::Uninstall(node_.options().pins));
}

TEST_F(SurviveTest, AttachmentsAreWhatTheKernelSays) {
  std::vector<std::string> programs;
  for (const Attachment& attachment : node_.datapath().Attachments()) {
    EXPECT_TRUE(attachment.attached) << attachment.program << ": " << attachment.trouble;
    programs.push_back(attachment.program);
  }
  EXPECT_EQ(programs.size(), 6U);
  const std::string link = node_.options().pins + "/links/connect4";
  ASSERT_EQ(unlink(link.c_str()), 0);
  EXPECT_EQ(node_.datapath().Attachments()[4].trouble, "no link is pinned");
  ASSERT_TRUE(node_.datapath().Attach());
  EXPECT_TRUE(node_.datapath().Attachments()[4].attached);
}

TEST_F(SurviveTest, AnotherCgroupIsRefusedWhileTheFirstLives) {
  node_.Put(Image({{"10.1.0.1:8080", Only("risky", 9)}}));
  const std::string child = node_.cgroup() + "/child";
  ASSERT_EQ(mkdir(child.c_str(), 0755), 0);
  DatapathOptions options = node_.options();
  options.cgroup = child;
  node_.Restart(options);
  const Result<void> attached = node_.datapath().Attach();
  ASSERT_FALSE(attached);
  EXPECT_NE(attached.error().message.find("is attached to another cgroup"), std::string::npos)
      << attached.error().message;
  EXPECT_EQ(Ask(Address("10.1.0.1:8080")), "risky");
  options.cgroup = node_.cgroup();
  node_.Restart(options);
  EXPECT_TRUE(node_.datapath().Attach());
  EXPECT_EQ(rmdir(child.c_str()), 0);
}

TEST_F(SurviveTest, UninstallTouchesNothingButItsOwnPinsOnABpffs) {
  const std::string stranger = node_.options().pins + "/stranger";
  const std::string control = node_.options().pins + "/control";
  const Descriptor map(bpf_obj_get(control.c_str()));
  ASSERT_EQ(bpf_obj_pin(map.get(), stranger.c_str()), 0);
  EXPECT_FALSE(Datapath::Uninstall(node_.options().pins));
  EXPECT_TRUE(std::filesystem::exists(stranger));
  EXPECT_FALSE(std::filesystem::exists(control));
  ASSERT_EQ(unlink(stranger.c_str()), 0);
  const Result<void> elsewhere = Datapath::Uninstall("/tmp");
  ASSERT_FALSE(elsewhere);
  EXPECT_EQ(elsewhere.error().message,
            "pins folder /tmp is not on a bpffs (mount -t bpf bpf /sys/fs/bpf)");
}

// The kernel would take any program of the same type into a link.
TEST_F(SurviveTest, LinksOfAnotherHookAreReplacedAndNotUpdated) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  const std::string links = node_.options().pins + "/links/";
  std::filesystem::rename(links + "connect4", links + "kept");
  std::filesystem::rename(links + "connect6", links + "connect4");
  std::filesystem::rename(links + "kept", links + "connect6");
  EXPECT_EQ(node_.datapath().Attachments()[4].trouble,
            "the pinned link belongs to another hook or cgroup");
  node_.Restart();
  ASSERT_TRUE(node_.datapath().Attach());
  for (const Attachment& attachment : node_.datapath().Attachments()) {
    EXPECT_TRUE(attachment.attached) << attachment.program << ": " << attachment.trouble;
  }
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 9}, {"risky", 1}}));
}

// Whether an agent with these capabilities alone comes up and puts this into force.
bool Suffice(TestNode& node, const std::vector<unsigned>& capabilities, const TableImage& image) {
  const pid_t agent = fork();
  if (agent == 0) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    for (const unsigned capability : capabilities) {
      data.at(capability / 32).effective |= 1U << capability % 32;
      data.at(capability / 32).permitted |= 1U << capability % 32;
    }
    const bool dropped = syscall(SYS_capset, &header, data.data()) == 0;
    node.Stop();
    Result<Datapath> datapath = Datapath::Open(node.options());
    Result<Tables> tables = datapath ? datapath->Read() : Fail("");
    const bool up = dropped && tables && datapath->Apply(MakeRepair(*tables), *tables) &&
                    datapath->Apply(*MakePlan(*tables, ChangeTo(*tables, image)), *tables) &&
                    datapath->Attach();
    _exit(up ? 0 : 1);
  }
  int status = 0;
  waitpid(agent, &status, 0);
  return status == 0;
}

// Without CAP_PERFMON the verifier follows mispredicted branches too, which 6.1's cannot in our
// loops.
TEST_F(SurviveTest, NeedsCapBpfAndNetAdminAndOnOldKernelsPerfmon) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  const TableImage image = Image({{kService, Canary(1, 1)}});
  EXPECT_FALSE(Suffice(node_, {CAP_BPF}, image));
  EXPECT_TRUE(Suffice(node_, {CAP_BPF, CAP_NET_ADMIN}, image) ||
              Suffice(node_, {CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON}, image));
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 5}, {"risky", 5}}));
}

TEST_F(SurviveTest, TablesOfAnotherLayoutGiveWayUnderLoad) {
  node_.Put(Image({{kService, Canary(9, 1)}}));
  Load load(4);
  load.WaitFor(50);
  const Descriptor control(bpf_obj_get((node_.options().pins + "/control").c_str()));
  const std::uint32_t key = 0;
  const control_value other{.schema = VSPLIT_SCHEMA + 1, .active_generation = 1};
  ASSERT_EQ(bpf_map_update_elem(control.get(), &key, &other, BPF_ANY), 0);
  node_.Restart();
  EXPECT_TRUE(node_.tables().frontends.empty());
  node_.Put(Image({{kService, Canary(9, 1)}}));
  ASSERT_TRUE(node_.datapath().Attach());
  load.WaitFor(50);
  const Counts counts = load.Stop();
  EXPECT_EQ(counts.size(), 2U) << ::testing::PrintToString(counts);
  node_.Restart();
  EXPECT_EQ(Decode(node_.tables()), Image({{kService, Canary(9, 1)}}));
  EXPECT_EQ(node_.datapath().control().schema, static_cast<__u32>(VSPLIT_SCHEMA));
}

TEST_F(SurviveTest, FullTablesRefuseThePlanAndKeepWhatIsInForce) {
  TableImage many = Image({{kService, Canary(9, 1)}});
  node_.Put(many);
  for (int i = 0; i < 1100; ++i) {
    many.frontends.emplace(Frontend{Address(fmt::format("10.98.{}.{}:80", i / 250, i % 250 + 1))},
                           Everyone(Only("web", 1)));
  }
  const Result<Plan> plan = MakePlan(node_.tables(), ChangeTo(node_.tables(), many));
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().message.find("table frontends is full"), 0U) << plan.error().message;
  EXPECT_EQ(AskMany(Address(kService), 10), (Counts{{"safe", 9}, {"risky", 1}}));
}

TEST(FullTest, ConnectionsBeyondTheTableAreSplitAndCountedAsUntracked) {
  TestNode node(true, 8);
  node.AddPod("web", 1, PodServer::Manner::kHold);
  node.Put(Image({{kService, Only("web", 1)}}));
  std::vector<Connected> open;
  for (int i = 0; i < 40; ++i) {
    open.push_back(Connect(Address(kService)));
    EXPECT_EQ(open.back().error, 0);
  }
  // A preallocated hash keeps some spare elements for each CPU.
  const std::uint64_t untracked = node.datapath().totals().untracked;
  EXPECT_GT(untracked, 0U);
  EXPECT_EQ(node.Remembered() + untracked, 40U);
  EXPECT_EQ(node.Cluster(kService, "web").active, static_cast<std::int64_t>(node.Remembered()));
  open.clear();
  EXPECT_TRUE(Eventually([&] { return node.ActiveOfAll() == 0 && node.Remembered() == 0; }));
}

}  // namespace
}  // namespace vsplit::testing
