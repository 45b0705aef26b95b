// SPDX-License-Identifier: Apache-2.0
// The database as a file: there, ours alone, and of a layout that we know, before SQLite sees it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "vsplit/result.h"

namespace vsplit {

constexpr std::uint32_t kApplicationId = 0x76'73'70'6c;  // "vspl"
constexpr std::uint32_t kLayout = 1;                     // user_version

// Holds an advisory lock on the file. Closing any descriptor of a file drops the locks that SQLite
// has on it, so it is destroyed after the connection.
class LockedFile {
 public:
  LockedFile() = default;
  LockedFile(LockedFile&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  LockedFile& operator=(LockedFile&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile();

  // Creates the file (mode 0600, empty) and its folders (mode 0700) if need be. Fails if another
  // process holds it, or if it is a database of another program or of a newer layout, or no
  // database at all; nothing in the file is changed.
  static Result<LockedFile> Open(const std::string& path);

 private:
  explicit LockedFile(int fd) : fd_(fd) {}

  int fd_ = -1;
};

// Nothing if a database with these numbers is ours to use.
Result<void> CheckLayout(const std::string& path, std::uint32_t application_id,
                         std::uint32_t layout);

}  // namespace vsplit
