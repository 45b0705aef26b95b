// SPDX-License-Identifier: Apache-2.0
#include "look.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "vsplit/workloads.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

constexpr int kRootDepth = 4;
constexpr std::size_t kFolders = 16'384;  // looked at in one search

}  // namespace

std::optional<PodCgroup> LookAt(const std::string& mount, const std::string& path) {
  struct stat status{};
  if (::stat((mount + "/" + path).c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) {
    return std::nullopt;
  }
  // On 64-bit machines the inode number of a cgroup's directory is its id (kernfs).
  return PodCgroup{.id = status.st_ino,
                   .level = static_cast<std::uint32_t>(std::ranges::count(path, '/')) + 1,
                   .path = path};
}

std::vector<std::string> FindPodsRoots(const std::string& mount) {
  std::vector<std::string> roots;
  std::error_code error;
  std::size_t looked = 0;
  fs::recursive_directory_iterator walk(mount, fs::directory_options::skip_permission_denied,
                                        error);
  for (; !error && walk != fs::recursive_directory_iterator() && looked < kFolders;
       walk.increment(error)) {
    std::error_code gone;
    if (!walk->is_directory(gone)) {
      continue;
    }
    ++looked;
    const bool is_root = IsPodsRoot(walk->path().filename().string());
    if (is_root) {
      roots.push_back(walk->path().lexically_relative(mount).string());
    }
    if (is_root || walk.depth() + 1 >= kRootDepth) {
      walk.disable_recursion_pending();
    }
  }
  std::ranges::sort(roots);
  return roots;
}

}  // namespace vsplit
