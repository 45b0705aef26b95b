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

// Whether objects of the kind have a metadata.generation: in Kubernetes 1.32 those of the core
// group that are served here have none.
bool HasGeneration(Kind kind);

// Puts into a document what Kubernetes puts there and kubectl takes for granted: `kubectl describe
// endpointslice` ends in a panic at a port without a protocol. Nothing else that is left out is
// filled in, a `spec` above all: it comes back as it was given.
void FillIn(Kind kind, Json& document);
// A Namespace of which nothing else is said is active; nobody is held to have said it.
void Activate(Kind kind, Json& document);

// The object as it was given, in the API version asked for, with the store's metadata filled in; a
// resourceVersion of 0 is none, and a Namespace of which nothing else is said is active. `status`
// is the agent's own, as JSON: it joins what others wrote there. Empty: it has none.
Json Render(const Object& object, const std::string& api_version, const std::string& status);

}  // namespace vsplit
