// SPDX-License-Identifier: Apache-2.0
#include "place.h"

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {
namespace {

// The first that is there; a Node of an old cluster has only the older name of a label.
std::string LabelOf(const Labels& labels, std::string_view name, std::string_view older) {
  auto found = labels.find(std::string(name));
  if (found == labels.end() && !older.empty()) {
    found = labels.find(std::string(older));
  }
  return found == labels.end() ? "" : found->second;
}

void Add(std::string_view name, const std::string& value, Labels& labels) {
  if (!value.empty()) {
    labels[std::string(name)] = value;
  }
}

}  // namespace

Locality ParseLocality(std::string_view text) {
  const char separator = text.find('/') == std::string_view::npos ? '.' : '/';
  std::array<std::string, 3> parts;
  for (std::string& part : parts) {
    const std::size_t end = text.find(separator);
    part = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return {.region = parts[0], .zone = parts[1], .subzone = parts[2]};
}

Locality LocalityOfWorkload(const Labels& labels, const Object* node) {
  const std::string own = LabelOf(labels, kLocalityLabels[0], kLocalityLabels[1]);
  if (!own.empty()) {
    return ParseLocality(own);
  }
  if (node == nullptr) {
    return {};
  }
  return {.region = LabelOf(node->labels, kRegionLabel, "failure-domain.beta.kubernetes.io/region"),
          .zone = LabelOf(node->labels, kZoneLabel, "failure-domain.beta.kubernetes.io/zone"),
          .subzone = LabelOf(node->labels, kSubzoneLabel, "")};
}

void AddPlace(const Locality& locality, const std::string& node, Labels& labels) {
  Add(kRegionLabel, locality.region, labels);
  Add(kZoneLabel, locality.zone, labels);
  Add(kSubzoneLabel, locality.subzone, labels);
  Add(kHostnameLabel, node, labels);
  Add(kClusterLabel, std::string(kClusterName), labels);
}

}  // namespace vsplit::resolve
