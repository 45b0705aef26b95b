// SPDX-License-Identifier: Apache-2.0
// Where something runs, and the labels that say so (R14): pkg/serviceregistry/util/label/label.go
// and pkg/model/proxy.go of Istio.
#pragma once

#include <string>
#include <string_view>

#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {

constexpr std::string_view kHostnameLabel = "kubernetes.io/hostname";
constexpr std::string_view kRegionLabel = "topology.kubernetes.io/region";
constexpr std::string_view kZoneLabel = "topology.kubernetes.io/zone";
constexpr std::string_view kSubzoneLabel = "topology.istio.io/subzone";
constexpr std::string_view kNetworkLabel = "topology.istio.io/network";

// "region/zone/subzone", or with dots as a label writes it.
Locality ParseLocality(std::string_view text);

// What a workload's own labels say (topology.istio.io/locality, istio-locality), else its Node's.
Locality LocalityOfWorkload(const Labels& labels, const Object* node);

// Adds where it runs to the labels of a workload; over what they say themselves.
void AddPlace(const Locality& locality, const std::string& node, Labels& labels);

}  // namespace vsplit::resolve
