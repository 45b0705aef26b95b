// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "api_call.h"
#include "vsplit/api.h"
#include "vsplit/objects.h"

namespace vsplit {
namespace {

class ApiEvents : public ApiWrites {
 protected:
  // An agent that enforces no VirtualService but those named "fine".
  Response Ask(const std::string& target, const std::string& method = "GET",
               const std::string& accept = "application/vnd.kubernetes.protobuf,application/json") {
    asked_.push_back(std::make_unique<Backend>(backend_.Make()));
    Backend& backend = *asked_.back();
    backend.object_status = [this](const Object& object) {
      if (object.kind() != Kind::kVirtualService) {
        return std::string();
      }
      const bool fine = enforced_ || object.key.name == "fine";
      return std::string(R"({"conditions":[{"type":"Accepted","reason":"Accepted"},)") +
             R"({"type":"Enforced","lastTransitionTime":"2024-10-10T07:05:00Z","reason":")" +
             (fine ? "Enforced" : "NotEnforced") + R"(","message":"a \"uri\" match"}]})";
    };
    return Answer(
        {.method = method, .target = target, .content_type = "", .accept = accept, .body = ""},
        backend);
  }

  std::string Names(const std::string& target) {
    std::string names;
    const Json list = Body(200, Ask(target));
    for (const Json& event : list["items"]) {
      names += event["metadata"]["name"].get<std::string>() + " ";
    }
    return names;
  }

  void Write(const std::string& name) {
    std::string rule = Rule();
    rule.replace(rule.find("\"web\""), 5, "\"" + name + "\"");
    Body(201, Call("POST", kRules, rule));
  }

  bool enforced_ = false;
  std::vector<std::unique_ptr<Backend>> asked_;  // which watches outlive

  static constexpr const char* kEvents = "/api/v1/namespaces/default/events";
};

TEST_F(ApiEvents, SayWhatIsNotEnforced) {
  Write("web");
  Write("fine");
  const Json list = Body(200, Ask(kEvents));
  EXPECT_EQ(list["kind"], "EventList");
  ASSERT_EQ(list["items"].size(), 1U);
  EXPECT_EQ(list["items"][0].dump(),
            R"({"kind":"Event","apiVersion":"v1","metadata":{"name":"web.virtualservice.enforced",)"
            R"("namespace":"default","uid":"uid-1-enforced","resourceVersion":"1",)"
            R"("creationTimestamp":"2024-10-10T07:05:00Z"},"involvedObject":{"kind":)"
            R"("VirtualService","namespace":"default","name":"web","uid":"uid-1","apiVersion":)"
            R"("networking.istio.io/v1","resourceVersion":"1"},"source":{"component":"vsplitd"},)"
            R"("reportingComponent":"vsplitd","reportingInstance":"","type":"Warning","reason":)"
            R"("NotEnforced","message":"a \"uri\" match","firstTimestamp":"2024-10-10T07:05:00Z",)"
            R"("lastTimestamp":"2024-10-10T07:05:00Z","count":1})");
  EXPECT_EQ(Body(200, Ask("/api/v1/events"))["items"], list["items"]);
  EXPECT_EQ(Body(200, Ask(std::string(kEvents) + "/web.virtualservice.enforced")),
            list["items"][0]);
  EXPECT_EQ(Ask(std::string(kEvents) + "/fine.virtualservice.enforced").status, 404U);
  EXPECT_EQ(Names("/api/v1/namespaces/other/events"), "");
}

TEST_F(ApiEvents, AreSelectedByWhatTheyAreAbout) {
  Write("web");
  Write("cart");
  const std::string selected = std::string(kEvents) + "?limit=500&fieldSelector=";
  EXPECT_EQ(Names(selected), "cart.virtualservice.enforced web.virtualservice.enforced ");
  EXPECT_EQ(Names(selected + "involvedObject.uid%3Duid-1%2CinvolvedObject.name%3D%3Dweb%2C"
                             "involvedObject.namespace%3Ddefault%2CinvolvedObject.kind%3D"
                             "VirtualService"),
            "web.virtualservice.enforced ");
  EXPECT_EQ(Names(selected + "involvedObject.name!%3Dweb"), "cart.virtualservice.enforced ");
  EXPECT_EQ(Names(selected + "type=Normal"), "");
  EXPECT_EQ(Names(selected + "reason!=x,type=Warning,involvedObject.name=web"),
            "web.virtualservice.enforced ");
  EXPECT_EQ(Message(Ask(selected + "message=x")), "field label not supported: message");
  EXPECT_EQ(Message(Ask(selected + "type")), "invalid field selector \"type\"");
  EXPECT_EQ(Ask(selected + "=x").status, 400U);
}

TEST_F(ApiEvents, AreOnlyRead) {
  EXPECT_EQ(Ask(kEvents, "POST").status, 405U);
  EXPECT_EQ(Ask(kEvents, "POST").allow, "GET");
}

TEST_F(ApiEvents, AreATableWithTheColumnsOfKubernetes) {
  Write("web");
  const Json table = Body(200, Ask(kEvents, "GET", "application/json;as=Table;v=v1;g=meta.k8s.io"));
  EXPECT_EQ(table["kind"], "Table");
  EXPECT_EQ(table["rows"][0]["cells"].dump(),
            R"(["0s","Warning","NotEnforced","virtualservice/web","","vsplitd",)"
            R"("a \"uri\" match","0s",1,"web.virtualservice.enforced"])");
  EXPECT_EQ(table["columnDefinitions"].size(), 10U);
}

TEST_F(ApiEvents, ComeAndGoWithWhatIsSaidOfTheirObjects) {
  Write("web");
  const Response watch = Ask(std::string(kEvents) + "?watch=true&resourceVersion=1");
  ASSERT_NE(watch.stream, nullptr);
  const auto heard = [&watch] {
    std::string said;
    std::istringstream lines(watch.stream->Take(Stream::Clock::now()));
    for (std::string line; std::getline(lines, line);) {
      const Json event = Json::parse(line);
      said += event["type"].get<std::string>() + " " +
              event["object"]["metadata"]["name"].get<std::string>() + " " +
              event["object"]["metadata"]["resourceVersion"].get<std::string>() + "\n";
    }
    return said;
  };
  EXPECT_EQ(heard(), "");
  Write("fine");
  Write("cart");
  EXPECT_EQ(heard(), "ADDED cart.virtualservice.enforced 3\n");
  Body(200, Call("DELETE", std::string(kRules) + "/web"));
  Body(200, Call("DELETE", std::string(kRules) + "/fine"));
  EXPECT_EQ(heard(), "DELETED web.virtualservice.enforced 4\n");
  enforced_ = true;
  backend_.Touch("cart");
  EXPECT_EQ(heard(), "DELETED cart.virtualservice.enforced 6\n");
  enforced_ = false;
  backend_.Touch("cart");
  backend_.Touch("cart");
  EXPECT_EQ(heard(),
            "ADDED cart.virtualservice.enforced 7\nMODIFIED cart.virtualservice.enforced 8\n");
}

TEST_F(ApiEvents, WatchesThatBeginEarlierHearOfAllThatMayBeNew) {
  Write("web");
  Write("cart");
  Write("new");
  Body(200, Call("DELETE", std::string(kRules) + "/web"));
  const Response watch = Ask(std::string(kEvents) + "?watch=true&resourceVersion=2");
  std::string types;
  std::istringstream lines(watch.stream->Take(Stream::Clock::now()));
  for (std::string line; std::getline(lines, line);) {
    types += Json::parse(line)["type"].get<std::string>() + " ";
  }
  EXPECT_EQ(types, "ADDED DELETED ");
}

TEST_F(ApiEvents, WatchesFromTheBeginningHearOfThoseThatAreThere) {
  Write("web");
  Write("fine");
  const Response watch = Ask(std::string(kEvents) + "?watch=true");
  const Json event = Json::parse(watch.stream->Take(Stream::Clock::now()));
  EXPECT_EQ(event["type"], "ADDED");
  EXPECT_EQ(event["object"]["metadata"]["name"], "web.virtualservice.enforced");
}

}  // namespace
}  // namespace vsplit
