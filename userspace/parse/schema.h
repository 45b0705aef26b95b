// SPDX-License-Identifier: Apache-2.0
// The types of what nothing is read from.
#pragma once

#include <string_view>

#include "fields.h"

namespace vsplit::parse {

// Notes unknown fields and values of the wrong type of an Istio message ("HTTPRetry"), of a list of
// them ("*HTTPMirrorPolicy") or of a map with free keys to them ("%StringMatch"), deep down.
void CheckMessage(const At& at, std::string_view type);

// A reader for a field that no part of the object is made of.
template <class T, const std::string_view& type>
void Named(const At& at, T& /*out*/) {
  CheckMessage(at, type);
}

}  // namespace vsplit::parse
