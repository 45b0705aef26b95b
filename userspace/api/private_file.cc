// SPDX-License-Identifier: Apache-2.0
#include "private_file.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "vsplit/result.h"

namespace vsplit {
namespace {

bool WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

std::optional<gid_t> FindGroup(const std::string& name) {
  std::array<char, 16 << 10> memory{};
  group entry{};
  group* found = nullptr;
  if (::getgrnam_r(name.c_str(), &entry, memory.data(), memory.size(), &found) != 0 ||
      found == nullptr) {
    return std::nullopt;
  }
  return found->gr_gid;
}

Result<void> WritePrivateFile(const std::string& path, const std::string& text, mode_t mode,
                              const std::string& group) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                          S_IRUSR | S_IWUSR);
  if (file < 0) {
    return FailErrno("write \"" + fresh + "\"");
  }
  const std::optional<gid_t> owner = group.empty() ? std::nullopt : FindGroup(group);
  const bool written = (!owner || ::fchown(file, static_cast<uid_t>(-1), *owner) == 0) &&
                       ::fchmod(file, mode) == 0 && WriteAll(file, text) && ::fsync(file) == 0 &&
                       std::rename(fresh.c_str(), path.c_str()) == 0;
  if (written) {
    ::close(file);
    return {};
  }
  tl::unexpected<Error> failure = FailErrno("write \"" + path + "\"");
  ::close(file);
  ::unlink(fresh.c_str());
  return failure;
}

}  // namespace vsplit
