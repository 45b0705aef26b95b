// SPDX-License-Identifier: Apache-2.0
// What `get` shows of an object of each kind.
#pragma once

#include <chrono>

#include "kinds.h"
#include "table.h"
#include "vsplit/json.h"

namespace vsplit {

struct ColumnOptions {
  bool wide = false;
  bool with_namespace = false;  // -A
  bool with_kind = false;       // several kinds in one answer: "service/reviews"
  std::chrono::system_clock::time_point now;
};

Row HeaderOf(const KindName& kind, const ColumnOptions& options);
Row RowOf(const KindName& kind, const Json& object, const ColumnOptions& options);

}  // namespace vsplit
