// SPDX-License-Identifier: Apache-2.0
#include "metadata.h"

#include <fmt/core.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "document.h"
#include "fields.h"
#include "syntax.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit::parse {

namespace {

constexpr std::size_t kAnnotationBytes = std::size_t{256}
                                         << 10;  // of one object: Kubernetes' limit

struct Metadata {
  std::string name;
  std::string ns;
  std::string resource_version;
  std::string creation_timestamp;
  std::string deletion_timestamp;
  Labels labels;
  Labels annotations;
};

// What is only checked.
struct Nothing {};

void ReadAnnotations(const At& at, Labels& out) {
  ReadStringMap(at, out);
  if (at.node().kind != Node::Kind::kMap) {
    return;
  }
  std::size_t bytes = 0;
  for (const auto& [key, value] : out) {
    bytes += key.size() + value.size();
  }
  if (bytes > kAnnotationBytes) {
    at.report().Add(at.Path(), at.node().place,
                    fmt::format("found {} bytes of keys and values, at most {} are allowed", bytes,
                                kAnnotationBytes),
                    Diagnostic::Severity::kError, Diagnostic::Reason::kTooLong);
  }
  for (const Node* child = at.node().first; child != nullptr; child = child->next) {
    if (!IsLabelKey(child->key)) {
      at.Entry(*child).ErrorAtKey(fmt::format(
          "found key \"{}\", at most 63 letters, digits, -, _ and . are allowed, after an optional "
          "DNS name and /",
          child->key));
    }
  }
}

void CheckFinalizer(const At& at, Nothing& /*out*/) {
  if (at.Is(Node::Kind::kString) && !IsLabelKey(at.node().text)) {
    at.NotAllowed(
        "at most 63 letters, digits, -, _ and . are allowed, after an optional DNS name and /");
  }
}

void CheckText(const At& at, Nothing& /*out*/) {
  if (at.Is(Node::Kind::kString) && at.node().text.empty()) {
    at.NotAllowed("a name is required");
  }
}

void CheckFlag(const At& at, Nothing& /*out*/) {
  at.Is(Node::Kind::kBool);
}

constexpr auto kOwnerFields = std::to_array<Field<Nothing>>({
    {"apiVersion", CheckText},
    {"kind", CheckText},
    {"name", CheckText},
    {"uid", CheckText},
    {"controller", CheckFlag},
    {"blockOwnerDeletion", CheckFlag},
});
constexpr Shape<Nothing> kOwner = {"OwnerReference", kOwnerFields, ""};

void CheckOwner(const At& at, Nothing& out) {
  ReadMap(at, kOwner, out);
  for (const char* field : {"apiVersion", "kind", "name", "uid"}) {
    RequireField(at, field);
  }
}

template <void (*check)(const At&, Nothing&)>
void CheckList(const At& at, Metadata& /*out*/) {
  if (!at.Is(Node::Kind::kList)) {
    return;
  }
  Nothing nothing;
  std::size_t index = 0;
  for (const Node* child = at.node().first; child != nullptr && !at.report().Full();
       child = child->next) {
    check(at.Item(*child, index++), nothing);
  }
}

constexpr auto kMetadataFields = std::to_array<Field<Metadata>>({
    {"name", Into<&Metadata::name, ReadString>},
    {"namespace", Into<&Metadata::ns, ReadString>},
    {"labels", Into<&Metadata::labels, ReadLabels>},
    {"annotations", Into<&Metadata::annotations, ReadAnnotations>},
    {"resourceVersion", Into<&Metadata::resource_version, ReadString>},
    {"creationTimestamp", Into<&Metadata::creation_timestamp, ReadString>},
    {"deletionTimestamp", Into<&Metadata::deletion_timestamp, ReadString>},
    {"finalizers", CheckList<CheckFinalizer>},
    {"ownerReferences", CheckList<CheckOwner>},
});
constexpr Shape<Metadata> kMetadata = {
    "ObjectMeta", kMetadataFields,
    "generateName selfLink uid generation deletionGracePeriodSeconds managedFields"};

void CheckName(const At& metadata, const KindInfo& info, const std::string& name) {
  const Node* node = metadata.node().Find("name");
  if (node == nullptr || node->is_null()) {
    metadata.Missing("name");
    return;
  }
  if (node->kind != Node::Kind::kString) {
    return;  // noted already
  }
  const At at = metadata.Field(*node);
  if (info.kind == Kind::kService && !IsServiceName(name)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) that starts with a letter is allowed");
  } else if (info.kind == Kind::kNamespace && !IsDnsLabel(name)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  } else if (!IsDnsSubdomain(name)) {
    at.NotAllowed("a DNS name (a-z, 0-9, - and .) is allowed");
  }
}

void CheckNamespace(const At& metadata, const KindInfo& info, const std::string& ns) {
  const Node* node = metadata.node().Find("namespace");
  if (node == nullptr || node->kind != Node::Kind::kString || ns.empty()) {
    return;
  }
  const At at = metadata.Field(*node);
  if (!info.namespaced) {
    at.Error(fmt::format("found \"{}\", a {} has no namespace", ns, info.name));
  } else if (!IsDnsLabel(ns)) {
    at.NotAllowed("a DNS label (a-z, 0-9, -) is allowed");
  }
}

// Of the client's URL or command line, as good as anything.
void CheckDefaultNamespace(const At& metadata, const std::string& ns) {
  if (!IsDnsLabel(ns)) {
    metadata.report().Add(
        metadata.Path("namespace"), metadata.node().place,
        fmt::format("found \"{}\" beside it, a DNS label (a-z, 0-9, -) is allowed", ns));
  }
}

}  // namespace

void ReadMetadata(const At& root, const KindInfo& info, const std::string& default_namespace,
                  Object& object) {
  const Node* node = root.node().Find("metadata");
  if (node == nullptr || node->is_null()) {
    root.Missing("metadata");
    return;
  }
  Metadata metadata;
  const At at = root.Field(*node);
  ReadMap(at, kMetadata, metadata);
  if (node->kind != Node::Kind::kMap) {
    return;
  }
  CheckName(at, info, metadata.name);
  CheckNamespace(at, info, metadata.ns);
  object.key.name = std::move(metadata.name);
  if (info.namespaced) {
    if (metadata.ns.empty()) {
      CheckDefaultNamespace(at, default_namespace);
      metadata.ns = default_namespace;
    }
    object.key.ns = std::move(metadata.ns);
  }
  object.labels = std::move(metadata.labels);
  object.annotations = std::move(metadata.annotations);
  object.deleting = !metadata.deletion_timestamp.empty();
  object.given_creation_timestamp = std::move(metadata.creation_timestamp);
  object.given_resource_version = std::move(metadata.resource_version);
}

void CheckAnnotations(const At& root) {
  constexpr std::string_view kForbidden =
      "istio.io/dry-run internal.istio.io/webhook-always-reject internal.istio.io/parents "
      "internal.istio.io/parent-namespace";
  const Node* metadata = root.node().Find("metadata");
  const Node* annotations = metadata == nullptr ? nullptr : metadata->Find("annotations");
  if (annotations == nullptr || annotations->kind != Node::Kind::kMap) {
    return;
  }
  const At outer = root.Field(*metadata);
  const At at = outer.Field(*annotations);
  for (const Node* child = annotations->first; child != nullptr; child = child->next) {
    if (IsListed(child->key, kForbidden)) {
      at.Entry(*child).ErrorAtKey("not allowed on this kind of object");
    }
  }
}

}  // namespace vsplit::parse
