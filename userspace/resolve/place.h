// SPDX-License-Identifier: Apache-2.0
// Where something runs, and the labels that say so (R14): pkg/serviceregistry/util/label/label.go
// and pkg/model/proxy.go of Istio.
#pragma once

#include <array>
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
constexpr std::string_view kClusterLabel = "topology.istio.io/cluster";
constexpr std::string_view kClusterName = "Kubernetes";  // Istio's default name of its only one

// By which a workload says itself where it runs; the first one counts.
constexpr std::array<std::string_view, 2> kLocalityLabels{"topology.istio.io/locality",
                                                          "istio-locality"};

// "region/zone/subzone", or with dots as a label writes it.
Locality ParseLocality(std::string_view text);

// What a workload's own labels say (topology.istio.io/locality, istio-locality), else its Node's.
Locality LocalityOfWorkload(const Labels& labels, const Object* node);

// Adds where it runs to the labels of a workload; over what they say themselves.
void AddPlace(const Locality& locality, const std::string& node, Labels& labels);

}  // namespace vsplit::resolve
