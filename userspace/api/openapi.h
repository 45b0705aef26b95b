// SPDX-License-Identifier: Apache-2.0
// Schemas of the kinds, made of the parser's own table of fields: what it does not take cannot be
// in them, and each description says whether the field is enforced.
#pragma once

#include <string>
#include <string_view>

#include "json.h"
#include "vsplit/objects.h"

namespace vsplit {

// Of objects of the kind in this version: JSON schema as OpenAPI has it. Kinds that are not Istio's
// may hold anything.
Json SchemaOf(const KindInfo& info, std::string_view version);

// "/apis/networking.istio.io/v1/namespaces/{namespace}/virtualservices/{name}"
std::string ItemPath(const KindInfo& info, std::string_view version);

// "io.istio.networking.v1.VirtualService", "io.k8s.api.core.v1.Pod", as Kubernetes names them.
std::string SchemaName(const KindInfo& info, std::string_view version);

// The document of one group and version, in OpenAPI v3.
std::string OpenApiV3(std::string_view group, std::string_view version);

// All of it as an openapi.v2.Document of github.com/google/gnostic-models, in protobuf.
std::string OpenApiV2();

}  // namespace vsplit
