// SPDX-License-Identifier: Apache-2.0
// The network namespaces of the processes below a cgroup.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor();
  int get() const { return fd_; }

 private:
  int fd_;
};

struct Namespaces {
  std::vector<Descriptor> all;  // each once, the caller's own included
  std::string trouble;          // why some are missing; empty: none is
};

Namespaces NamespacesBelow(const std::string& cgroup);

// Runs `body` inside. The namespace that the thread was in is there again afterwards: a thread that
// cannot go back ends the process.
Result<void> RunInside(const Descriptor& netns, const std::function<Result<void>()>& body);

}  // namespace vsplit
