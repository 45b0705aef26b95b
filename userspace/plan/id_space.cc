// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "keys.h"
#include "vsplit/image.h"
#include "vsplit/plan.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"

namespace vsplit {

IdSpace::IdSpace(std::uint32_t capacity) : capacity_(capacity) {
  if (capacity > 1) {
    free_.push_back({1, capacity - 1});
  }
}

IdSpace IdSpace::FromUsed(const std::vector<bool>& used) {
  IdSpace space;
  space.capacity_ = static_cast<std::uint32_t>(used.size());
  for (std::uint32_t id = 1; id < space.capacity_; ++id) {
    if (used[id]) {
      ++space.used_;
    } else if (!space.retired_.empty() &&
               space.retired_.back().first + space.retired_.back().count == id) {
      ++space.retired_.back().count;
    } else {
      space.retired_.push_back({id, 1});
    }
  }
  return space;
}

std::optional<std::uint32_t> IdSpace::Take(std::uint32_t count) {
  const auto range =
      std::ranges::find_if(free_, [count](const Range& r) { return r.count >= count; });
  if (range == free_.end() || count == 0) {
    return std::nullopt;
  }
  const std::uint32_t first = range->first;
  range->first += count;
  range->count -= count;
  if (range->count == 0) {
    free_.erase(range);
  }
  used_ += count;
  return first;
}

void IdSpace::Claim(std::uint32_t first, std::uint32_t count) {
  auto range = std::ranges::upper_bound(free_, first, {}, &Range::first);
  Check(range != free_.begin(), "only free ids are claimed");
  --range;
  const std::uint32_t end = range->first + range->count;
  Check(first + count <= end, "only free ids are claimed");
  used_ += count;
  range->count = first - range->first;
  if (first + count < end) {
    range = free_.insert(range + 1, {first + count, end - first - count}) - 1;
  }
  if (range->count == 0) {
    free_.erase(range);
  }
}

void IdSpace::Retire(std::uint32_t first, std::uint32_t count) {
  retired_.push_back({first, count});
  used_ -= count;
}

void IdSpace::Recycle() {
  free_.insert(free_.end(), retired_.begin(), retired_.end());
  retired_.clear();
  Normalize();
}

void IdSpace::Free(std::uint32_t id) {
  const auto place = std::ranges::lower_bound(free_, id, {}, &Range::first);
  free_.insert(place, {id, 1});
  --used_;
  Normalize();
}

void IdSpace::Normalize() {
  std::ranges::sort(free_);
  std::size_t kept = 0;
  for (std::size_t i = 1; i < free_.size(); ++i) {
    if (free_[kept].first + free_[kept].count == free_[i].first) {
      free_[kept].count += free_[i].count;
    } else {
      free_[++kept] = free_[i];
    }
  }
  if (!free_.empty()) {
    free_.resize(kept + 1);
  }
}

FrontendSpace::FrontendSpace(std::uint32_t places) : states_(places, State::kFree) {}

std::optional<std::uint32_t> FrontendSpace::PlaceFor(const Frontend& frontend) const {
  if (used_ >= capacity()) {
    return std::nullopt;
  }
  const auto mask = static_cast<std::uint32_t>(states_.size() - 1);
  const std::uint32_t first = PlaceOf(frontend, mask);
  for (std::uint32_t i = 0; i < FRONTEND_PROBES; ++i) {
    const std::uint32_t place = (first + i) & mask;
    if (states_[place] == State::kFree || states_[place] == State::kGone) {
      return place;
    }
  }
  return std::nullopt;
}

void FrontendSpace::Claim(std::uint32_t place) {
  Check(states_.at(place) == State::kFree || states_[place] == State::kGone,
        "only free places are claimed");
  gone_ -= states_[place] == State::kGone ? 1 : 0;
  states_[place] = State::kUsed;
  ++used_;
}

void FrontendSpace::Retire(std::uint32_t place) {
  states_.at(place) = State::kRetired;
  --used_;
  ++retired_;
}

void FrontendSpace::Clear(std::uint32_t place) {
  gone_ -= states_.at(place) == State::kGone ? 1 : 0;
  states_[place] = State::kFree;
}

void FrontendSpace::SetGone(std::uint32_t place) {
  states_.at(place) = State::kRetired;
  ++retired_;
}

void FrontendSpace::Recycle() {
  if (retired_ > 0) {
    std::ranges::replace(states_, State::kRetired, State::kGone);
    gone_ += std::exchange(retired_, 0);
  }
}

std::vector<std::uint32_t> FrontendSpace::Clearable() const {
  std::vector<std::uint32_t> clearable;
  if (gone_ == 0) {
    return clearable;
  }
  bool ends = states_.front() == State::kFree;  // the search ends in the place behind
  for (std::size_t place = states_.size(); place-- > 0;) {
    ends = states_[place] == State::kFree || (ends && states_[place] == State::kGone);
    if (ends && states_[place] == State::kGone) {
      clearable.push_back(static_cast<std::uint32_t>(place));
    }
  }
  return clearable;
}

}  // namespace vsplit
