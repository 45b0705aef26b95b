// SPDX-License-Identifier: Apache-2.0
// The questions about the client that an answer depends on. Whoever looks at the client asks here,
// so that Scene::asked knows of it.
#pragma once

#include <optional>
#include <string>

#include "scene.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"

namespace vsplit::resolve {

bool IsInNamespace(const Scene& scene, const std::string& ns);
// Whether the labels select it. Nobody in particular has no labels that could.
bool IsSelected(const Scene& scene, const Labels& selector);
// Its value of a label, or nothing.
std::optional<std::string> LabelOf(const Scene& scene, const std::string& name);
const std::string& NamespaceOf(const Scene& scene);
const std::string& NodeOf(const Scene& scene);
const Locality& LocalityOf(const Scene& scene);

}  // namespace vsplit::resolve
