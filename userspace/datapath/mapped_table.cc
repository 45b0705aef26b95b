// SPDX-License-Identifier: Apache-2.0
#include "mapped_table.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace vsplit {
namespace {

// How much more is mapped at a time; a multiple of every page size.
constexpr std::size_t kStep = std::size_t{256} << 10;

constexpr std::size_t RoundUp(std::size_t size, std::size_t step) {
  return (size + step - 1) / step * step;
}

bool AreZero(std::span<const std::byte> bytes) {
  return bytes[0] == std::byte{0} && std::memcmp(&bytes[0], &bytes[1], bytes.size() - 1) == 0;
}

// Memory that reads as zeros and takes none.
void* MapZeros(void* at, std::size_t size, int flags) {
  return mmap(at, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
}

}  // namespace

MappedBytes::~MappedBytes() {
  if (!bytes_.empty()) {
    munmap(bytes_.data(), bytes_.size());
  }
}

MappedBytes MappedBytes::Map(int fd, std::size_t size) {
  MappedBytes map;
  void* memory = MapZeros(nullptr, size, 0);
  if (memory == MAP_FAILED) {
    return map;
  }
  map.fd_ = fd;
  map.bytes_ = {static_cast<std::byte*>(memory), size};
  if (!map.Reach(size)) {
    return {};
  }
  map.Shrink();
  return map;
}

bool MappedBytes::Reach(std::size_t size) {
  if (size <= mapped_) {
    return true;
  }
  const std::size_t reach = std::min(RoundUp(size, kStep), bytes_.size());
  const std::span<std::byte> more = bytes_.subspan(mapped_, reach - mapped_);
  if (mmap(more.data(), more.size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd_,
           static_cast<off_t>(mapped_)) == MAP_FAILED) {
    return false;
  }
  mapped_ = reach;
  return true;
}

// Programs write to entries that are in use, and those are not 0 (where a table is more than one
// step): nothing appears behind the last one meanwhile.
void MappedBytes::Shrink() {
  std::size_t keep = mapped_;
  for (std::size_t begin = 0; keep > kStep; keep = begin) {
    begin = (keep - 1) / kStep * kStep;
    if (!AreZero(bytes_.subspan(begin, keep - begin))) {
      break;
    }
  }
  if (keep < mapped_ && MapZeros(bytes_.data() + keep, mapped_ - keep, MAP_FIXED) != MAP_FAILED) {
    mapped_ = keep;
  }
}

}  // namespace vsplit
