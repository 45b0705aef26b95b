// SPDX-License-Identifier: Apache-2.0
// Owners of what the kernel gives: file descriptors, libbpf's objects. Destroying
// any of them closes our handle and nothing else; what is pinned stays.
#pragma once

#include <bpf/libbpf.h>
#include <unistd.h>

#include <memory>
#include <utility>

namespace vsplit {

// NOLINTBEGIN(cppcoreguidelines-special-member-functions): assignment takes its argument by value,
// which moves or refuses to copy
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0) {
      close(fd_);
    }
  }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// NOLINTEND(cppcoreguidelines-special-member-functions)

template <auto Release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    Release(object);
  }
};
using BpfObject = std::unique_ptr<bpf_object, Releaser<bpf_object__close>>;
using BpfLink = std::unique_ptr<bpf_link, Releaser<bpf_link__destroy>>;

}  // namespace vsplit
