// SPDX-License-Identifier: Apache-2.0
// Objects in order, and maps from something in them to the objects that have it.
#pragma once

#include <algorithm>
#include <boost/container/flat_set.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit {

struct ByKey {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
  static const ObjectKey& Key(const ObjectPtr& object) { return object->key; }
  // NOLINTNEXTLINE(bugprone-return-const-ref-from-parameter): outlived by what it is compared to
  static const ObjectKey& Key(const ObjectKey& key) { return key; }
  bool operator()(const auto& left, const auto& right) const { return Key(left) < Key(right); }
};

// Ordered by key; no key twice.
using ObjectSet = std::set<ObjectPtr, ByKey>;
// The same for sets of mostly one.
using FewObjects = boost::container::flat_set<ObjectPtr, ByKey>;

template <class Word, class Set, class Less = std::less<>>
class Index {
 public:
  void Add(const Word& word, const ObjectPtr& object) { sets_[word].insert(object); }

  void Remove(const Word& word, const ObjectPtr& object) {
    const auto found = sets_.find(word);
    if (found != sets_.end() && found->second.erase(object) > 0 && found->second.empty()) {
      sets_.erase(found);
    }
  }

  // Null when there is none.
  const Set* Find(const auto& word) const {
    const auto found = sets_.find(word);
    return found == sets_.end() ? nullptr : &found->second;
  }

  bool IsEmpty() const { return sets_.empty(); }

 protected:
  using Sets = std::map<Word, Set, Less>;
  const Sets& sets() const { return sets_; }

 private:
  Sets sets_;
};

// Orders texts by their ends, so that those with one ending are neighbours.
struct ByEnding {
  using is_transparent = void;  // NOLINT(readability-identifier-naming): the standard's name
  bool operator()(std::string_view left, std::string_view right) const {
    return std::lexicographical_compare(left.rbegin(), left.rend(), right.rbegin(), right.rend());
  }
};

// Objects by the hosts they name, wildcards among them.
class EndingIndex : public Index<HostName, FewObjects, ByEnding> {
 public:
  // Adds those with a host that the wildcard covers.
  void AddWithin(std::string_view wildcard, ObjectSet& found) const {
    const std::string_view ending = wildcard.substr(1);
    for (auto it = sets().lower_bound(ending); it != sets().end(); ++it) {
      if (!it->first.ends_with(ending)) {
        break;
      }
      found.insert(it->second.begin(), it->second.end());
    }
  }
};

// Objects by the hosts they name. A wildcard is found by its suffix: only as many lookups are made
// as there are lengths of suffixes in use.
class HostIndex {
 public:
  void Add(const HostName& host, const ObjectPtr& object) {
    if (IsWildcard(host)) {
      wildcards_[host.size() - 1].Add(host.substr(1), object);
    } else {
      exact_.Add(host, object);
    }
  }

  void Remove(const HostName& host, const ObjectPtr& object) {
    if (!IsWildcard(host)) {
      exact_.Remove(host, object);
      return;
    }
    const auto found = wildcards_.find(host.size() - 1);
    if (found != wildcards_.end()) {
      found->second.Remove(host.substr(1), object);
      if (found->second.IsEmpty()) {
        wildcards_.erase(found);
      }
    }
  }

  // Those that name the host itself; for a wildcard that is written so.
  const FewObjects* Find(const HostName& host) const {
    if (!IsWildcard(host)) {
      return exact_.Find(host);
    }
    const auto found = wildcards_.find(host.size() - 1);
    return found == wildcards_.end() ? nullptr
                                     : found->second.Find(std::string_view(host).substr(1));
  }

  // Adds those whose host is this one or a wildcard that covers it.
  void AddCovering(const HostName& host, ObjectSet& found) const {
    const auto take = [&found](const FewObjects* objects) {
      if (objects != nullptr) {
        found.insert(objects->begin(), objects->end());
      }
    };
    take(exact_.Find(host));
    for (const auto& [length, suffixes] : wildcards_) {
      if (length > host.size()) {
        break;
      }
      take(suffixes.Find(std::string_view(host).substr(host.size() - length)));
    }
  }

  std::vector<ObjectPtr> Covering(const HostName& host) const {
    ObjectSet found;
    AddCovering(host, found);
    return {found.begin(), found.end()};
  }

 private:
  Index<HostName, FewObjects> exact_;
  std::map<std::size_t, Index<HostName, FewObjects>>
      wildcards_;  // length of the suffix -> suffix -> objects
};

}  // namespace vsplit
