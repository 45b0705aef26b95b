// SPDX-License-Identifier: Apache-2.0
// YAML's merge key: `<<: *base` gives a map the entries of another one that it lacks.
#include <set>
#include <string_view>
#include <vector>

#include "document.h"

namespace vsplit::parse {

// Appends the entries of a map whose keys are not there yet.
bool Builder::MergeFrom(const Node& source, std::set<std::string_view>& keys,
                        std::vector<const Node*>& entries) {
  if (source.kind != Node::Kind::kMap) {
    return Fail(source.place,
                "found \"<<\" with something else than a map, a map or a list of "
                "maps is allowed");
  }
  for (const Node* child = source.first; child != nullptr; child = child->next) {
    if (!keys.insert(child->key).second) {
      continue;
    }
    entries.push_back(child);
  }
  return true;
}

bool Builder::Merge(const Frame& frame) {
  std::vector<const Node*> entries;
  std::set<std::string_view> keys;
  for (const Node* child = frame.node->first; child != nullptr; child = child->next) {
    if (child->key != "<<") {
      entries.push_back(child);
      keys.insert(child->key);
    }
  }
  for (const Node* child = frame.node->first; child != nullptr; child = child->next) {
    if (child->key != "<<") {
      continue;
    }
    if (child->kind != Node::Kind::kList) {
      if (!MergeFrom(*child, keys, entries)) {
        return false;
      }
      continue;
    }
    for (const Node* item = child->first; item != nullptr; item = item->next) {
      if (!MergeFrom(*item, keys, entries)) {
        return false;
      }
    }
  }
  Node* last = nullptr;
  frame.node->first = nullptr;
  frame.node->count = 0;
  for (const Node* entry : entries) {
    Node* copy = new (arena_.allocate(sizeof(Node), alignof(Node))) Node(*entry);
    copy->next = nullptr;
    (last == nullptr ? frame.node->first : last->next) = copy;
    last = copy;
    ++frame.node->count;
  }
  return true;
}

}  // namespace vsplit::parse
