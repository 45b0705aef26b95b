// SPDX-License-Identifier: Apache-2.0
// An API server of the test's own, and what is made of its answers.
#include "vsplit/kubernetes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kubernetes_server.h"
#include "temp_folder.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAreArray;

constexpr seconds kLong{30};  // for what has to come; a test that works takes milliseconds
const Collection kServices{.kind = Kind::kService};
const Collection kRules{.kind = Kind::kVirtualService};

std::string ServiceJson(const std::string& name, int version, const std::string& ip = "10.0.0.1") {
  return R"({"metadata":{"name":")" + name + R"(","namespace":"default","uid":"u-)" + name +
         R"(","resourceVersion":")" + std::to_string(version) +
         R"(","managedFields":[{"manager":"kubectl"}],"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"x"}},)"
         R"("spec":{"clusterIP":")" +
         ip +
         R"(","ports":[{"port":80}],"aFieldOfTomorrow":{"a":1}},"status":{"loadBalancer":{}}})";
}

std::string RuleJson(const std::string& name, int version, const std::string& weight) {
  return R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":")" +
         name + R"(","namespace":"default","resourceVersion":")" + std::to_string(version) +
         R"("},"spec":{"hosts":["a"],"http":[{"route":[{"destination":{"host":"a"},"weight":)" +
         weight + "}]}]}}";
}

std::string List(const std::vector<std::string>& items, int version, const std::string& next = "") {
  std::string text = R"({"kind":"List","metadata":{"resourceVersion":")" + std::to_string(version) +
                     R"(","continue":")" + next + R"("},"items":)";
  if (items.empty()) {
    return text + "null}";
  }
  char before = '[';
  for (const std::string& item : items) {
    text += before + item;
    before = ',';
  }
  return text + "]}";
}

std::string StatusJson(unsigned code, const std::string& message) {
  return R"({"kind":"Status","apiVersion":"v1","status":"Failure","message":")" + message +
         R"(","code":)" + std::to_string(code) + "}";
}

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

class KubernetesTest : public testing::Test {
 protected:
  KubernetesTest() {
    options.server = {.tls = false, .host = "127.0.0.1", .port = server.port()};
    options.min_retry = milliseconds(10);
    options.max_retry = milliseconds(40);
  }

  void Start(const std::set<Collection>& collections) {
    Result<Kubernetes> started = Kubernetes::Start(loop, options, [this] { ++told; });
    ASSERT_TRUE(started) << started.error().message;
    source.emplace(*std::move(started));
    source->Want(collections);
  }

  void Until(const std::function<bool()>& holds) {
    const auto end = std::chrono::steady_clock::now() + kLong;
    while (!holds()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << Told();
      loop.run_one_for(milliseconds(20));
    }
  }

  std::string Told() const {
    std::string text;
    if (source) {
      for (const auto& [collection, status] : source->status()) {
        text += ToString(collection) + ": " + status.trouble + "\n";
      }
    }
    for (const std::string& target : server.asked) {
      text += target + "\n";
    }
    return text;
  }

  // What Take gives: names, with "-" in front of those that are gone.
  std::vector<std::string> Taken() {
    const ClusterChange change = source->Take();
    std::vector<std::string> names;
    for (const Object& object : change.objects) {
      names.push_back(object.key.name);
    }
    for (const ObjectKey& key : change.gone) {
      names.push_back("-" + key.name);
    }
    return names;
  }

  void UntilTaken(std::vector<std::string> wanted) {
    std::vector<std::string> all;
    Until([&] {
      for (std::string& name : Taken()) {
        all.push_back(std::move(name));
      }
      return all.size() >= wanted.size();
    });
    EXPECT_THAT(all, UnorderedElementsAreArray(wanted));
  }

  int Asked(const std::string& part) const {
    int count = 0;
    for (const std::string& target : server.asked) {
      count += Contains(target, part) ? 1 : 0;
    }
    return count;
  }

  // A test says here what the server answers.
  std::function<KubernetesAnswer(const std::string&)> answer = [](const std::string&) {
    return KubernetesAnswer{.watch = true};
  };
  boost::asio::io_context loop;
  KubernetesServer server{
      loop, [this](const KubernetesServer::Client& client) { return answer(client.target); }};
  KubernetesOptions options;
  std::optional<Kubernetes> source;
  int told = 0;
};

TEST_F(KubernetesTest, AStreamedListIsOnePictureAndThenAWatch) {
  answer = [](const std::string&) {
    return KubernetesAnswer{.body = EventLine("ADDED", ServiceJson("a", 5)), .watch = true};
  };
  Start({kServices});
  Until([&] { return Asked("sendInitialEvents=true") == 1; });
  loop.poll();
  EXPECT_FALSE(source->complete());
  EXPECT_THAT(Taken(), IsEmpty());  // half a picture is none

  EXPECT_TRUE(server.Send("services", EventLine("ADDED", ServiceJson("b", 6)) + Bookmark(7, true)));
  Until([&] { return source->complete(); });
  EXPECT_THAT(Taken(), ElementsAre("a", "b"));
  EXPECT_TRUE(source->Has({.kind = Kind::kService, .ns = "default", .name = "b"}));

  server.Send("services", EventLine("DELETED", ServiceJson("a", 8)) +
                              EventLine("MODIFIED", ServiceJson("b", 9, "10.0.0.9")));
  UntilTaken({"b", "-a"});
  EXPECT_EQ(server.asked.size(), 1u);
  EXPECT_GT(told, 0);
}

TEST_F(KubernetesTest, AnEmptyListIsWorthTelling) {
  Start({kServices});
  Until([&] { return Asked("services") == 1; });
  loop.poll();
  EXPECT_EQ(told, 0);
  server.Send("services", Bookmark(7, true));
  Until([&] { return told > 0; });
  EXPECT_TRUE(source->complete());
}

TEST_F(KubernetesTest, ObjectsAreTrimmedToWhatIsRead) {
  answer = [](const std::string&) {
    return KubernetesAnswer{.body = EventLine("ADDED", ServiceJson("a", 5)) + Bookmark(5, true),
                            .watch = true};
  };
  Start({kServices});
  Until([&] { return source->complete(); });
  const ClusterChange change = source->Take();
  ASSERT_EQ(change.objects.size(), 1u);
  const Object& object = change.objects.front();
  EXPECT_EQ(object.api_version, "v1");
  EXPECT_EQ(object.spec.Get<Service>().ports.front().port, 80);
  for (const char* part : {"managedFields", "last-applied", "aFieldOfTomorrow", "loadBalancer"}) {
    EXPECT_FALSE(Contains(object.json.str(), part)) << object.json.str();
  }
  EXPECT_THAT(object.json.str(), HasSubstr("u-a"));
}

TEST_F(KubernetesTest, ALineMayComeInPieces) {
  Start({kServices});
  Until([&] { return Asked("services") == 1; });
  const std::string text = EventLine("ADDED", ServiceJson("a", 5)) + Bookmark(5, true);
  for (const char c : text) {
    ASSERT_TRUE(server.Send("services", std::string(1, c)));
  }
  Until([&] { return source->complete(); });
  EXPECT_THAT(Taken(), ElementsAre("a"));
}

TEST_F(KubernetesTest, AServerThatStreamsNoListsIsAskedForPages) {
  options.page = 1;
  answer = [](const std::string& target) -> KubernetesAnswer {
    if (Contains(target, "sendInitialEvents")) {
      return {.status = 422, .body = StatusJson(422, "forbidden for watch")};
    }
    if (Contains(target, "watch=true")) {
      return {.watch = true};
    }
    if (Contains(target, "continue=next%2F1")) {
      return {.body = List({ServiceJson("b", 6)}, 7)};
    }
    return {.body = List({ServiceJson("a", 5)}, 7, "next/1")};
  };
  Start({kServices});
  Until([&] { return Asked("resourceVersion=7") == 1; });
  EXPECT_THAT(Taken(), ElementsAre("a", "b"));
  EXPECT_EQ(Asked("limit=1"), 2);
}

TEST_F(KubernetesTest, AnErrorEventInAStreamedListMeansPagesToo) {
  answer = [](const std::string& target) -> KubernetesAnswer {
    if (Contains(target, "sendInitialEvents")) {
      return {.body = EventLine("ERROR", StatusJson(500, "RequestWatchProgress is disabled")),
              .watch = true};
    }
    return Contains(target, "watch=true") ? KubernetesAnswer{.watch = true}
                                          : KubernetesAnswer{.body = List({}, 3)};
  };
  Start({kServices});
  Until([&] { return source->complete(); });
  EXPECT_THAT(Taken(), IsEmpty());
}

TEST_F(KubernetesTest, AWatchThatEndsGoesOnFromTheNewestVersion) {
  answer = [](const std::string& target) -> KubernetesAnswer {
    return {.body = Contains(target, "sendInitialEvents") ? Bookmark(5, true) : "", .watch = true};
  };
  Start({kServices});
  Until([&] { return source->complete(); });
  server.Send("services", Bookmark(11, false));
  server.EndWatches(true);
  Until([&] { return Asked("resourceVersion=11") == 1; });
  EXPECT_EQ(source->status().at(kServices).lists, 1u);
}

TEST_F(KubernetesTest, ABrokenConnectionLosesNothing) {
  answer = [](const std::string& target) -> KubernetesAnswer {
    return {.body = Contains(target, "sendInitialEvents")
                        ? EventLine("ADDED", ServiceJson("a", 5)) + Bookmark(5, true)
                        : "",
            .watch = true};
  };
  Start({kServices});
  UntilTaken({"a"});
  server.Send("services", R"({"type":"MODI)");
  server.EndWatches(false);
  Until([&] { return Asked("resourceVersion=5") == 1; });
  server.Send("resourceVersion=5", EventLine("MODIFIED", ServiceJson("a", 6, "10.0.0.6")));
  UntilTaken({"a"});
  EXPECT_TRUE(source->complete());
}

TEST_F(KubernetesTest, AWatchThatIsAnsweredIsWellBeforeAnythingComes) {
  answer = [](const std::string& target) {
    return KubernetesAnswer{.body = Contains(target, "sendInitialEvents") ? Bookmark(5, true) : "",
                            .watch = true};
  };
  Start({kServices});
  Until([&] { return source->complete(); });
  server.EndWatches(false);
  Until([&] { return !source->status().at(kServices).trouble.empty(); });
  Until([&] { return source->status().at(kServices).trouble.empty(); });
  EXPECT_EQ(Asked("resourceVersion=5"), 1);
}

TEST_F(KubernetesTest, AVersionThatIsTooOldListsAnewWithoutAHole) {
  int lists = 0;
  answer = [&](const std::string& target) -> KubernetesAnswer {
    if (!Contains(target, "sendInitialEvents")) {
      return {.watch = true};
    }
    return {.body = ++lists == 1 ? EventLine("ADDED", ServiceJson("a", 5)) +
                                       EventLine("ADDED", ServiceJson("b", 5)) + Bookmark(5, true)
                                 : EventLine("ADDED", ServiceJson("b", 5)),
            .watch = true};
  };
  Start({kServices});
  UntilTaken({"a", "b"});
  server.Send("services", EventLine("ERROR", StatusJson(410, "too old resource version")));
  Until([&] { return lists == 2; });
  loop.run_for(milliseconds(50));
  EXPECT_THAT(Taken(), IsEmpty());  // the new list is not complete
  EXPECT_TRUE(source->Has({.kind = Kind::kService, .ns = "default", .name = "a"}));
  server.Send("services", EventLine("ADDED", ServiceJson("c", 20)) + Bookmark(20, true));
  UntilTaken({"c", "-a"});  // and b is as it was
  EXPECT_EQ(source->status().at(kServices).lists, 2u);
  EXPECT_EQ(source->status().at(kServices).expired, 1u);
}

TEST_F(KubernetesTest, AnObjectThatIsRefusedKeepsWhatWasTakenBefore) {
  answer = [](const std::string&) {
    return KubernetesAnswer{.body = EventLine("ADDED", RuleJson("r", 5, "100")) + Bookmark(5, true),
                            .watch = true};
  };
  Start({kRules});
  UntilTaken({"r"});
  const ObjectKey key{.kind = Kind::kVirtualService, .ns = "default", .name = "r"};
  server.Send("virtualservices", EventLine("MODIFIED", RuleJson("r", 6, "-1")));
  Until([&] { return source->refused().contains(key); });
  EXPECT_THAT(Taken(), IsEmpty());
  EXPECT_EQ(source->refused().at(key).server.resource_version, "6");
  EXPECT_THAT(source->refused().at(key).diagnostics.front().path, HasSubstr("weight"));
  server.Send("virtualservices", EventLine("MODIFIED", RuleJson("r", 7, "50")));
  UntilTaken({"r"});
  EXPECT_THAT(source->refused(), IsEmpty());
}

// However it comes, in a list or alone; and what it stands among is taken.
TEST_F(KubernetesTest, AnObjectBeyondWhatIsReadIsRefusedAndNoOther) {
  constexpr int kDeep = 100'000;
  const std::string brackets = std::string(kDeep, '[') + std::string(kDeep, ']');
  const std::string deep = ServiceJson("deep", 5, R"(1","selector":)" + brackets + R"(,"y":")");
  std::string fields;
  for (int i = 0; i < 4'097; ++i) {
    fields += "\"k" + std::to_string(i) + "\":\"\",";
  }
  const std::string wide =
      ServiceJson("wide", 5, R"(1","selector":{)" + fields + R"("z":""},"y":")");
  answer = [&](const std::string& target) -> KubernetesAnswer {
    if (Contains(target, "sendInitialEvents")) {
      return {.status = 422, .body = StatusJson(422, "sendInitialEvents is forbidden")};
    }
    if (Contains(target, "watch")) {
      return {.watch = true};
    }
    return {.body = List({ServiceJson("a", 5), deep, wide, ServiceJson("b", 5)}, 5)};
  };
  Start({kServices});
  UntilTaken({"a", "b"});
  const auto why = [this](const std::string& name) {
    const auto found =
        source->refused().find({.kind = Kind::kService, .ns = "default", .name = name});
    return found == source->refused().end() ? "" : found->second.diagnostics.front().message;
  };
  EXPECT_EQ(source->refused().size(), 2U);
  EXPECT_THAT(why("deep"), HasSubstr("nested deeper than 64 levels"));
  EXPECT_THAT(why("wide"), HasSubstr("more than 4096 fields in one map"));
  Until([&] { return Asked("resourceVersion=5") == 1; });
  server.Send("resourceVersion=5", EventLine("MODIFIED", ServiceJson("deep", 6)));
  UntilTaken({"deep"});
  std::string again = deep;
  again.replace(again.find(R"(Version":"5")"), 12, R"(Version":"7")");
  server.Send("resourceVersion=5", EventLine("MODIFIED", again));
  Until([&] { return !why("deep").empty(); });
  EXPECT_THAT(Taken(), IsEmpty());
}

TEST_F(KubernetesTest, AKindThatTheServerDoesNotKnowIsAbsentAndWaitedFor) {
  bool installed = false;
  answer = [&](const std::string&) -> KubernetesAnswer {
    if (installed) {
      return {.body = EventLine("ADDED", RuleJson("r", 5, "100")) + Bookmark(5, true),
              .watch = true};
    }
    return {.status = 404, .body = "404 page not found\n"};
  };
  Start({kRules});
  Until([&] { return source->complete(); });
  EXPECT_TRUE(source->status().at(kRules).absent);
  EXPECT_GT(Asked("virtualservices"), 1);  // one answer might be a server that is starting
  installed = true;
  UntilTaken({"r"});
  Until([&] { return !source->status().at(kRules).absent; });
}

TEST_F(KubernetesTest, AServerThatKnowsNoServicesIsInTrouble) {
  answer = [](const std::string&) {
    return KubernetesAnswer{.status = 404, .body = "404 page not found\n"};
  };
  Start({kServices});
  Until([&] { return source->status().at(kServices).failures > 6; });
  EXPECT_FALSE(source->complete());
  EXPECT_FALSE(source->status().at(kServices).absent);
}

TEST_F(KubernetesTest, TheTokenIsReadAgainForEachRequest) {
  const TempFolder folder;
  const std::string path = folder.file("token");
  std::ofstream(path) << "first\n";
  options.server.token_file = path;
  answer = [&](const std::string&) -> KubernetesAnswer {
    if (server.authorizations.back() == "Bearer second") {
      return {.body = Bookmark(5, true), .watch = true};
    }
    std::ofstream(path) << "second\n";
    return {.status = 401, .body = StatusJson(401, "Unauthorized")};
  };
  Start({kServices});
  Until([&] { return source->complete(); });
  EXPECT_THAT(server.authorizations, ElementsAre("Bearer first", "Bearer second"));
}

TEST_F(KubernetesTest, TroubleIsSaidAndDoesNotShowTheToken) {
  options.server.token = "secret";
  answer = [](const std::string&) {
    return KubernetesAnswer{.status = 403, .body = StatusJson(403, "services is forbidden")};
  };
  Start({kServices});
  Until([&] { return source->status().at(kServices).failures > 1; });
  EXPECT_THAT(source->status().at(kServices).trouble, HasSubstr("services is forbidden"));
  EXPECT_FALSE(Contains(source->status().at(kServices).trouble, "secret"));
  EXPECT_FALSE(source->complete());
}

TEST_F(KubernetesTest, AWatchThatIsSilentBeginsAnewAndIsNoTrouble) {
  options.silence = milliseconds(50);
  answer = [](const std::string& target) -> KubernetesAnswer {
    return {.body = Contains(target, "sendInitialEvents") ? Bookmark(5, true) : "", .watch = true};
  };
  Start({kServices});
  Until([&] { return Asked("resourceVersion=5") > 2; });
  EXPECT_TRUE(source->complete());
  EXPECT_EQ(source->status().at(kServices).failures, 0U);
  EXPECT_EQ(source->status().at(kServices).trouble, "");
}

TEST_F(KubernetesTest, AListThatIsSilentIsTrouble) {
  options.silence = milliseconds(50);
  answer = [](const std::string&) { return KubernetesAnswer{.body = "", .watch = true}; };
  Start({kServices});
  Until([&] { return source->status().at(kServices).failures > 0; });
  EXPECT_EQ(source->status().at(kServices).trouble, "nothing has come for 0 s");
  EXPECT_FALSE(source->complete());
}

TEST_F(KubernetesTest, AnEventWithoutAnEndIsRefused) {
  options.max_event_bytes = 1000;
  answer = [](const std::string&) {
    return KubernetesAnswer{.body = std::string(5000, 'x'), .watch = true};
  };
  Start({kServices});
  Until([&] { return source->status().at(kServices).failures > 0; });
  EXPECT_THAT(source->status().at(kServices).trouble, HasSubstr("more than 1000 bytes"));
}

TEST_F(KubernetesTest, AnObjectInTwoCollectionsGoesWithTheLast) {
  const Collection own{.kind = Kind::kPod, .field_selector = "spec.nodeName=n1"};
  const Collection in_default{.kind = Kind::kPod, .ns = "default"};
  answer = [](const std::string&) {
    return KubernetesAnswer{
        .body = EventLine("ADDED",
                          R"({"metadata":{"name":"p","namespace":"default","resourceVersion":"5"},)"
                          R"("spec":{"nodeName":"n1","containers":[{"name":"c"}]}})") +
                Bookmark(5, true),
        .watch = true};
  };
  Start({own, in_default});
  Until([&] { return source->complete(); });
  EXPECT_EQ(Asked("fieldSelector=spec.nodeName%3Dn1"), 1);
  EXPECT_THAT(Taken(), ElementsAre("p"));
  source->Want({own});
  EXPECT_THAT(Taken(), IsEmpty());
  source->Want({});
  EXPECT_THAT(Taken(), ElementsAre("-p"));
}

// ---- how to reach it ---------------------------------------------------------------------------

class KubeconfigTest : public testing::Test {
 protected:
  Result<ApiServer> Read(const std::string& text) {
    const TempFolder folder;
    const std::string path = folder.file("kubeconfig");
    std::ofstream(path) << text;
    return KubeconfigServer(path);
  }

  static std::string With(const std::string& cluster, const std::string& user) {
    return "current-context: c\n"
           "contexts: [{name: other, context: {cluster: x, user: x}}, "
           "{name: c, context: {cluster: k, user: u}}]\n"
           "clusters: [{name: k, cluster: {" +
           cluster + "}}]\nusers: [{name: u, user: {" + user + "}}]\n";
  }
};

TEST_F(KubeconfigTest, TheCurrentContextCounts) {
  const Result<ApiServer> server = Read(With(
      "server: 'https://[::1]:6443', certificate-authority-data: SGVsbG8=, tls-server-name: k8s",
      "token: abc, client-certificate-data: 'AAEC', client-key-data: QQ=="));
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(*server, (ApiServer{.host = "::1",
                                .port = "6443",
                                .ca = "Hello",
                                .server_name = "k8s",
                                .token = "abc",
                                .certificate = std::string("\0\1\2", 3),
                                .key = "A"}));
}

TEST_F(KubeconfigTest, APortMayBeLeftOut) {
  const Result<ApiServer> server = Read(With("server: https://api.example.com/", ""));
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(server->host, "api.example.com");
  EXPECT_EQ(server->port, "443");
}

TEST_F(KubeconfigTest, WhatIsNotSupportedIsRefusedByName) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {With("server: https://a, insecure-skip-tls-verify: true", ""), "insecure-skip-tls-verify"},
      {With("server: https://a, proxy-url: http://p", ""), "proxy-url"},
      {With("server: https://a", "exec: {command: aws}"), "exec"},
      {With("server: 'unix:///run/x.sock'", ""), "https://"},
      {With("server: 'http://127.0.0.1:8001'", "token: secret"), "no token is sent"},
      {With("server: 'https://a:b'", ""), "https://HOST[:PORT]"},
      {With("server: 'https://[::1]x443'", ""), "https://HOST[:PORT]"},
      {With("server: 'https://::1:443'", ""), "https://HOST[:PORT]"},
      {With("server: 'https://a b'", ""), "https://HOST[:PORT]"},
      {With("server: 'https://a:0'", ""), "https://HOST[:PORT]"},
      {With("server: 'https://a:65536'", ""), "https://HOST[:PORT]"},
      {With("server: https://a, certificate-authority-data: '*'", ""), "base64"},
      {With("server: https://a, certificate-authority-data: SGVs-bG8=", ""), "base64"},
      {With("server: https://a, certificate-authority: none.pem", ""), "none.pem"},
      {With("server: https://a, certificate-authority: /dev/null", ""), "/dev/null is empty"},
      {With("server: https://a, certificate-authority-data: ' '", ""), "-data is empty"},
      {"current-context: x", "names no cluster"},
      {"[]", "no kubeconfig"},
      {"a: [", "not YAML"},
  };
  for (const auto& [text, word] : cases) {
    const Result<ApiServer> server = Read(text);
    ASSERT_FALSE(server) << text;
    EXPECT_THAT(server.error().message, HasSubstr(word));
  }
}

TEST(InClusterTest, SaysThatItIsNoPod) {
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  EXPECT_FALSE(InClusterServer());
}

TEST(InClusterTest, ReadsTheServiceAccount) {
  const TempFolder folder;
  std::ofstream(folder.file("ca.crt")) << "CA";
  ::setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
  ::setenv("KUBERNETES_SERVICE_PORT", "443", 1);
  const Result<ApiServer> server = InClusterServer(folder.path());
  ::unsetenv("KUBERNETES_SERVICE_HOST");
  ::unsetenv("KUBERNETES_SERVICE_PORT");
  ASSERT_TRUE(server) << server.error().message;
  EXPECT_EQ(*server,
            (ApiServer{
                .host = "fd00::1", .port = "443", .ca = "CA", .token_file = folder.file("token")}));
}

// ---- requests ----------------------------------------------------------------------------------

class ApiClientTest : public KubernetesTest {
 protected:
  ApiAnswer Ask(const ApiRequest& request) {
    if (!client) {
      client.emplace(loop, options);
    }
    std::optional<ApiAnswer> got;
    client->Send(request, [&](ApiAnswer the_answer) { got = std::move(the_answer); });
    EXPECT_FALSE(got);
    Until([&] { return got.has_value(); });
    EXPECT_FALSE(client->busy());
    return got.value_or(ApiAnswer{});
  }

  std::optional<ApiClient> client;
};

TEST_F(ApiClientTest, AnswersComeOneAfterTheOther) {
  answer = [](const std::string& target) {
    return KubernetesAnswer{.status = Contains(target, "b") ? 404U : 200U,
                            .body = R"({"message":"of )" + target + "\"}",
                            .headers = "Retry-After: 7\r\n"};
  };
  const ApiAnswer a = Ask({.target = "/a"});
  EXPECT_EQ(a.status, 200U);
  EXPECT_EQ(a.body, R"({"message":"of /a"})");
  EXPECT_EQ(a.Trouble(), "");
  const ApiAnswer b = Ask({.method = "DELETE", .target = "/b"});
  EXPECT_EQ(b.Trouble(), "HTTP status 404: of /b");
  EXPECT_EQ(b.retry_after, seconds(7));
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ApiClientTest, AnswerThatDoesNotEndIsGivenUp) {
  options.silence = milliseconds(20);
  answer = [](const std::string&) { return KubernetesAnswer{.body = "{", .watch = true}; };
  const ApiAnswer got = Ask({.target = "/a"});
  EXPECT_EQ(got.status, 0U);
  EXPECT_THAT(got.Trouble(), HasSubstr("nothing has come for"));
  answer = [](const std::string&) { return KubernetesAnswer{.body = "{}"}; };
  EXPECT_EQ(Ask({.target = "/a"}).status, 200U);
}

TEST_F(ApiClientTest, WithoutATokenNothingIsSent) {
  options.server.token_file = "/nonexistent/token";
  EXPECT_EQ(Ask({.target = "/a"}).Trouble(), "there is no token in /nonexistent/token");
  EXPECT_THAT(server.asked, IsEmpty());
}

}  // namespace
}  // namespace vsplit
