// SPDX-License-Identifier: Apache-2.0
// Objects as the API shows them.
#pragma once

#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {

Json GroupVersionKind(const KindInfo& info, std::string_view version);
// "virtualservices.networking.istio.io", "services"
std::string ResourceName(const KindInfo& info);

// The object as it was given, in the API version asked for, with the store's metadata filled in.
// `status` is the agent's own, as JSON: it joins what others wrote there. Empty: it has none.
Json Render(const Object& object, const std::string& api_version, const std::string& status);

}  // namespace vsplit
