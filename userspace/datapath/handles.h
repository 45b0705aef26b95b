// SPDX-License-Identifier: Apache-2.0
// Owners of what the kernel gives: file descriptors, mapped tables, libbpf's objects. Destroying
// any of them closes our handle and nothing else; what is pinned stays.
#pragma once

#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <span>
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

// A table of T, shared with the kernel.
template <class T>
class MappedTable {
 public:
  MappedTable() = default;
  // Maps `count` entries of the map; empty when the kernel refuses, errno says why.
  static MappedTable Map(int fd, std::size_t count) {
    MappedTable table;
    void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) {
      table.entries_ = {static_cast<T*>(memory), count};
    }
    return table;
  }
  MappedTable(MappedTable&& other) noexcept : entries_(std::exchange(other.entries_, {})) {}
  MappedTable& operator=(MappedTable other) noexcept {
    std::swap(entries_, other.entries_);
    return *this;
  }
  ~MappedTable() {
    if (!entries_.empty()) {
      munmap(entries_.data(), entries_.size_bytes());
    }
  }

  std::span<T> entries() const { return entries_; }
  explicit operator bool() const { return !entries_.empty(); }

 private:
  std::span<T> entries_;
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
