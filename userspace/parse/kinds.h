// SPDX-License-Identifier: Apache-2.0
// One reader for each kind: everything of a document but apiVersion, kind and metadata.
#pragma once

#include "fields.h"
#include "vsplit/objects.h"

namespace vsplit::parse {

// `root` is the whole document; `object` has its metadata already.
void ReadNamespace(const At& root, Object& object);
void ReadNode(const At& root, Object& object);
void ReadPod(const At& root, Object& object);
void ReadService(const At& root, Object& object);
void ReadEndpointSlice(const At& root, Object& object);
void ReadWorkloadEntry(const At& root, Object& object);
void ReadServiceEntry(const At& root, Object& object);
void ReadDestinationRule(const At& root, Object& object);
void ReadVirtualService(const At& root, Object& object);
void ReadSidecar(const At& root, Object& object);

// Fields of a document that are read elsewhere.
inline constexpr std::string_view kHeaderFields = "apiVersion kind metadata";

}  // namespace vsplit::parse
