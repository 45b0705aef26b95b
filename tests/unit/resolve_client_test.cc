// SPDX-License-Identifier: Apache-2.0
// Who connects, and what an answer depended on of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "resolve_text.h"
#include "vsplit/objects.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::Pair;

constexpr std::string_view kNode =
    "{kind: Node, apiVersion: v1, metadata: {name: n1, labels: {topology.kubernetes.io/region: eu, "
    "topology.kubernetes.io/zone: eu-a, topology.istio.io/subzone: r1}}}";

Object PodWith(const std::string& labels) {
  return ObjectsOf("{kind: Pod, apiVersion: v1, metadata: {name: p, namespace: shop, labels: {" +
                   labels + "}}, spec: {nodeName: n1}}")
      .at(0);
}

TEST(Resolve, PodHasTheLabelsOfThePlaceWhereItRuns) {
  const Object node = ObjectsOf(kNode).at(0);
  const Client client = ClientOf(PodWith("app: web"), &node);
  EXPECT_EQ(client.ns, "shop");
  EXPECT_EQ(client.node, "n1");
  EXPECT_EQ(client.locality, (Locality{"eu", "eu-a", "r1"}));
  EXPECT_THAT(client.labels, ElementsAre(Pair("app", "web"), Pair("kubernetes.io/hostname", "n1"),
                                         Pair("topology.istio.io/cluster", "Kubernetes"),
                                         Pair("topology.istio.io/subzone", "r1"),
                                         Pair("topology.kubernetes.io/region", "eu"),
                                         Pair("topology.kubernetes.io/zone", "eu-a")));
}

TEST(Resolve, PodsOwnLocalityLabelGoesBeforeItsNode) {
  const Object node = ObjectsOf(kNode).at(0);
  EXPECT_EQ(ClientOf(PodWith("istio-locality: us.us-b"), &node).locality,
            (Locality{"us", "us-b", ""}));
  EXPECT_EQ(ClientOf(PodWith("app: web"), nullptr).locality, Locality{});
}

TEST(Resolve, AnswerHoldsForClientsThatAnswerAllQuestionsAlike) {
  const Client shop{.ns = "shop", .labels = {{"app", "web"}}, .node = "n1"};
  const Client other{.ns = "other", .labels = {{"app", "web"}}, .node = "n1"};
  EXPECT_TRUE(Asked{.node = "n1"}.HoldsFor(shop));
  EXPECT_FALSE(Asked{.node = "n2"}.HoldsFor(shop));
  const Asked in_shop{.namespaces = {{"shop", true}, {"x", false}}};
  EXPECT_TRUE(in_shop.HoldsFor(shop));
  EXPECT_FALSE(in_shop.HoldsFor(other));
  EXPECT_TRUE((Asked{.selectors = {{{{"app", "web"}}, true}}}).HoldsFor(other));
  EXPECT_FALSE((Asked{.selectors = {{{{"app", "web"}}, false}}}).HoldsFor(other));
  EXPECT_FALSE((Asked{.labels = {{"app", std::nullopt}}}).HoldsFor(shop));
  EXPECT_TRUE((Asked{.labels = {{"app", "web"}, {"x", std::nullopt}}}).HoldsFor(shop));
}

TEST(Resolve, WhereAClientRunsDoesNotTellPodsApart) {
  EXPECT_FALSE((Asked{.node = "n1", .locality = Locality{}}).tells_pods_apart());
  EXPECT_TRUE((Asked{.namespaces = {{"shop", false}}}).tells_pods_apart());
}

}  // namespace
}  // namespace vsplit
