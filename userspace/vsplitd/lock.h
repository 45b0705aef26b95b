// SPDX-License-Identifier: Apache-2.0
// Only one process at a time may write the tables below a folder of pins.
#pragma once

#include <string>
#include <utility>

#include "vsplit/result.h"

namespace vsplit {

// Held until it is destroyed or the process ends, however that happens.
class Lock {
 public:
  // kConflict, with the number of the process that has it, when it is taken. The lock is a file
  // below `folder`, named after the pins; the folder is made if need be.
  static Result<Lock> Take(const std::string& folder, const std::string& pins);

  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock();

 private:
  explicit Lock(int fd) : fd_(fd) {}
  int fd_;
};

}  // namespace vsplit
