// SPDX-License-Identifier: Apache-2.0
#include "vsplit/document_text.h"

#include <zstd.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr int kLevel = ZSTD_CLEVEL_DEFAULT;

// Made up of what objects usually say, the most frequent last, where the compressor finds it best.
// Another text here would do as well: only one process reads what it has compressed.
constexpr std::string_view kUsual =
    R"({"apiVersion":"networking.istio.io/v1","kind":"ServiceEntry","metadata":{"name":"entry",)"
    R"("namespace":"default"},"spec":{"hosts":["example.com"],"addresses":["192.0.2.1"],"ports":)"
    R"([{"number":443,"name":"tls","protocol":"TLS"}],"location":"MESH_EXTERNAL","resolution":)"
    R"("DNS","endpoints":[{"address":"192.0.2.1"}]}})"
    R"({"apiVersion":"networking.istio.io/v1","kind":"DestinationRule","metadata":{"name":"rule",)"
    R"("namespace":"default"},"spec":{"host":"service.default.svc.cluster.local","trafficPolicy":)"
    R"({"loadBalancer":{"simple":"LEAST_REQUEST"},"connectionPool":{"tcp":{"maxConnections":100,)"
    R"("connectTimeout":"10s"}},"outlierDetection":{"consecutive5xxErrors":5,"interval":"10s",)"
    R"("baseEjectionTime":"30s","maxEjectionPercent":50}},"subsets":[{"name":"v1","labels":)"
    R"({"version":"v1"}},{"name":"v2","labels":{"version":"v2"}}]}})"
    R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"rule",)"
    R"("namespace":"default"},"spec":{"hosts":["service.default.svc.cluster.local"],"http":)"
    R"([{"route":[{"destination":{"host":"service.default.svc.cluster.local","subset":"v1"},)"
    R"("weight":90},{"destination":{"host":"service.default.svc.cluster.local","subset":"v2"},)"
    R"("weight":10}]}]}})"
    R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"service","namespace":"default",)"
    R"("uid":"00000000-0000-4000-8000-000000000000","resourceVersion":"1000000",)"
    R"("creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app.kubernetes.io/name":"service",)"
    R"("app.kubernetes.io/managed-by":"Helm"},"annotations":{"meta.helm.sh/release-name":)"
    R"("service","meta.helm.sh/release-namespace":"default"}},"spec":{"ports":[{"name":"http",)"
    R"("protocol":"TCP","port":80,"targetPort":8080}],"selector":{"app":"service"},)"
    R"("clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1"],"type":"ClusterIP","ipFamilies":)"
    R"(["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}})"
    R"({"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":)"
    R"("service-x7k2p","namespace":"default","uid":"00000000-0000-4000-8000-000000000000",)"
    R"("resourceVersion":"1000000","generation":1,"creationTimestamp":"2026-01-01T00:00:00Z",)"
    R"("labels":{"endpointslice.kubernetes.io/managed-by":)"
    R"("endpointslice-controller.k8s.io","kubernetes.io/service-name":"service"},"annotations":)"
    R"({"endpoints.kubernetes.io/last-change-trigger-time":"2026-01-01T00:00:00Z"}},)"
    R"("addressType":"IPv4","endpoints":[{"addresses":["10.1.0.1"],"conditions":{"ready":true,)"
    R"("serving":true,"terminating":false},"nodeName":"node-0","targetRef":{"kind":"Pod",)"
    R"("namespace":"default","name":"service-0-0","uid":"00000000-0000-4000-8000-000000000000"},)"
    R"("zone":"zone-a"}],"ports":[{"name":"http","port":8080,"protocol":"TCP"}]})"
    R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"service-6d4b75cb6d-x7k2p","namespace":)"
    R"("default","uid":"00000000-0000-4000-8000-000000000000","resourceVersion":"1000000",)"
    R"("creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"service","version":"v1",)"
    R"("pod-template-hash":"6d4b75cb6d"}},"spec":{"nodeName":"node-0"},"status":{"phase":)"
    R"("Running","conditions":[{"type":"Initialized","status":"True","lastProbeTime":null,)"
    R"("lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"Ready","status":"True",)"
    R"("lastProbeTime":null,"lastTransitionTime":"2026-01-01T00:00:00Z"}],"podIP":"10.1.0.1",)"
    R"("podIPs":[{"ip":"10.1.0.1"}]}})";

template <auto free>
struct Free {
  void operator()(auto* what) const { free(what); }
};
using Compressor = std::unique_ptr<ZSTD_CCtx, Free<ZSTD_freeCCtx>>;
using Decompressor = std::unique_ptr<ZSTD_DCtx, Free<ZSTD_freeDCtx>>;

void CheckDone(std::size_t result) {
  Check(ZSTD_isError(result) == 0, "what zstd has compressed can be read, given memory");
}

ZSTD_CCtx* TheCompressor() {
  static const std::unique_ptr<ZSTD_CDict, Free<ZSTD_freeCDict>> usual(
      ZSTD_createCDict(kUsual.data(), kUsual.size(), kLevel));
  thread_local const Compressor compressor = [] {
    Compressor made(ZSTD_createCCtx());
    CheckDone(ZSTD_CCtx_refCDict(made.get(), usual.get()));
    return made;
  }();
  return compressor.get();
}

}  // namespace

std::vector<char> DocumentText::Compress(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  std::vector<char> room(ZSTD_compressBound(text.size()));
  const std::size_t size =
      ZSTD_compress2(TheCompressor(), room.data(), room.size(), text.data(), text.size());
  CheckDone(size);
  return {room.data(), room.data() + size};
}

std::string DocumentText::str() const {
  if (compressed_.empty()) {
    return {};
  }
  static const std::unique_ptr<ZSTD_DDict, Free<ZSTD_freeDDict>> usual(
      ZSTD_createDDict(kUsual.data(), kUsual.size()));
  thread_local const Decompressor decompressor(ZSTD_createDCtx());
  std::string text(ZSTD_getFrameContentSize(compressed_.data(), compressed_.size()), '\0');
  CheckDone(ZSTD_decompress_usingDDict(decompressor.get(), text.data(), text.size(),
                                       compressed_.data(), compressed_.size(), usual.get()));
  return text;
}

}  // namespace vsplit
