// SPDX-License-Identifier: Apache-2.0
// Kubernetes' strategic merge patch for its own kinds, which is what `kubectl apply` and `kubectl
// edit` send for them: lists of which Kubernetes says by what their items are told apart are merged
// item by item, other lists are replaced. Source: patchStrategy and patchMergeKey of k8s.io/api,
// and the directives of k8s.io/apimachinery, pkg/util/strategicpatch.
#pragma once

#include "json.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {

// The patch must not be nested deeper than a stack bears. Fails on a directive that is not what it
// has to be.
Result<void> StrategicMerge(Kind kind, const Json& patch, Json& document);

}  // namespace vsplit
