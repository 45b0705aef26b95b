// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "call.h"
#include "selector.h"
#include "vsplit/address.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

Object PodNamed(const std::string& name, Labels labels) {
  return {.key = {.kind = Kind::kPod, .ns = "default", .name = name},
          .labels = std::move(labels),
          .spec = Pod{.node_name = "n1", .phase = "Running"}};
}

// Whether the pod is selected by what a query says; "?" for a refusal.
std::string Selects(const std::string& query, const Labels& labels) {
  const Request request{.method = "GET", .target = "/api/v1/pods?" + query};
  const Backend backend;
  const Outcome<Call> call = TakeApart(request, backend);
  const Outcome<Selector> selector = ParseSelector(*call, InfoOf(Kind::kPod));
  return !selector ? "?" : selector->Matches(PodNamed("p", labels)) ? "yes" : "no";
}

std::string ByLabels(const std::string& selector, const Labels& labels) {
  return Selects("labelSelector=" + selector, labels);
}

TEST(Selector, Labels) {
  const Labels labels{{"app", "web"}, {"tier", "2"}, {"a.b/c", ""}};
  for (const char* selector :
       {"", "app=web", "app==web", "app+in+(web,db)", "app%20in%20(%20db%20,%20web)", "app",
        "!none", "app!=db", "none!=x", "none+notin+(x,y)", "tier>1", "tier<3", "app=web,tier=2",
        "a.b/c=", "a.b/c", "app+notin+(db)", "app+=+web"}) {
    EXPECT_EQ(ByLabels(selector, labels), "yes") << selector;
  }
  for (const char* selector : {"app=db", "!app", "app!=web", "none", "none=x", "app+in+(db)",
                               "app+notin+(web)", "tier>2", "tier<2", "app>1", "app=web,tier=3"}) {
    EXPECT_EQ(ByLabels(selector, labels), "no") << selector;
  }
  for (const char* selector : {"=x", "app=web,", ",app", "app+in+web", "app+in+(web", "app+like+x",
                               "!app=web", "tier>x", "app=a=b", "app+web", "(app)"}) {
    EXPECT_EQ(ByLabels(selector, labels), "?") << selector;
  }
}

TEST(Selector, Fields) {
  for (const char* selector : {"metadata.name=p", "metadata.name==p,metadata.namespace=default",
                               "metadata.name!=q", "spec.nodeName=n1", "status.phase!=Failed"}) {
    EXPECT_EQ(Selects(std::string("fieldSelector=") + selector, {}), "yes") << selector;
  }
  for (const char* selector : {"metadata.name=q", "metadata.name!=p", "spec.nodeName=n2",
                               "metadata.name=p,metadata.namespace=other"}) {
    EXPECT_EQ(Selects(std::string("fieldSelector=") + selector, {}), "no") << selector;
  }
  for (const char* selector : {"metadata.name", "spec.x=y", "metadata.labels=x"}) {
    EXPECT_EQ(Selects(std::string("fieldSelector=") + selector, {}), "?") << selector;
  }
}

TEST(Selector, FieldsOfServices) {
  const auto selects = [](const std::string& selector, Service service) {
    const Request request{.method = "GET", .target = "/api/v1/services?fieldSelector=" + selector};
    const Backend backend;
    const Outcome<Call> call = TakeApart(request, backend);
    const Outcome<Selector> parsed = ParseSelector(*call, InfoOf(Kind::kService));
    return parsed && parsed->Matches({.key = {.kind = Kind::kService, .ns = "default", .name = "s"},
                                      .spec = std::move(service)});
  };
  EXPECT_TRUE(selects("spec.type=ClusterIP", {}));  // which is what it is when nothing is said
  EXPECT_FALSE(selects("spec.type=NodePort", {}));
  EXPECT_TRUE(selects("spec.type=NodePort", {.type = "NodePort"}));
  EXPECT_TRUE(selects("spec.clusterIP=None", {.headless = true}));
  EXPECT_FALSE(selects("spec.clusterIP=None", {}));
  EXPECT_TRUE(selects("spec.clusterIP=10.96.0.7", {.cluster_ips = {*ParseIpAddress("10.96.0.7")}}));
}

TEST(Selector, SaysWhatIsNotSupported) {
  const Request request{.method = "GET",
                        .target = "/api/v1/services?fieldSelector=spec.nodeName%3Dx"};
  const Backend backend;
  const Outcome<Call> call = TakeApart(request, backend);
  const Outcome<Selector> selector = ParseSelector(*call, InfoOf(Kind::kService));
  ASSERT_FALSE(selector);
  EXPECT_EQ(selector.error().code, 400U);
  EXPECT_EQ(selector.error().message, "field label not supported: spec.nodeName");
}

}  // namespace
}  // namespace vsplit
