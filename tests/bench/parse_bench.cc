// SPDX-License-Identifier: Apache-2.0
// What reading costs: N services (default 10 000), each a Service, an EndpointSlice with ten
// endpoints, a DestinationRule with two subsets and a VirtualService, as YAML documents and as a
// stream of JSON values. Seconds are of processor time, so that a busy machine does not matter.
#include <fmt/format.h>
#include <sys/resource.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>

#include "vsplit/parse.h"
#include "vsplit/result.h"

namespace {

constexpr int kEndpoints = 10;

std::string SliceOf(int service) {
  std::string text = fmt::format(R"(apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: service-{0}-1
  namespace: default
  labels:
    kubernetes.io/service-name: service-{0}
addressType: IPv4
ports:
- name: http
  port: 8080
  protocol: TCP
endpoints:
)",
                                 service);
  for (int endpoint = 0; endpoint < kEndpoints; ++endpoint) {
    text += fmt::format(R"(- addresses:
  - 10.{2}.{3}.{1}
  conditions:
    ready: true
    serving: true
    terminating: false
  nodeName: node-{1}
  targetRef:
    kind: Pod
    name: service-{0}-{1}
    namespace: default
)",
                        service, endpoint, 1 + service / 256, service % 256);
  }
  return text;
}

std::string ServiceOf(int service) {
  return fmt::format(R"(apiVersion: v1
kind: Service
metadata:
  name: service-{0}
  namespace: default
spec:
  clusterIP: 172.16.{1}.{2}
  selector:
    app: service-{0}
  ports:
  - name: http
    port: 80
    protocol: TCP
    targetPort: 8080
)",
                     service, service / 256, service % 256);
}

std::string DestinationRuleOf(int service) {
  return fmt::format(R"(apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: service-{0}
  namespace: default
spec:
  host: service-{0}.default.svc.cluster.local
  subsets:
  - name: safe
    labels:
      version: safe
  - name: risky
    labels:
      version: risky
)",
                     service);
}

std::string VirtualServiceOf(int service) {
  return fmt::format(R"(apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: service-{0}
  namespace: default
spec:
  hosts:
  - service-{0}.default.svc.cluster.local
  http:
  - route:
    - destination:
        host: service-{0}.default.svc.cluster.local
        subset: safe
      weight: 90
    - destination:
        host: service-{0}.default.svc.cluster.local
        subset: risky
      weight: 10
)",
                     service);
}

std::string AllOf(int services) {
  std::string text;
  for (int service = 0; service < services; ++service) {
    text += "---\n" + ServiceOf(service) + "---\n" + SliceOf(service) + "---\n" +
            DestinationRuleOf(service) + "---\n" + VirtualServiceOf(service);
  }
  return text;
}

std::size_t PeakBytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::size_t>(usage.ru_maxrss) * 1024;
}

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  constexpr double kNanosecond = 1e-9;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

// Reads the text and says how long that took. The peak only ever grows: it counts the text too.
vsplit::ParseResult Measure(std::string_view name, const std::string& text) {
  const double start = ProcessorSeconds();
  vsplit::ParseResult result = vsplit::Parse(text);
  const double seconds = ProcessorSeconds() - start;
  constexpr double kMegabyte = 1e6;
  fmt::print(
      "{}: {} objects, {:.1f} MB in {:.3f} s = {:.0f} MB/s, {:.0f} objects/s, peak {:.0f} MB\n",
      name, result.objects.size(), static_cast<double>(text.size()) / kMegabyte, seconds,
      static_cast<double>(text.size()) / kMegabyte / seconds,
      static_cast<double>(result.objects.size()) / seconds,
      static_cast<double>(PeakBytes()) / kMegabyte);
  for (const vsplit::Diagnostic& diagnostic : result.diagnostics) {
    fmt::print("{}\n", ToString(diagnostic));
  }
  return result;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kServices = 10'000;
  const int services = argc > 1 ? std::atoi(argv[1]) : kServices;
  const std::string yaml = AllOf(services);
  std::string json;
  {
    const vsplit::ParseResult result = Measure("YAML", yaml);
    for (const vsplit::Object& object : result.objects) {
      json += object.json;
      json += '\n';
    }
  }
  Measure("JSON", json);
  return 0;
}
