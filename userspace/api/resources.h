// SPDX-License-Identifier: Apache-2.0
// What the API serves, with what can be done with it: for discovery, and for who asks what they
// may.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace vsplit {

struct Resource {
  std::string_view group;     // empty: the core group
  std::string_view versions;  // the preferred one first
  std::string_view kind, plural, singular, shorts;
  bool namespaced = true;
  bool stored = false;  // a kind of objects.h
  bool has_status = false;
  std::vector<std::string> verbs;
  std::vector<std::string> categories;
};

// The kinds of objects.h in their order, then what the agent only answers.
std::vector<Resource> Resources();

// Of the subresource "status".
std::vector<std::string> StatusVerbs();
// Whether the verb leaves everything as it is.
bool OnlyReads(std::string_view verb);

}  // namespace vsplit
