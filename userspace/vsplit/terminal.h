// SPDX-License-Identifier: Apache-2.0
// What the standard output can show.
#pragma once

#include <cstddef>

namespace vsplit {

struct Terminal {
  bool interactive = false;  // a person is looking: frames may be drawn over each other
  std::size_t width = 120;   // columns
  bool utf8 = false;
};

Terminal TerminalOf(int descriptor);

}  // namespace vsplit
