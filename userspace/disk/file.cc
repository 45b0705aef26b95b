// SPDX-License-Identifier: Apache-2.0
#include "file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {
namespace {

// https://www.sqlite.org/fileformat2.html, "The Database Header"
constexpr std::size_t kHeaderSize = 100;
constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr std::size_t kUserVersionAt = 60;
constexpr std::size_t kApplicationIdAt = 68;

using Header = std::array<std::uint8_t, kHeaderSize>;

std::uint32_t BigEndian(const Header& header, std::size_t at) {
  return static_cast<std::uint32_t>(header.at(at)) << 24 |
         static_cast<std::uint32_t>(header.at(at + 1)) << 16 |
         static_cast<std::uint32_t>(header.at(at + 2)) << 8 | header.at(at + 3);
}

// Makes the names in a folder durable.
Result<void> SyncFolder(const std::filesystem::path& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return FailErrno(folder.string());
  }
  const int error = fsync(fd) == 0 ? 0 : errno;
  close(fd);
  // Some file systems have no fsync of folders, and need none.
  return error == 0 || error == EINVAL ? Result<void>() : FailErrno(folder.string(), error);
}

Result<void> CreateFolders(std::filesystem::path folder) {
  std::vector<std::filesystem::path> missing;
  std::error_code error;
  while (!folder.empty() && !std::filesystem::exists(folder, error) && !error) {
    missing.push_back(folder);
    folder = folder.parent_path();
  }
  std::ranges::reverse(missing);
  for (const std::filesystem::path& path : missing) {
    if (mkdir(path.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      return FailErrno("create folder " + path.string());
    }
    const std::filesystem::path parent = path.parent_path();
    if (Result<void> synced = SyncFolder(parent.empty() ? "." : parent); !synced) {
      return synced;
    }
  }
  return {};
}

Result<void> CheckHeader(int fd, const std::string& path) {
  Header header{};
  const ssize_t size = pread(fd, header.data(), header.size(), 0);
  if (size < 0) {
    return FailErrno(path);
  }
  // Empty, or of a creation that a crash cut short, which SQLite takes back; if there is nothing to
  // take back it refuses the zeros by itself.
  if (std::ranges::all_of(header, [](std::uint8_t byte) { return byte == 0; })) {
    return {};
  }
  if (static_cast<std::size_t>(size) < kHeaderSize ||
      !std::equal(kMagic.begin(), kMagic.end(), header.begin())) {
    return Fail(path + ": not a database");
  }
  return CheckLayout(path, BigEndian(header, kApplicationIdAt), BigEndian(header, kUserVersionAt));
}

}  // namespace

LockedFile::~LockedFile() {
  if (fd_ >= 0) {
    close(fd_);
  }
}

Result<LockedFile> LockedFile::Open(const std::string& path) {
  if (const Result<void> created = CreateFolders(std::filesystem::path(path).parent_path());
      !created) {
    return tl::unexpected<Error>(created.error());
  }
  LockedFile file(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR));
  if (file.fd_ < 0) {
    return FailErrno(path);
  }
  if (flock(file.fd_, LOCK_EX | LOCK_NB) != 0) {
    return errno == EWOULDBLOCK ? Fail(path + ": another agent is using it") : FailErrno(path);
  }
  if (const Result<void> known = CheckHeader(file.fd_, path); !known) {
    return tl::unexpected<Error>(known.error());
  }
  return file;
}

Result<void> CheckLayout(const std::string& path, std::uint32_t application_id,
                         std::uint32_t layout) {
  if (application_id != kApplicationId) {
    return Fail(fmt::format("{}: a database of another program (application id {:#x})", path,
                            application_id));
  }
  if (layout > kLayout) {
    return Fail(fmt::format("{}: written by a newer vsplitd (layout {}, this one knows {})", path,
                            layout, kLayout));
  }
  return {};
}

}  // namespace vsplit
