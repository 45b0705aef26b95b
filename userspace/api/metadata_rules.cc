// SPDX-License-Identifier: Apache-2.0
#include "metadata_rules.h"

#include <algorithm>
#include <string>
#include <utility>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

const Json* Find(const Json& map, const char* name) {
  if (!map.is_object()) {
    return nullptr;
  }
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &*found;
}

const Json* FindMetadata(const Json& document, const char* name) {
  const Json* const metadata = Find(document, "metadata");
  return metadata == nullptr ? nullptr : Find(*metadata, name);
}

// Gives it its name as a label, unless what is there is wrong anyway.
void Label(Json& metadata, const char* label) {
  const Json* const labels = Find(metadata, "labels");
  const Json* const name = Find(metadata, "name");
  const bool labelled = labels == nullptr || labels->is_null() || labels->is_object();
  if (labelled && name != nullptr && name->is_string()) {
    metadata["labels"][label] = std::string(*name);
  }
}

bool IsAgents(const Json& condition, const Json& agents) {
  const Json* const type = Find(condition, "type");
  const Json* const own = Find(agents, "conditions");
  return type != nullptr && own != nullptr && own->is_array() &&
         std::any_of(own->begin(), own->end(), [&](const Json& one) {
           const Json* const other = Find(one, "type");
           return other != nullptr && *other == *type;
         });
}

}  // namespace

void RuleMetadata(Kind kind, const Json& kept, Json& document) {
  const auto found = document.find("metadata");
  if (found == document.end() || !found->is_object()) {
    return;
  }
  Json& metadata = *found;
  for (const char* name : {"resourceVersion", "generation", "creationTimestamp", "selfLink"}) {
    metadata.erase(name);
  }
  if (kind == Kind::kNamespace) {
    Label(metadata, "kubernetes.io/metadata.name");
  }
  for (const char* name : {"labels", "annotations", "finalizers", "ownerReferences"}) {
    if (const Json* const given = Find(metadata, name); given != nullptr && given->empty()) {
      metadata.erase(name);  // as where Go writes the document
    }
  }
  for (const char* name : {"uid", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    // The kubelet made a Pod's uid, and its cgroup is named after it.
    const bool pods_own = kind == Kind::kPod && std::string(name) == "uid" && kept.is_null();
    const Json* const before = FindMetadata(kept, name);
    if (before != nullptr) {
      metadata[name] = *before;
    } else if (!pods_own) {
      metadata.erase(name);
    }
  }
}

Json StatusOfOthers(Json status, const Json& agents) {
  if (!status.is_object() || !agents.is_object()) {
    return status;
  }
  for (const auto& [name, value] : agents.items()) {
    const auto found = status.find(name);
    if (found == status.end()) {
      continue;
    }
    if (name != "conditions") {
      status.erase(name);
    } else if (found->is_array()) {
      Json others = Json::array();
      for (Json& condition : *found) {
        if (!IsAgents(condition, agents)) {
          others.push_back(std::move(condition));
        }
      }
      if (others.empty()) {
        status.erase(name);
      } else {
        *found = std::move(others);
      }
    }
  }
  return status;
}

Json WholeStatus(const Json& others, const Json& agents) {
  if (!agents.is_object() || !others.is_object()) {
    return agents.is_object() ? agents : others;
  }
  Json whole = agents;
  for (const auto& [name, value] : others.items()) {
    const auto found = whole.find(name);
    if (found == whole.end()) {
      whole[name] = value;
    } else if (name == "conditions" && value.is_array() && found->is_array()) {
      for (const Json& condition : value) {
        if (!IsAgents(condition, agents)) {
          found->push_back(condition);
        }
      }
    }
  }
  return whole;
}

bool HasFinalizers(const Json& document) {
  const Json* const finalizers = FindMetadata(document, "finalizers");
  return finalizers != nullptr && finalizers->is_array() && !finalizers->empty();
}

bool IsDeleting(const Json& document) {
  return FindMetadata(document, "deletionTimestamp") != nullptr;
}

void MarkDeleting(Json& document, const std::string& now) {
  document["metadata"]["deletionTimestamp"] = now;
  document["metadata"]["deletionGracePeriodSeconds"] = 0;
}

}  // namespace vsplit
