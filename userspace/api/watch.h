// SPDX-License-Identifier: Apache-2.0
// What happens to objects, as it happens.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "call.h"
#include "failure.h"
#include "json.h"
#include "place.h"
#include "view.h"
#include "vsplit/api.h"
#include "vsplit/store.h"

namespace vsplit {

// Whether the parameter `watch` asks for it; 400 if it is neither true nor false.
Outcome<bool> AsksToWatch(const Call& call);

// What a watch is about, object by object as it is shown whole.
class Watched {
 public:
  Watched() = default;
  virtual ~Watched() = default;
  Watched(const Watched&) = delete;
  Watched& operator=(const Watched&) = delete;

  // From now on the next one of those that are there; nothing: these were all.
  virtual std::optional<Json> NextPresent() = 0;

  struct Event {
    std::string_view type;  // "ADDED"
    Json object;
  };
  // Nothing for a change that this watch does not see.
  virtual std::optional<Event> Of(const Change& change) = 0;

  virtual Appearance appearance() const = 0;
};

// A stream of events, one JSON text a line, from the resourceVersion given: ADDED, MODIFIED,
// DELETED, BOOKMARK, ERROR. The backend outlives it. `begin` is given the version from which on the
// watch hears of changes; 0: it is asked for what is there.
using BeginWatched = std::function<std::unique_ptr<Watched>(std::uint64_t since)>;
Outcome<Response> Watch(const Call& call, const BeginWatched& begin);
// Of the objects of a place.
Outcome<Response> Watch(const Call& call, const Place& place);

}  // namespace vsplit
