// SPDX-License-Identifier: Apache-2.0
// What needs no kernel; the rest is in tests/kernel.
#include "vsplit/datapath.h"

#include <gtest/gtest.h>

#include <optional>
#include <sstream>
#include <string>

#include "cgroup.h"

namespace vsplit {
namespace {

std::string MountIn(const std::string& mountinfo) {
  std::istringstream lines(mountinfo);
  return CgroupMountIn(lines).value_or("none");
}

TEST(Datapath, CgroupIsFoundWhereThereIsVersionTwoAlone) {
  EXPECT_EQ(MountIn(R"(22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /sys rw,nosuid shared:7 - sysfs sysfs rw
26 23 0:23 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate
27 23 0:24 / /sys/fs/bpf rw shared:11 - bpf bpf rw,mode=700
)"),
            "/sys/fs/cgroup");
}

TEST(Datapath, CgroupIsFoundBesideVersionOne) {
  EXPECT_EQ(MountIn(R"(24 18 0:22 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
25 24 0:23 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate
26 24 0:24 / /sys/fs/cgroup/systemd rw,nosuid shared:11 - cgroup cgroup rw,xattr,name=systemd
27 24 0:25 / /sys/fs/cgroup/net_cls,net_prio rw shared:12 - cgroup cgroup rw,net_cls,net_prio
)"),
            "/sys/fs/cgroup/unified");
}

TEST(Datapath, CgroupIsTheFirstOfSeveralMountsOfTheWholeHierarchy) {
  EXPECT_EQ(MountIn(R"(26 23 0:23 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw
90 22 0:23 / /run/vsplit/cgroup rw - cgroup2 none rw
)"),
            "/sys/fs/cgroup");
}

TEST(Datapath, ABindMountOfSomeCgroupIsNotTheHierarchy) {
  EXPECT_EQ(MountIn(R"(80 22 0:23 /kubepods.slice /host/pods rw - cgroup2 cgroup2 rw
81 22 0:23 / /host/cgroup rw - cgroup2 cgroup2 rw
)"),
            "/host/cgroup");
  EXPECT_EQ(MountIn("80 22 0:23 /kubepods.slice /host/pods rw - cgroup2 cgroup2 rw\n"),
            "/host/pods");
}

TEST(Datapath, AMountThatLiesUnderAnotherOneIsNotSeen) {
  EXPECT_EQ(MountIn(R"(26 23 0:23 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw
40 26 0:30 / /sys/fs/cgroup ro - tmpfs tmpfs ro
41 40 0:23 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
)"),
            "/sys/fs/cgroup/unified");
}

TEST(Datapath, AMountPointIsReadAsItIsWritten) {
  EXPECT_EQ(MountIn(R"(26 23 0:23 / /mnt/my\040pods\011\134x rw - cgroup2 cgroup2 rw
)"),
            "/mnt/my pods\t\\x");
  EXPECT_EQ(MountIn(R"(26 23 0:23 / /mnt/c\04 rw - cgroup2 cgroup2 rw
)"),
            "/mnt/c\\04");
}

TEST(Datapath, OptionalFieldsMayBeMissingAndSourcesMayHaveAnyName) {
  EXPECT_EQ(MountIn(R"(25 22 0:30 / /mnt/a rw shared:1 master:2 - tmpfs cgroup2 rw
26 23 0:23 / /mnt/b rw - cgroup2 - rw
)"),
            "/mnt/b");
}

TEST(Datapath, WithoutVersionTwoThereIsNoCgroup) {
  EXPECT_EQ(MountIn(R"(26 24 0:24 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw
a line that is none
)"),
            "none");
  EXPECT_EQ(MountIn(""), "none");
}

}  // namespace
}  // namespace vsplit
