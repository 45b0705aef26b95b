// SPDX-License-Identifier: Apache-2.0
// Where the pods' cgroups are: cgroup2 from the mount table, hybrid layouts too.
#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>

#include "vsplit/datapath.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

bool IsFolder(const std::string& path) {
  struct stat status{};
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

}  // namespace

Result<std::string> FindCgroupMount() {
  // proc(5): id parent major:minor root mount-point options ... - type source options
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream words(line);
    std::string skipped;
    std::string mount_point;
    words >> skipped >> skipped >> skipped >> skipped >> mount_point;
    const std::size_t dash = line.find(" - ");
    if (dash != std::string::npos && line.compare(dash + 3, 8, "cgroup2 ") == 0) {
      return mount_point;
    }
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
