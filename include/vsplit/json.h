// SPDX-License-Identifier: Apache-2.0
// Reading JSON without surprises: what is absent or of another type reads as empty. Fields stay in
// the order in which they were given.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace vsplit {

using Json = nlohmann::ordered_json;

// `path` is a JSON pointer, "/metadata/name". A number or boolean reads as its JSON text.
std::string TextAt(const Json& json, const char* path);
double NumberAt(const Json& json, const char* path);
std::int64_t IntegerAt(const Json& json, const char* path);
bool TruthAt(const Json& json, const char* path);
// The list or map there, else an empty list.
const Json& ItemsAt(const Json& json, const char* path);

// ---- cells of the tables that `kubectl get` and `vsplit get` print -----------------------------

std::string OrNone(std::string text);                     // "<none>" for nothing
void Append(std::string& list, const std::string& text);  // behind a comma
std::string Joined(const Json& items, const char* path);  // "a,b": what lies there in each
std::string Pairs(const Json& map);                       // "app=web,version=v1"
std::string SlicePorts(const Json& slice);                // "8080,9090"
std::string SliceEndpoints(const Json& slice);  // "10.1.0.1,10.1.0.2,10.1.0.3 + 4 more..."
// "safe:90,risky:10", the rules of a VirtualService apart by a blank.
std::string RouteWeights(const Json& virtual_service);

}  // namespace vsplit
