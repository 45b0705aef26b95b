// SPDX-License-Identifier: Apache-2.0
// Names of pods' cgroups, and looking for them below a folder that stands for the cgroup2 mount.
#include "vsplit/workloads.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kMount = "/sys/fs/cgroup";
constexpr const char* kUid = "6f0a-11";
constexpr std::chrono::seconds kLong{30};

Object MakePod(const std::string& name, const std::string& node, const std::string& uid = "") {
  return {.key = {Kind::kPod, "default", name},
          .spec = Pod{.uid = uid, .node_name = node, .phase = "Running"}};
}

Object Annotated(Object pod, const std::string& path) {
  pod.annotations[std::string(kCgroupAnnotation)] = path;
  return pod;
}

std::string PathOf(const std::string& annotation) {
  const std::optional<CgroupHint> hint =
      HintOf(Annotated(MakePod("p", ""), annotation), "n1", kMount);
  return hint ? hint->path : "nothing";
}

TEST(Workloads, CgroupfsDriverNamesFolders) {
  EXPECT_THAT(PodCgroupPaths("kubepods", kUid),
              ElementsAre("pod6f0a-11", "burstable/pod6f0a-11", "besteffort/pod6f0a-11"));
}

TEST(Workloads, SystemdDriverNamesSlices) {
  EXPECT_THAT(PodCgroupPaths("kubepods.slice", kUid),
              ElementsAre("kubepods-pod6f0a_11.slice",
                          "kubepods-burstable.slice/kubepods-burstable-pod6f0a_11.slice",
                          "kubepods-besteffort.slice/kubepods-besteffort-pod6f0a_11.slice"));
}

TEST(Workloads, SlicesBelowACgroupRootBeginWithItsName) {
  EXPECT_EQ(PodCgroupPaths("kubelet-kubepods.slice", kUid).at(1),
            "kubelet-kubepods-burstable.slice/kubelet-kubepods-burstable-pod6f0a_11.slice");
}

TEST(Workloads, PodsRootsAreKnownByName) {
  for (const char* name : {"kubepods", "kubepods.slice", "kubelet-kubepods.slice"}) {
    EXPECT_TRUE(IsPodsRoot(name)) << name;
  }
  for (const char* name : {"", "kubelet", "kubepods-burstable.slice", "xkubepods", "user.slice"}) {
    EXPECT_FALSE(IsPodsRoot(name)) << name;
  }
}

TEST(Workloads, PodIsLocalOnItsNode) {
  EXPECT_EQ(HintOf(MakePod("p", "n1", kUid), "n1", kMount), CgroupHint{.uid = kUid});
  EXPECT_EQ(HintOf(MakePod("p", "n2", kUid), "n1", kMount), std::nullopt);
  EXPECT_EQ(HintOf(MakePod("p", "", kUid), "n1", kMount), std::nullopt);
  EXPECT_EQ(HintOf(MakePod("p", "n1"), "n1", kMount), std::nullopt) << "without a uid";
  EXPECT_EQ(HintOf(MakePod("p", "n1", "../.."), "n1", kMount), std::nullopt);
}

TEST(Workloads, StaticPodIsNamedAfterItsConfiguration) {
  Object pod = MakePod("kube-proxy-n1", "n1", kUid);
  pod.annotations["kubernetes.io/config.hash"] = "0c5ad2b4";
  EXPECT_EQ(HintOf(pod, "n1", kMount), CgroupHint{.uid = "0c5ad2b4"});
}

TEST(Workloads, PodThatHasEndedIsNowhere) {
  for (const char* phase : {"Succeeded", "Failed"}) {
    Object pod = MakePod("p", "n1", kUid);
    pod.spec.Get<Pod>().phase = phase;
    EXPECT_EQ(HintOf(pod, "n1", kMount), std::nullopt) << phase;
  }
}

TEST(Workloads, AnnotationGivesThePathWithOrWithoutTheMount) {
  EXPECT_EQ(PathOf("lab/web-1"), "lab/web-1");
  EXPECT_EQ(PathOf("/lab/web-1/"), "lab/web-1");
  EXPECT_EQ(PathOf("/sys/fs/cgroup/lab/web-1"), "lab/web-1");
  EXPECT_EQ(PathOf("/sys/fs/cgroups/x"), "sys/fs/cgroups/x");
}

TEST(Workloads, AnnotationDoesNotLeadOutOfTheMount) {
  for (const char* path : {"", "/", "..", "a/../../b", "./a", "a//b"}) {
    EXPECT_EQ(PathOf(path), "nothing") << path;
  }
}

TEST(Workloads, AnnotatedPodOfAnotherNodeIsNotLocal) {
  EXPECT_EQ(HintOf(Annotated(MakePod("p", "n2"), "x"), "n1", kMount), std::nullopt);
  EXPECT_EQ(HintOf(Annotated(MakePod("p", "n1"), "x"), "n1", kMount), CgroupHint{.path = "x"});
}

// ---- looking -----------------------------------------------------------------------------------

class WorkloadsTest : public testing::Test {
 protected:
  WorkloadsTest() {
    std::string name = std::filesystem::temp_directory_path() / "vsplit-cgroups-XXXXXX";
    mount = mkdtemp(name.data());
    Result<PodCgroups> started =
        PodCgroups::Start(loop, {.mount = mount, .rescan = kLong}, [this] { ++looked; });
    EXPECT_TRUE(started);
    cgroups.emplace(*std::move(started));
  }
  ~WorkloadsTest() override { std::filesystem::remove_all(mount); }

  void Make(const std::string& path) const {
    std::filesystem::create_directories(mount + "/" + path);
  }

  std::map<std::string, std::string> Find(const std::map<std::string, CgroupHint>& hints) {
    std::map<ObjectKey, CgroupHint> pods;
    for (const auto& [name, hint] : hints) {
      pods.emplace(ObjectKey{Kind::kPod, "default", name}, hint);
    }
    std::map<std::string, std::string> paths;
    for (const auto& [key, cgroup] : cgroups->Find(pods)) {
      struct stat status{};
      EXPECT_EQ(::stat((mount + "/" + cgroup.path).c_str(), &status), 0);
      EXPECT_EQ(cgroup.id, status.st_ino);
      paths[key.name] = cgroup.path + "@" + std::to_string(cgroup.level);
    }
    return paths;
  }

  // Runs the loop until the pods have to be looked at again.
  void AwaitChange() {
    const int before = looked;
    const auto end = std::chrono::steady_clock::now() + kLong / 2;
    while (looked == before) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "nothing was noticed";
      loop.run_one_for(std::chrono::milliseconds(100));
    }
  }

  boost::asio::io_context loop;
  std::string mount;
  int looked = 0;
  std::optional<PodCgroups> cgroups;
};

using Paths = std::map<std::string, std::string>;

TEST_F(WorkloadsTest, PodsAreFoundInEveryClassAndDriver) {
  Make("kubepods/pod1");
  Make("kubepods/burstable/pod2/container");
  Make("kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod3_3.slice");
  Make("kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod4.slice");
  EXPECT_EQ(Find({{"a", {.uid = "1"}},
                  {"b", {.uid = "2"}},
                  {"c", {.uid = "3-3"}},
                  {"d", {.uid = "4"}},
                  {"e", {.uid = "5"}}}),
            (Paths{{"a", "kubepods/pod1@2"},
                   {"b", "kubepods/burstable/pod2@3"},
                   {"c",
                    "kubepods.slice/kubepods-besteffort.slice/"
                    "kubepods-besteffort-pod3_3.slice@3"},
                   {"d", "kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod4.slice@3"}}));
}

TEST_F(WorkloadsTest, CgroupThatComesLaterIsNoticed) {
  Make("kubepods/burstable");
  EXPECT_THAT(Find({{"a", {.uid = "1"}}}), IsEmpty());
  Make("kubepods/burstable/pod1");
  AwaitChange();
  EXPECT_EQ(Find({{"a", {.uid = "1"}}}), (Paths{{"a", "kubepods/burstable/pod1@3"}}));
}

TEST_F(WorkloadsTest, ClassThatComesLaterIsNoticed) {
  Make("kubepods");
  EXPECT_THAT(Find({{"a", {.uid = "1"}}}), IsEmpty());
  Make("kubepods/burstable");
  AwaitChange();
  EXPECT_THAT(Find({{"a", {.uid = "1"}}}), IsEmpty());
  Make("kubepods/burstable/pod1");
  AwaitChange();
  EXPECT_EQ(Find({{"a", {.uid = "1"}}}), (Paths{{"a", "kubepods/burstable/pod1@3"}}));
}

TEST_F(WorkloadsTest, RootOfPodsThatComesLaterIsNoticed) {
  EXPECT_THAT(Find({{"a", {.uid = "1"}}}), IsEmpty());
  Make("kubepods/pod1");
  AwaitChange();
  EXPECT_EQ(Find({{"a", {.uid = "1"}}}), (Paths{{"a", "kubepods/pod1@2"}}));
}

TEST_F(WorkloadsTest, AnnotatedCgroupIsNoticedWhenItComesAndGoes) {
  const std::map<std::string, CgroupHint> pods = {{"a", {.path = "lab/web-1"}}};
  EXPECT_THAT(Find(pods), IsEmpty());
  Make("lab");
  AwaitChange();
  EXPECT_THAT(Find(pods), IsEmpty());
  Make("lab/web-1");
  AwaitChange();
  EXPECT_EQ(Find(pods), (Paths{{"a", "lab/web-1@2"}}));
  std::filesystem::remove(mount + "/lab/web-1");
  AwaitChange();
  EXPECT_THAT(Find(pods), IsEmpty());
}

TEST_F(WorkloadsTest, RescanFindsWhatNobodyTold) {
  Result<PodCgroups> started = PodCgroups::Start(
      loop, {.mount = mount, .rescan = std::chrono::milliseconds(1)}, [this] { ++looked; });
  ASSERT_TRUE(started);
  AwaitChange();
  AwaitChange();
}

TEST_F(WorkloadsTest, PartOfATreeHasNoLevels) {
  EXPECT_THAT(cgroups->trouble(), ::testing::HasSubstr("a part of the cgroup tree only"));
}

TEST_F(WorkloadsTest, MountHasToBeThere) {
  const Result<PodCgroups> none = PodCgroups::Start(loop, {.mount = "/nowhere"}, [] {});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().message, "look at /nowhere: No such file or directory");
}

}  // namespace
}  // namespace vsplit
