// SPDX-License-Identifier: Apache-2.0
// Where the pods' cgroups are: cgroup2 from the mount table, hybrid layouts too.
#include "cgroup.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <istream>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/datapath.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

bool IsFolder(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

struct Mount {
  std::string id, parent;
  std::string root;   // what of the file system is there: "/" is all of it
  std::string point;  // where
  std::string type;   // "cgroup2"
};

// A space, tab, newline or backslash is written as its three octal digits behind a backslash.
std::string Unescaped(std::string_view text) {
  constexpr std::string_view kOctal = "01234567";
  std::string plain;
  while (!text.empty()) {
    const bool escapes = text.size() >= 4 && text.front() == '\\' &&
                         text.substr(1, 3).find_first_not_of(kOctal) == std::string_view::npos;
    plain += escapes ? static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + text[3] - '0')
                     : text.front();
    text.remove_prefix(escapes ? 4 : 1);
  }
  return plain;
}

// proc(5): id parent major:minor root mount-point options [optional...] - type source options
std::vector<Mount> MountsIn(std::istream& mountinfo) {
  std::vector<Mount> mounts;
  for (std::string line; std::getline(mountinfo, line);) {
    const std::size_t dash = line.find(" - ");
    if (dash == std::string::npos) {
      continue;
    }
    Mount mount;
    std::string device;
    std::istringstream(line) >> mount.id >> mount.parent >> device >> mount.root >> mount.point;
    std::istringstream(line.substr(dash + 3)) >> mount.type;
    mount.point = Unescaped(mount.point);
    mounts.push_back(std::move(mount));
  }
  return mounts;
}

}  // namespace

std::optional<std::string> CgroupMountIn(std::istream& mountinfo) {
  const std::vector<Mount> mounts = MountsIn(mountinfo);
  const Mount* best = nullptr;
  for (const Mount& mount : mounts) {
    const bool hidden = std::ranges::any_of(mounts, [&mount](const Mount& other) {
      return other.parent == mount.id && other.point == mount.point;
    });
    if (mount.type == "cgroup2" && !hidden &&
        (best == nullptr || (best->root != "/" && mount.root == "/"))) {
      best = &mount;
    }
  }
  return best == nullptr ? std::nullopt : std::optional(best->point);
}

Result<std::string> FindCgroupMount() {
  std::ifstream mountinfo("/proc/self/mountinfo");
  if (const std::optional<std::string> mount = CgroupMountIn(mountinfo)) {
    return *mount;
  }
  return Fail("no cgroup2 is mounted here (mount -t cgroup2 cgroup2 /sys/fs/cgroup)");
}

Result<std::string> FindCgroup(std::uint64_t attached) {
  Result<std::string> mount = FindCgroupMount();
  if (!mount) {
    return mount;
  }
  for (const char* candidate : {"", "/kubepods.slice", "/kubepods"}) {
    struct stat status{};
    if (attached != 0 && stat((*mount + candidate).c_str(), &status) == 0 &&
        status.st_ino == attached) {
      return *mount + candidate;
    }
  }
  // The kubelet's root for pods, with the systemd and with the cgroupfs driver.
  for (const char* pods : {"/kubepods.slice", "/kubepods"}) {
    if (IsFolder(*mount + pods)) {
      return *mount + pods;
    }
  }
  return mount;
}

}  // namespace vsplit
