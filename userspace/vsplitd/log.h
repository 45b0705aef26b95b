// SPDX-License-Identifier: Apache-2.0
// The agent's log: one line an event on standard error, "<6>event=applied generation=7 ...", with
// the priority that journald reads in front. Values never hold what clients sent as secret: objects
// are named, not shown.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace vsplit {

enum class Priority { kError = 3, kWarning = 4, kNotice = 5, kInfo = 6 };

using LogFields = std::initializer_list<std::pair<std::string_view, std::string>>;

void Log(Priority priority, std::string_view event, LogFields fields = {});
// The line without its end. A value with blanks, quotes or control characters is quoted.
std::string LogLine(Priority priority, std::string_view event, LogFields fields);

}  // namespace vsplit
