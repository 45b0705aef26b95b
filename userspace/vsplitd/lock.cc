// SPDX-License-Identifier: Apache-2.0
#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>

#include "vsplit/result.h"

namespace vsplit {
namespace {

std::string FileName(const std::string& pins) {
  std::error_code ignored;
  std::string name = std::filesystem::weakly_canonical(pins, ignored).string();
  name = name.empty() ? pins : name;
  while (name.ends_with('/')) {
    name.pop_back();
  }
  std::ranges::replace(name, '/', '-');
  return (name.starts_with('-') ? name.substr(1) : name) + ".lock";
}

std::string Holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  std::string holder(text.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
  while (!holder.empty() && std::isspace(static_cast<unsigned char>(holder.back())) != 0) {
    holder.pop_back();
  }
  return holder;
}

}  // namespace

Result<Lock> Lock::Take(const std::string& folder, const std::string& pins) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return Fail("make the folder " + folder + ": " + error.message());
  }
  const std::string path = folder + "/" + FileName(pins);
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    return FailErrno("lock file " + path);
  }
  Lock lock(fd);
  // Whoever can open the file can hold the lock.
  if (::fchmod(fd, 0600) != 0) {
    return FailErrno("lock file " + path);
  }
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) {
      return FailErrno("lock file " + path);
    }
    return Fail("another vsplitd (process " + Holder(fd) + ") works with the pins at " + pins,
                Error::Reason::kConflict);
  }
  const std::string self = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, self.data(), self.size(), 0) != static_cast<ssize_t>(self.size())) {
    return FailErrno("lock file " + path);
  }
  return lock;
}

Lock::~Lock() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

}  // namespace vsplit
