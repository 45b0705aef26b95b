// SPDX-License-Identifier: Apache-2.0
// What every part of one Resolve looks at, and the questions they share.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vsplit/objects.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit::resolve {

class Registry;
class Sight;

struct Scene {
  const Store& store;
  const ResolveOptions& options;
  const Client& client;
  Asked& asked;
  Dependencies& dependencies;
  Registry& registry;
  const Sight* sight = nullptr;  // never null once a Resolve has begun
};

// The Service of a host, or null.
ObjectPtr ServiceOf(const Store& store, const HostName& host);

// "no Service default/reviews"; for a host outside of the domain `no Service for host "x.org"`.
std::string MissingService(const Store& store, const HostName& host);

// R10: creation timestamp ascending, then name, then namespace.
void SortByPrecedence(std::vector<ObjectPtr>& objects);

// Whether a list of gateways leaves the object to pods.
bool IncludesMesh(const std::vector<std::string>& gateways);

// How the reason of a verdict begins that only says that the client is not one of those meant.
constexpr std::string_view kForOtherClients = "for other clients: ";

std::string Join(const std::vector<std::string>& words);  // "a, b"

}  // namespace vsplit::resolve
