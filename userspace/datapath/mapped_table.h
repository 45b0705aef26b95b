// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace vsplit {

// The entries of an array in the kernel, as far as they are in use: what lies in a table counts as
// the memory of whoever maps it. Entries behind those that are mapped read as 0, which they are
// until Reach.
class MappedBytes {
 public:
  MappedBytes() = default;
  MappedBytes(MappedBytes&& other) noexcept
      : fd_(other.fd_),
        bytes_(std::exchange(other.bytes_, {})),
        mapped_(std::exchange(other.mapped_, 0)) {}
  // NOLINTNEXTLINE(cppcoreguidelines-special-member-functions): takes its argument by value
  MappedBytes& operator=(MappedBytes other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  ~MappedBytes();

  // Empty when the kernel refuses, errno says why. The descriptor stays the caller's, and open.
  static MappedBytes Map(int fd, std::size_t size);
  // Whether the first `size` bytes can be written; if not, errno says why.
  bool Reach(std::size_t size);
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  void Shrink();

  int fd_ = -1;
  std::span<std::byte> bytes_;  // read-only zeros from mapped_ on
  std::size_t mapped_ = 0;
};

template <class T>
class MappedTable {
 public:
  MappedTable() = default;
  static MappedTable Map(int fd, std::size_t count) {
    MappedTable table;
    table.bytes_ = MappedBytes::Map(fd, count * sizeof(T));
    return table;
  }

  // To be written are those that Reach has been called for, and those that are not 0.
  std::span<T> entries() const {
    const std::span<std::byte> bytes = bytes_.bytes();
    return {reinterpret_cast<T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
  // Whether this entry and those before it can be written; if not, errno says why.
  bool Reach(std::size_t row) { return bytes_.Reach((row + 1) * sizeof(T)); }
  explicit operator bool() const { return !bytes_.bytes().empty(); }

 private:
  MappedBytes bytes_;
};

}  // namespace vsplit
