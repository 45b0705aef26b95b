// SPDX-License-Identifier: Apache-2.0
// Any bytes as what an API server sends: as a line of a watch, as a page of a list, as the body of
// a refusal. What is read is an object of the kind that was asked for, or named with a reason why
// not.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "item.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace {

using vsplit::Kind;
using vsplit::kubernetes::Event;
using vsplit::kubernetes::Item;

void Require(bool holds) {
  if (!holds) {
    std::abort();
  }
}

void CheckItem(Kind kind, const Item& item) {
  Require(item.key.kind == kind);
  if (!item.object) {
    Require(!item.diagnostics.empty());  // or nobody hears of it
    return;
  }
  Require(item.object->key == item.key && item.object->version == item.server.version);
  // Kept on disk as text, and read from there when the agent starts.
  const vsplit::ParseResult again =
      vsplit::Parse(item.object->json.str(), {.format = vsplit::TextFormat::kJson});
  Require(again.objects.size() == 1 && again.objects[0].spec == item.object->spec);
}

void CheckMessage(const std::string& message) {
  constexpr std::size_t kLogged = 300;
  Require(message.size() <= kLogged && message.find('\n') == std::string::npos);
}

void Check(Kind kind, std::string_view text) {
  if (const vsplit::Result<Event> event = vsplit::kubernetes::ReadEvent(kind, text)) {
    if (event->type == Event::Type::kChanged) {
      CheckItem(kind, event->item);
    }
    Require(event->type != Event::Type::kDeleted || event->item.key.kind == kind);
    Require(!event->initial_end || event->type == Event::Type::kBookmark);
  }
  if (const auto page = vsplit::kubernetes::ReadPage(kind, text)) {
    Require(!page->resource_version.empty());
    for (const Item& item : page->items) {
      CheckItem(kind, item);
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  for (const Kind kind :
       {Kind::kPod, Kind::kService, Kind::kEndpointSlice, Kind::kVirtualService}) {
    Check(kind, text);
  }
  CheckMessage(vsplit::kubernetes::MessageOf(text));
  return 0;
}
