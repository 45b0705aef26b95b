// SPDX-License-Identifier: Apache-2.0
#include "vsplit/interned_string.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

namespace vsplit {

struct InternedString::Entry {
  explicit Entry(std::string_view the_text) : text(the_text) {}

  const std::string text;
  // One that has come to 0 never grows again: whoever took the last one away removes the entry.
  std::atomic<std::uint32_t> users{1};
};

class InternedString::Pool {
 public:
  Entry* Take(std::string_view text) {
    const std::scoped_lock lock(mutex_);
    if (const auto found = entries_.find(text); found != entries_.end()) {
      if (Retain(**found)) {
        return *found;
      }
      entries_.erase(found);  // about to be removed
    }
    auto* const entry = new Entry(text);
    entries_.insert(entry);
    return entry;
  }

  void Remove(Entry* entry) {
    {
      const std::scoped_lock lock(mutex_);
      if (const auto found = entries_.find(std::string_view(entry->text));
          found != entries_.end() && *found == entry) {
        entries_.erase(found);
      }
    }
    delete entry;
  }

  static Pool& Get() {
    static Pool& pool = *new Pool;  // outlives every text, those of static objects too
    return pool;
  }

 private:
  // False when nobody has it any more.
  static bool Retain(Entry& entry) {
    std::uint32_t users = entry.users.load(std::memory_order_relaxed);
    while (users != 0) {
      if (entry.users.compare_exchange_weak(users, users + 1, std::memory_order_relaxed)) {
        return true;
      }
    }
    return false;
  }

  // NOLINTBEGIN(readability-identifier-naming): the standard's name
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
    std::size_t operator()(const Entry* entry) const { return (*this)(entry->text); }
  };
  struct Equal {
    using is_transparent = void;
    bool operator()(const Entry* left, const Entry* right) const { return left == right; }
    bool operator()(std::string_view left, const Entry* right) const { return right->text == left; }
    bool operator()(const Entry* left, std::string_view right) const { return left->text == right; }
  };
  // NOLINTEND(readability-identifier-naming)

  std::mutex mutex_;
  std::unordered_set<Entry*, Hash, Equal> entries_;
};

const std::string& InternedString::str() const {
  static const std::string empty;
  return entry_ == nullptr ? empty : entry_->text;
}

InternedString::Entry* InternedString::Take(std::string_view text) {
  return text.empty() ? nullptr : Pool::Get().Take(text);
}

void InternedString::Retain() const {
  if (entry_ != nullptr) {
    entry_->users.fetch_add(1, std::memory_order_relaxed);
  }
}

void InternedString::Release() const {
  if (entry_->users.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    Pool::Get().Remove(entry_);
  }
}

}  // namespace vsplit
