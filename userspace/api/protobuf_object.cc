// SPDX-License-Identifier: Apache-2.0
#include "protobuf_object.h"

#include <array>
#include <span>
#include <string_view>
#include <tl/expected.hpp>

#include "json.h"
#include "protobuf.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using enum ProtoType;

// Field numbers of k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto. What the server alone says
// is ignored, as it is in JSON.
constexpr std::array kMetadata = {
    ProtoField{1, "name"},
    ProtoField{2, "generateName"},
    ProtoField{3, "namespace"},
    ProtoField{4, "selfLink", {}, kIgnored},
    ProtoField{5, "uid"},
    ProtoField{6, "resourceVersion"},
    ProtoField{7, "generation", {}, kIgnored},
    ProtoField{8, "creationTimestamp", {}, kIgnored},
    ProtoField{9, "deletionTimestamp", {}, kIgnored},
    ProtoField{10, "deletionGracePeriodSeconds", {}, kIgnored},
    ProtoField{11, "labels", {}, kEntry},
    ProtoField{12, "annotations", {}, kEntry},
    ProtoField{14, "finalizers", {}, kText, true},
};

// Field numbers of k8s.io/api/core/v1/generated.proto.
constexpr std::array kPort = {
    ProtoField{1, "name"},
    ProtoField{2, "protocol"},
    ProtoField{3, "port", {}, kNumber},
    ProtoField{4, "targetPort", {}, kIntOrString},
    ProtoField{5, "nodePort", {}, kNumber},
    ProtoField{6, "appProtocol"},
};
constexpr std::array kServiceSpec = {
    ProtoField{1, "ports", kPort, kText, true},
    ProtoField{2, "selector", {}, kEntry},
    ProtoField{3, "clusterIP"},
    ProtoField{4, "type"},
    ProtoField{5, "externalIPs", {}, kText, true},
    ProtoField{7, "sessionAffinity"},
    ProtoField{8, "loadBalancerIP"},
    ProtoField{9, "loadBalancerSourceRanges", {}, kText, true},
    ProtoField{10, "externalName"},
    ProtoField{11, "externalTrafficPolicy"},
    ProtoField{12, "healthCheckNodePort", {}, kNumber},
    ProtoField{13, "publishNotReadyAddresses", {}, kTruth},
    ProtoField{17, "ipFamilyPolicy"},
    ProtoField{18, "clusterIPs", {}, kText, true},
    ProtoField{19, "ipFamilies", {}, kText, true},
    ProtoField{21, "loadBalancerClass"},
    ProtoField{22, "internalTrafficPolicy"},
    ProtoField{23, "trafficDistribution"},
};
constexpr std::array kNamespaceSpec = {ProtoField{1, "finalizers", {}, kText, true}};
constexpr std::array kService = {
    ProtoField{1, "metadata", kMetadata},
    ProtoField{2, "spec", kServiceSpec},
    ProtoField{3, "status", {}, kIgnored},
};
constexpr std::array kNamespace = {
    ProtoField{1, "metadata", kMetadata},
    ProtoField{2, "spec", kNamespaceSpec},
    ProtoField{3, "status", {}, kIgnored},
};

// Field numbers of k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto.
constexpr std::array kPreconditions = {ProtoField{1, "uid"}, ProtoField{2, "resourceVersion"}};
constexpr std::array kDeleteOptions = {
    ProtoField{1, "gracePeriodSeconds", {}, kNumber},
    ProtoField{2, "preconditions", kPreconditions},
    ProtoField{3, "orphanDependents", {}, kTruth},
    ProtoField{4, "propagationPolicy"},
    ProtoField{5, "dryRun", {}, kText, true},
};

std::span<const ProtoField> FieldsOf(Kind kind) {
  if (kind == Kind::kService) {
    return kService;
  }
  return kind == Kind::kNamespace ? std::span<const ProtoField>(kNamespace)
                                  : std::span<const ProtoField>();
}

}  // namespace

bool HasProto(Kind kind) {
  return !FieldsOf(kind).empty();
}

Result<Json> ReadProtoObject(Kind kind, std::string_view body) {
  const Result<ProtoEnvelope> sent = OpenProto(body);
  if (!sent) {
    return tl::unexpected(sent.error());
  }
  const Result<Json> object = ReadProto(sent->raw, FieldsOf(kind), ProtoRest::kRefused);
  if (!object) {
    return tl::unexpected(object.error());
  }
  Json document = {{"apiVersion", sent->api_version}, {"kind", sent->kind}};
  document.update(*object);
  return document;
}

Result<Json> ReadProtoDeleteOptions(std::string_view body) {
  const Result<ProtoEnvelope> sent = OpenProto(body);
  return sent ? ReadProto(sent->raw, kDeleteOptions, ProtoRest::kRefused)
              : tl::unexpected(sent.error());
}

}  // namespace vsplit
