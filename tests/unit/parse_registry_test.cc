// SPDX-License-Identifier: Apache-2.0
// ServiceEntry, WorkloadEntry and Sidecar: what is kept.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "parse_text.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

std::string Istio(std::string_view kind, std::string_view spec) {
  return "apiVersion: networking.istio.io/v1\nkind: " + std::string(kind) +
         "\nmetadata: {name: a}\nspec:\n" + std::string(spec);
}

TEST(Parse, ServiceEntryIsKeptWhole) {
  const auto spec = OneSpec<ServiceEntry>(Istio("ServiceEntry", R"(
  hosts: [db.example.com]
  addresses: [10.9.0.1, 10.10.0.0/16]
  ports:
  - {number: 5432, name: tcp-db, protocol: TCP, targetPort: 15432}
  - {number: 80, name: http}
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints:
  - address: 10.1.0.1
    ports: {http: 8080}
    labels: {version: v1}
    network: n1
    locality: eu/eu-a
    weight: 3
    serviceAccount: db
  exportTo: [., prod]
status:
  addresses: [{host: db.example.com, value: 240.240.0.1}]
  conditions: []
)"));
  ServiceEntry expected;
  expected.hosts = {"db.example.com"};
  expected.addresses = {"10.9.0.1", "10.10.0.0/16"};
  expected.ports = {{.number = 5432, .name = "tcp-db", .protocol = "TCP", .target_port = 15432},
                    {.number = 80, .name = "http"}};
  expected.location = "MESH_INTERNAL";
  expected.resolution = Resolution::kStatic;
  expected.endpoints = {{.address = "10.1.0.1",
                         .ports = {{"http", 8080}},
                         .labels = {{"version", "v1"}},
                         .network = "n1",
                         .locality = "eu/eu-a",
                         .service_account = "db",
                         .weight = 3}};
  expected.export_to = {".", "prod"};
  expected.allocated = {{.host = "db.example.com", .ip = *ParseIpAddress("240.240.0.1")}};
  EXPECT_EQ(spec, expected);
}

TEST(Parse, ServiceEntryMaySelectWorkloads) {
  const auto spec = OneSpec<ServiceEntry>(Istio("ServiceEntry", R"(
  hosts: [db.example.com]
  addresses: [10.9.0.1]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: DNS_ROUND_ROBIN
  workloadSelector: {labels: {app: db}}
)"));
  EXPECT_EQ(spec.workload_selector, (Labels{{"app", "db"}}));
  EXPECT_EQ(spec.resolution, Resolution::kDnsRoundRobin);
  EXPECT_EQ(spec.location, "MESH_EXTERNAL");
}

TEST(Parse, WorkloadEntryIsKeptWhole) {
  const auto spec = OneSpec<WorkloadEntry>(
      Istio("WorkloadEntry", "  {address: vm1.example.com, labels: {app: db}, weight: 2}\n"));
  EXPECT_EQ(spec,
            (WorkloadEntry{.address = "vm1.example.com", .labels = {{"app", "db"}}, .weight = 2}));
}

TEST(Parse, SidecarKeepsWhatIsVisible) {
  const auto spec = OneSpec<Sidecar>(Istio("Sidecar", R"(
  workloadSelector: {labels: {app: web}}
  egress:
  - port: {number: 9080, protocol: HTTP, name: egress}
    bind: 127.0.0.1
    hosts: [prod/*]
  - hosts: [./*, istio-system/*]
  outboundTrafficPolicy: {mode: ALLOW_ANY}
)"));
  Sidecar expected;
  expected.workload_selector = Labels{{"app", "web"}};
  expected.egress = {{.port = 9080, .bind = "127.0.0.1", .hosts = {"prod/*"}},
                     {.hosts = {"./*", "istio-system/*"}}};
  expected.outbound_traffic_policy = "ALLOW_ANY";
  EXPECT_EQ(spec, expected);
}

TEST(Parse, SidecarWithAnEmptyOutboundPolicySeesTheRegistryOnly) {
  const auto spec = OneSpec<Sidecar>(
      Istio("Sidecar", "  egress: [{hosts: ['*/*']}]\n  outboundTrafficPolicy: {}\n"));
  EXPECT_EQ(spec.outbound_traffic_policy, "REGISTRY_ONLY");
}

}  // namespace
}  // namespace vsplit
