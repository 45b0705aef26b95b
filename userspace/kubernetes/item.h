// SPDX-License-Identifier: Apache-2.0
// The server's JSON, read and trimmed. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit::kubernetes {

// One object as the server has it.
struct Item {
  ObjectKey key;
  ServerObject server;
  std::optional<Object> object;  // absent: it was refused, or is of no interest (a deletion)
  Diagnostics diagnostics;
};

// One line of a watch.
struct Event {
  enum class Type { kChanged, kDeleted, kBookmark, kError };
  Type type = Type::kError;
  Item item;                     // kChanged, kDeleted
  std::string resource_version;  // up to which the watch has come
  bool initial_end = false;      // kBookmark: all that there was has been sent
  unsigned code = 0;             // kError: the Status's
  std::string message;           // kError
};

// Fails on what is no event.
Result<Event> ReadEvent(Kind kind, std::string_view line);

struct Page {
  std::vector<Item> items;
  std::string resource_version;
  std::string next;  // the token of the next page; empty: this is the last one
};

Result<Page> ReadPage(Kind kind, std::string_view body);

// The message of a Status, or the beginning of any other text.
std::string MessageOf(std::string_view body);

}  // namespace vsplit::kubernetes
