// SPDX-License-Identifier: Apache-2.0
// labelSelector and fieldSelector of lists, watches and deletes.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "call.h"
#include "failure.h"
#include "vsplit/objects.h"

namespace vsplit {

// One condition of a selector.
struct Requirement {
  enum class Operator : std::uint8_t { kIn, kNotIn, kExists, kAbsent, kGreater, kLess };
  std::string key;
  Operator is = Operator::kIn;
  std::set<std::string> values;  // of kGreater and kLess one, a number
};

// Which objects are meant: those that fulfil all requirements.
struct Selector {
  std::vector<Requirement> labels;
  std::vector<Requirement> fields;  // kIn and kNotIn, of one value each

  bool Matches(const Object& object) const;
};

// 400 for what is no selector, and for a field that objects of the kind cannot be selected by: all
// can by metadata.name and metadata.namespace, Pods by spec.nodeName and status.phase too.
Outcome<Selector> ParseSelector(const Call& call, const KindInfo& info);

}  // namespace vsplit
