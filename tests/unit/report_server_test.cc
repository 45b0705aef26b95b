// SPDX-License-Identifier: Apache-2.0
// Reports as a server gets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kubernetes_server.h"
#include "vsplit/json.h"
#include "vsplit/kubernetes.h"
#include "vsplit/objects.h"
#include "vsplit/report.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr seconds kLong{30};  // for what has to come; a test that works takes milliseconds

constexpr const char* kLeasePath =
    "/apis/coordination.k8s.io/v1/namespaces/vsplit-system/leases/vsplit-status";
const ObjectKey kRule = {.kind = Kind::kVirtualService, .ns = "default", .name = "web"};

class ReporterTest : public testing::Test {
 protected:
  ReporterTest() {
    options.kubernetes.server = {.tls = false, .host = "127.0.0.1", .port = server.port()};
    options.lease = {.identity = "a",
                     .duration = seconds(60),
                     .deadline = seconds(40),
                     .retry = milliseconds(10)};
    options.min_retry = milliseconds(10);
    options.node = "n1";
    source.rules = [] { return std::vector{kRule}; };
    source.held = [this](const ObjectKey&) { return &held; };
    source.wanted = [this](const ObjectKey&) { return wanted; };
    source.now = [] { return "2030-01-01T00:00:00.000000Z"; };
  }

  // A Lease, the status of a rule, and Events, as a server keeps them.
  KubernetesAnswer Serve(const KubernetesServer::Client& client) {
    const std::string method(client.request.method_string());
    const std::string& body = client.request.body();
    done.push_back(method + " " + client.target);
    if (forbidden) {
      return {.status = 403, .body = R"({"message":"no rights"})"};
    }
    if (client.target.find("/leases") != std::string::npos) {
      return ServeLease(method, body);
    }
    if (client.target.find("/events") != std::string::npos) {
      events.push_back(body);
      return {.status = 201, .body = body};
    }
    if (TextAt(Json::parse(body), "/metadata/resourceVersion") != held.resource_version) {
      return {.status = 409, .body = "{}"};
    }
    held.status = Json::parse(body)["status"].dump();
    held.resource_version = std::to_string(++version);
    return {.body = R"({"metadata":{"resourceVersion":")" + held.resource_version + "\"}}"};
  }
  KubernetesAnswer ServeLease(const std::string& method, const std::string& body) {
    if (method == "GET" && lease.is_null()) {
      return {.status = 404, .body = "{}"};
    }
    if (method != "GET") {
      const Json asked = Json::parse(body);
      if (!lease.is_null() && TextAt(asked, "/metadata/resourceVersion") !=
                                  TextAt(lease, "/metadata/resourceVersion")) {
        return {.status = 409, .body = "{}"};
      }
      lease = asked;
      lease["metadata"]["resourceVersion"] = std::to_string(++version);
    }
    return {.body = lease.dump()};
  }

  void Start() {
    reporter.emplace(loop, options, source, [this] { ++told; });
    reporter->Stand();
  }
  void Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << testing::PrintToString(done);
      loop.run_one_for(milliseconds(20));
    }
  }

  boost::asio::io_context loop;
  std::vector<std::string> done;
  Json lease;
  ServerObject held{.resource_version = "1", .version = {.generation = 1}};
  std::string wanted =
      R"({"observedGeneration":1,"conditions":[{"type":"Programmed","status":"True"}]})";
  std::vector<std::string> events;
  int version = 1;
  bool forbidden = false;
  KubernetesServer server{loop,
                          [this](const KubernetesServer::Client& client) { return Serve(client); }};
  ReportOptions options;
  ReportSource source;
  std::optional<Reporter> reporter;
  int told = 0;
};

TEST_F(ReporterTest, HolderWritesTheStatus) {
  Start();
  Until([&] { return !held.status.empty(); });
  EXPECT_EQ(held.status, wanted);
  EXPECT_TRUE(reporter->status().holds);
  EXPECT_EQ(reporter->status().holder, "a");
  wanted.replace(wanted.find("True"), 4, "False");
  Until([&] { return told > 0; });
  reporter->Touch({kRule});
  Until([&] { return held.status.str().find("False") != std::string::npos; });
}

TEST_F(ReporterTest, WhoDoesNotStandLeavesTheLeaseToOthers) {
  reporter.emplace(loop, options, source, [] {});
  reporter->Touch({kRule});
  loop.run_for(milliseconds(50));
  EXPECT_TRUE(done.empty());
  reporter->Stand();
  reporter->Stand();
  Until([&] { return !held.status.empty(); });
  EXPECT_EQ(done.front(), "GET " + std::string(kLeasePath));
  EXPECT_EQ(done.at(1).substr(0, 5), "POST ");
}

TEST_F(ReporterTest, RequestsShareAConnection) {
  Start();
  Until([&] { return done.size() > 20; });
  EXPECT_LE(server.connections, 2);  // the Lease has one of its own
}

TEST_F(ReporterTest, ConnectionThatTheServerHasClosedIsMadeAnew) {
  Start();
  Until([&] { return done.size() > 5; });
  server.close_idle = true;
  const std::size_t before = done.size();
  Until([&] { return done.size() > before + 5; });
  EXPECT_TRUE(reporter->status().troubles.empty());
  EXPECT_TRUE(reporter->status().holds);
}

TEST_F(ReporterTest, AnotherAgentWritesNothing) {
  lease = {{"metadata", {{"resourceVersion", "1"}}},
           {"spec", {{"holderIdentity", "b"}, {"leaseDurationSeconds", 60}}}};
  Start();
  Until([&] { return done.size() > 10; });
  EXPECT_FALSE(reporter->status().holds);
  EXPECT_EQ(reporter->status().holder, "b");
  EXPECT_EQ(held.status, "");
  for (const std::string& request : done) {
    EXPECT_THAT(request, testing::StartsWith("GET "));
  }
}

TEST_F(ReporterTest, LeaseIsGivenBack) {
  Start();
  Until([&] { return reporter->status().holds; });
  bool released = false;
  reporter->Release([&] { released = true; });
  Until([&] { return released; });
  EXPECT_EQ(TextAt(lease, "/spec/holderIdentity"), "");
  EXPECT_EQ(IntegerAt(lease, "/spec/leaseDurationSeconds"), 1);
}

TEST_F(ReporterTest, NothingToGiveBackIsDoneToo) {
  forbidden = true;
  Start();
  bool released = false;
  reporter->Release([&] { released = true; });
  Until([&] { return released; });
}

TEST_F(ReporterTest, EveryAgentTellsOfItsTroubles) {
  options.status = false;
  Start();
  reporter->SetTroubles({{.object = kRule, .uid = "u", .reason = "Refused", .note = "why"}});
  Until([&] { return !events.empty(); });
  EXPECT_THAT(events.front(), HasSubstr(R"("note":"why")"));
  EXPECT_THAT(done, ElementsAre(HasSubstr("/events")));
  Until([&] { return reporter->status().requests.contains({"event", "written"}); });
}

TEST_F(ReporterTest, MissingRightsAreSaidOnce) {
  forbidden = true;
  Start();
  reporter->SetTroubles({{.object = kRule, .uid = "u", .reason = "Refused", .note = "why"}});
  Until([&] { return reporter->status().troubles.size() == 2; });
  EXPECT_EQ(reporter->status().troubles,
            (std::map<std::string, std::string>{{"Events", "HTTP status 403: no rights"},
                                                {"Lease", "HTTP status 403: no rights"}}));
  Until([&] { return told > 0; });
  loop.run_for(milliseconds(50));
  EXPECT_EQ(done.size(), 2U);  // the next ones are a minute away
}

}  // namespace
}  // namespace vsplit
