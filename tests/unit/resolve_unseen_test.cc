// SPDX-License-Identifier: Apache-2.0
// What becomes of addresses of ServiceEntries that the client does not see. What is expected is
// what Istio's pilot sends for the same objects.
#include <gtest/gtest.h>

#include <string>

#include "resolve_registry_text.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

const std::string kRange =
    "hosts: [range.example.com], addresses: [10.9.0.0/16], resolution: STATIC, endpoints: "
    "[{address: 1.1.1.9}], ports: [{number: 80, name: p, protocol: ";

// hidden.example.com with this spec, exported to another namespace than the client's.
std::string Hidden(const std::string& spec) {
  return Entry("hidden",
               "hosts: [hidden.example.com], resolution: STATIC, exportTo: [other], " + spec);
}

std::string HiddenOn(const std::string& protocol, const std::string& addresses) {
  return Hidden("addresses: [" + addresses +
                "], ports: [{number: 80, name: p, protocol: " + protocol + "}]");
}

std::string LeftTo(const std::string& yaml, bool registry_only) {
  return PortsAt(yaml, "hidden.example.com", {.ns = "default"}, {.registry_only = registry_only});
}

TEST(Unseen, EntryIsLeftAloneOrRefused) {
  const std::string yaml = HiddenOn("TCP", "10.9.0.1, 10.8.0.0/16");
  EXPECT_EQ(LeftTo(yaml, false), "80 10.8.0.0/16 10.9.0.1: untouched");
  EXPECT_EQ(LeftTo(yaml, true), "80 10.8.0.0/16 10.9.0.1: broken");
  EXPECT_EQ(PortsAt(yaml, "hidden.example.com", {.ns = "other"}, {.registry_only = true}),
            "80 10.8.0.0/16 10.9.0.1: p0 []");
}

TEST(Unseen, EntryWithoutAddressesMeansAnyWhereTheBytesDoNotNameIt) {
  const std::string ports =
      "ports: [{number: 80, name: a, protocol: HTTP}, {number: 81, name: b, protocol: TCP}, "
      "{number: 82, name: c, protocol: TLS}]";
  EXPECT_EQ(LeftTo(Hidden(ports), true), "81 0.0.0.0/0: broken");
}

TEST(Unseen, RangeThatIsSeenHasTheAddressesInIt) {
  const std::string hidden = HiddenOn("TCP", "10.9.0.1, 10.8.0.1, 10.9.0.0/16");
  EXPECT_EQ(LeftTo(hidden + Entry("range", kRange + "TCP}]"), true), "80 10.8.0.1: broken");
  EXPECT_EQ(LeftTo(hidden + Entry("range", kRange + "TCP}], exportTo: [other]"), true),
            "80 10.8.0.1 10.9.0.0/16 10.9.0.1: broken");
  const std::string any =
      "hosts: [any.example.com], resolution: STATIC, ports: [{number: 80, name: p, protocol: TCP}]";
  EXPECT_EQ(LeftTo(hidden + Entry("any", any), true), "");
}

TEST(Unseen, RangeIsFoundByNameOnHttpAndTls) {
  for (const std::string protocol : {"HTTP", "TLS"}) {
    EXPECT_EQ(LeftTo(HiddenOn("TCP", "10.9.0.1") + Entry("range", kRange + protocol + "}]"), true),
              "80 10.9.0.1: broken");
  }
}

TEST(Unseen, EntryOfAnotherNamespaceIsAnotherOne) {
  const auto entry = [](const std::string& ns, const std::string& address, int port) {
    return Entry("e",
                 "hosts: [hidden.example.com], resolution: STATIC, addresses: [" + address +
                     "], ports: [{number: " + std::to_string(port) +
                     ", name: p, protocol: TCP}], endpoints: [{address: 1.1.1.1}]",
                 "namespace: " + ns);
  };
  const std::string own = entry("default", "10.9.0.1", 80);
  EXPECT_EQ(LeftTo(own + entry("other", "10.8.0.1", 80), true),
            "80 10.9.0.1: p0 [1.1.1.1:80]; 80 10.8.0.1: broken");
  EXPECT_EQ(LeftTo(own + entry("other", "10.8.0.1", 81), false),
            "80 10.9.0.1: p0 [1.1.1.1:80]; 81 10.8.0.1: untouched");
  EXPECT_EQ(LeftTo(own + entry("other", "10.9.0.1", 80), true), "80 10.9.0.1: p0 [1.1.1.1:80]");
}

TEST(Unseen, SidecarHidesEntriesToo) {
  const std::string yaml =
      Entry("hidden",
            "hosts: [hidden.example.com], resolution: STATIC, addresses: [10.9.0.1], ports: "
            "[{number: 80, name: p, protocol: TCP}]") +
      Document("Sidecar", "s", "egress: [{hosts: ['*/range.example.com']}]");
  EXPECT_EQ(LeftTo(yaml, true), "80 10.9.0.1: broken");
  EXPECT_EQ(LeftTo(yaml + Entry("range", kRange + "TCP}]"), true), "80: broken");
}

}  // namespace
}  // namespace vsplit
