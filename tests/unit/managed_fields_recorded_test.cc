// SPDX-License-Identifier: Apache-2.0
// The same requests in the same order as kube-apiserver 1.32 got them, with Istio's
// CustomResourceDefinitions, and the managedFields that it answered with. Documents of Services
// have the defaults that it fills in.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <utility>

#include "conflict.h"
#include "json.h"
#include "managed_fields.h"
#include "metadata_rules.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

class Recorded {
 public:
  Recorded(Kind kind, std::string api_version)
      : kind_(kind), api_version_(std::move(api_version)) {}

  // A merge patch; of nothing, it creates. `name` is "MANAGER" or "MANAGER status".
  std::string Edit(const std::string& name, const std::string& patch) {
    Json after = live_.is_null() ? Json::object() : live_;
    after.merge_patch(Json::parse(patch));
    RuleMetadata(kind_, live_, after);
    ManagedFields managed = ReadManagedFields(live_).value();
    RecordUpdate(kind_, live_, after, By(name), managed);
    WriteManagedFields(managed, after);
    live_ = after;
    return Owners();
  }

  // The managers, or the message of a conflict.
  std::string Apply(const std::string& name, const std::string& applied, bool force = false) {
    const Result<ApplyOutcome> outcome =
        ApplyFields(kind_, live_, Json::parse(applied), By(name), force);
    if (!outcome->conflicts.empty()) {
      return ConflictFailure(outcome->conflicts).message;
    }
    Json after = outcome->document;
    RuleMetadata(kind_, live_, after);
    live_ = after;
    return Owners();
  }

  std::string Spec() const { return live_.value("spec", Json()).dump(); }

 private:
  Writer By(const std::string& name) const {
    const std::size_t blank = name.find(' ');
    return {.manager = name.substr(0, blank),
            .subresource = blank == std::string::npos ? "" : name.substr(blank + 1),
            .api_version = api_version_,
            .now = "2024-10-10T07:00:00Z"};
  }

  std::string Owners() const {
    std::string text;
    for (const Json& entry : live_["metadata"].value("managedFields", Json::array())) {
      text += entry["manager"].get<std::string>() + " " + entry["operation"].get<std::string>() +
              " " + entry.value("subresource", "") + entry["fieldsV1"].dump() + "\n";
    }
    return text;
  }

  Kind kind_;
  std::string api_version_;
  Json live_;
};

TEST(Recorded, ManagersOfAVirtualServiceThatIsWritten) {
  Recorded server(Kind::kVirtualService, "networking.istio.io/v1");
  const std::string spec = R"("f:spec":{".":{},"f:hosts":{},"f:http":{},"f:tcp":{}}})"
                           "\n";
  const auto creator = [&](const std::string& labels) {
    return R"(creator Update {"f:metadata":{"f:finalizers":{".":{},"v:\"e.f/g\"":{},)"
           R"("v:\"e.f/h\"":{}},"f:generateName":{},)" +
           labels + R"("f:ownerReferences":{".":{},"k:{\"uid\":\"1\"}":{}}},)" + spec;
  };
  EXPECT_EQ(server.Edit("creator",
                        R"({"metadata":{"name":"a","generateName":"g-","labels":{"a":"1","b":"2"},
                "annotations":{},"finalizers":["e.f/g","e.f/h"],"ownerReferences":[{"apiVersion":"v1",
                "kind":"Pod","name":"p","uid":"1"}]},"spec":{"hosts":["x"],"http":[1],"tcp":[]}})"),
            creator(R"("f:labels":{".":{},"f:a":{},"f:b":{}},)"));
  const std::string labelled = creator(R"("f:labels":{".":{},"f:a":{}},)");
  const std::string editor = R"(editor Update {"f:metadata":{"f:labels":{"f:b":{},"f:c":{}}}})"
                             "\n";
  EXPECT_EQ(server.Edit("editor", R"({"metadata":{"labels":{"b":"3","c":"4"}}})"),
            labelled + editor);
  EXPECT_EQ(server.Edit("editor", R"({"metadata":{"annotations":{"n":"1"}}})"),
            labelled + R"(editor Update {"f:metadata":{"f:annotations":{".":{},"f:n":{}},)"
                       R"("f:labels":{"f:b":{},"f:c":{}}}})"
                       "\n");
  EXPECT_EQ(server.Edit("third", R"({"metadata":{"annotations":{"n":null}}})"), labelled + editor);
  EXPECT_EQ(server.Edit("third", R"({"metadata":{"labels":null}})"), creator(""));
  EXPECT_EQ(server.Edit("third", R"({"metadata":{"ownerReferences":null,"finalizers":["e.f/g"]}})"),
            R"(creator Update {"f:metadata":{"f:finalizers":{".":{},"v:\"e.f/g\"":{}},)"
            R"("f:generateName":{}},)" +
                spec);
}

TEST(Recorded, ManagersOfAVirtualServiceThatIsApplied) {
  Recorded server(Kind::kVirtualService, "networking.istio.io/v1");
  server.Edit("creator", R"({"metadata":{"name":"a","finalizers":["e.f/g"]},"spec":{"hosts":["x"],
                             "http":[1],"tcp":[]}})");
  server.Edit("third", R"({"spec":{"exportTo":["."],"gateways":[]}})");
  server.Edit("st status", R"({"status":{"conditions":[{"type":"X"}],"m":{"n":{"o":1}}}})");
  const std::string others =
      R"(st Update status{"f:status":{".":{},"f:conditions":{},"f:m":{".":{},"f:n":{".":{},)"
      R"("f:o":{}}}}})"
      "\n"
      R"(st2 Update status{"f:status":{"f:m":{"f:n":{"f:p":{}}}}})"
      "\n"
      R"(third Update {"f:spec":{"f:exportTo":{},"f:gateways":{}}})"
      "\n";
  const auto creator = [&](const std::string& hosts) {
    return R"(creator Update {"f:metadata":{"f:finalizers":{".":{},"v:\"e.f/g\"":{}}},)"
           R"("f:spec":{".":{},)" +
           hosts + R"("f:http":{},"f:tcp":{}}})" + "\n" + others;
  };
  const std::string hosts = R"("f:hosts":{},)";
  EXPECT_EQ(server.Edit("st2 status", R"({"status":{"m":{"n":{"p":1}}}})"), creator(hosts));
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"a","labels":{"z":"1"}},
                                    "spec":{"hosts":["x"],"http":[1]}})"),
            R"(app Apply {"f:metadata":{"f:labels":{"f:z":{}}},)"
            R"("f:spec":{"f:hosts":{},"f:http":{}}})"
            "\n" +
                creator(hosts));
  EXPECT_EQ(server.Apply("app2", R"({"metadata":{"labels":{"z":"2"}},"spec":{"hosts":["y"]}})"),
            "Apply failed with 3 conflicts: conflicts with \"app\":\n- .metadata.labels.z\n"
            "- .spec.hosts\nconflicts with \"creator\" using networking.istio.io/v1:\n"
            "- .spec.hosts");
  const std::string app = R"(app Apply {"f:spec":{"f:http":{}}})"
                          "\n";
  EXPECT_EQ(server.Apply("app2", R"({"metadata":{"labels":{"z":"2"},"annotations":{}},
                                     "spec":{"hosts":["y"]}})",
                         true),
            app +
                R"(app2 Apply {"f:metadata":{"f:annotations":{},"f:labels":{"f:z":{}}},)"
                R"("f:spec":{"f:hosts":{}}})"
                "\n" +
                creator(""));
  EXPECT_EQ(server.Apply("app2", R"({"metadata":{"name":"a"}})"), app + creator(""));
  EXPECT_EQ(server.Spec(), R"({"http":[1],"tcp":[],"exportTo":["."],"gateways":[]})");
}

TEST(Recorded, ManagersOfAVirtualServiceThatIsOnlyApplied) {
  Recorded server(Kind::kVirtualService, "networking.istio.io/v1");
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"b","labels":{"z":"1"},"annotations":{},
                "finalizers":["e.f/g"],"ownerReferences":[{"uid":"1"}]},
                "spec":{"hosts":["x"],"http":[]}})"),
            R"(app Apply {"f:metadata":{"f:annotations":{},"f:finalizers":{"v:\"e.f/g\"":{}},)"
            R"("f:labels":{"f:z":{}},"f:ownerReferences":{"k:{\"uid\":\"1\"}":{}}},)"
            R"("f:spec":{"f:hosts":{},"f:http":{}}})"
            "\n");
  server.Edit("ed", R"({"metadata":{"labels":{"y":"1"}}})");
  const std::string app = R"(app Apply {"f:spec":{"f:hosts":{}}})"
                          "\n";
  const std::string ed = R"(ed Update {"f:metadata":{"f:labels":{"f:y":{}}}})"
                         "\n";
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"b"},"spec":{"hosts":["x"]}})"), app + ed);
  EXPECT_EQ(server.Spec(), R"({"hosts":["x"]})");
  EXPECT_EQ(server.Apply("app status", R"({"metadata":{"name":"b"},"status":{"conditions":[
                                           {"type":"X"}],"m":{"n":{"o":1},"e":{}}}})"),
            app +
                R"(app Apply status{"f:status":{"f:conditions":{},"f:m":{".":{},"f:e":{},)"
                R"("f:n":{".":{},"f:o":{}}}}})"
                "\n" +
                ed);
}

// ---- Services: ports are told apart by port and protocol, the selector is one value
// --------------

// Of an item of spec.ports that is owned itself.
std::string Port(const std::string& port, const std::string& protocol, const std::string& fields) {
  return R"("k:{\"port\":)" + port + R"(,\"protocol\":\")" + protocol + R"(\"}":{".":{},)" +
         fields + "}";
}

constexpr const char* kNamed = R"("f:name":{},"f:port":{})";
constexpr const char* kAll = R"("f:name":{},"f:port":{},"f:protocol":{},"f:targetPort":{})";

TEST(Recorded, ManagersOfAService) {
  Recorded server(Kind::kService, "v1");
  const auto creator = [](const std::string& labels, const std::string& port80,
                          const std::string& rest) {
    return R"(creator Update {"f:metadata":{"f:finalizers":{".":{},"v:\"e.f/g\"":{}},"f:labels":)" +
           labels + R"(},"f:spec":{"f:clusterIP":{},"f:externalIPs":{},"f:ports":{".":{},)" +
           Port("53", "UDP", kAll) + port80 + "}," + rest + R"("f:type":{}}})" + "\n";
  };
  const std::string labels = R"({".":{},"f:a":{}})";
  const std::string affinity = R"("f:sessionAffinity":{},"f:sessionAffinityConfig":{".":{},)"
                               R"("f:clientIP":{".":{},"f:timeoutSeconds":{}}},)";
  const auto ports = [](const std::string& items) {
    return R"({"spec":{"ports":[)" + items + "]}}";
  };
  const std::string http = R"({"name":"http","port":80,"protocol":"TCP","targetPort":8080},)";
  const std::string moved = R"({"name":"http","port":80,"protocol":"TCP","targetPort":9090},)";
  const std::string dns = R"({"name":"dns","port":53,"protocol":"UDP","targetPort":53})";
  const std::string other = R"(,{"name":"n","port":81,"protocol":"TCP","targetPort":81})";
  EXPECT_EQ(server.Edit("creator", R"({"metadata":{"name":"a","labels":{"a":"1"},"finalizers":
                ["e.f/g"]},"spec":{"clusterIP":"10.96.0.77","selector":{"app":"a","v":"1"},
                "externalIPs":["1.2.3.4"],"sessionAffinity":"ClientIP","sessionAffinityConfig":
                {"clientIP":{"timeoutSeconds":7}},"type":"ClusterIP","ports":[)" +
                                       http + dns + R"(]},"status":{"loadBalancer":{}}})"),
            creator(labels, "," + Port("80", "TCP", kAll), R"("f:selector":{},)" + affinity));
  EXPECT_EQ(server.Edit("e", R"({"spec":{"selector":{"v":"2"}}})"),
            creator(labels, "," + Port("80", "TCP", kAll), affinity) +
                R"(e Update {"f:spec":{"f:selector":{}}})" + "\n");
  EXPECT_EQ(server.Edit("e", ports(moved + dns)),
            creator(labels, "," + Port("80", "TCP", R"("f:name":{},"f:port":{},"f:protocol":{})"),
                    affinity) +
                R"(e Update {"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":)"
                R"({"f:targetPort":{}}},"f:selector":{}}})"
                "\n");
  server.Edit("f", ports(moved + dns + other));
  const std::string ef = R"(e Update {"f:spec":{"f:selector":{}}})"
                         "\n"
                         R"(f Update {"f:spec":{"f:ports":{)" +
                         Port("81", "TCP", kAll) + "}}}\n";
  EXPECT_EQ(server.Edit("g", ports(dns + other)), creator(labels, "", affinity) + ef);
  const std::string g = R"(g Update {"f:spec":{"f:sessionAffinity":{}}})"
                        "\n";
  EXPECT_EQ(server.Edit("g", R"({"spec":{"sessionAffinity":"None","sessionAffinityConfig":null}})"),
            creator(labels, "", "") + ef + g);
  const std::string status =
      R"(st Update status{"f:status":{"f:conditions":{".":{},"k:{\"type\":\"X\"}":{".":{},)"
      R"("f:status":{},"f:type":{}},"k:{\"type\":\"Y\"}":{".":{},"f:status":{},"f:type":{}}}}})"
      "\n";
  EXPECT_EQ(server.Edit("st status", R"({"status":{"conditions":[{"type":"X","status":"False"},
                                                                 {"type":"Y","status":"True"}]}})"),
            creator(labels, "", "") + ef + g + status);

  const std::string config = R"({"metadata":{"name":"a","labels":{"a":"2"}},"spec":{"selector":
      {"app":"q"},"ports":[{"port":80,"name":"web"},{"port":82,"name":"z"}]}})";
  EXPECT_EQ(server.Apply("app", config),
            "Apply failed with 2 conflicts: conflicts with \"creator\" using v1:\n"
            "- .metadata.labels.a\nconflicts with \"e\" using v1:\n- .spec.selector");
  const std::string left = creator("{}", "", "") + ef.substr(ef.find('\n') + 1) + g + status;
  EXPECT_EQ(server.Apply("app", config, true),
            R"(app Apply {"f:metadata":{"f:labels":{"f:a":{}}},"f:spec":{"f:ports":{)" +
                Port("80", "TCP", kNamed) + "," + Port("82", "TCP", kNamed) +
                R"(},"f:selector":{}}})" + "\n" + left);
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"a"},"spec":{"ports":[{"port":82,
                                    "name":"z","protocol":"TCP"}]}})",
                         true),
            R"(app Apply {"f:spec":{"f:ports":{)" +
                Port("82", "TCP", R"("f:name":{},"f:port":{},"f:protocol":{})") + "}}}\n" + left);
  EXPECT_EQ(server.Spec(),
            R"({"clusterIP":"10.96.0.77","externalIPs":["1.2.3.4"],"sessionAffinity":"None",)"
            R"("type":"ClusterIP","ports":[{"name":"dns","port":53,"protocol":"UDP",)"
            R"("targetPort":53},{"name":"n","port":81,"protocol":"TCP","targetPort":81},)"
            R"({"port":82,"name":"z","protocol":"TCP"}]})");
}

TEST(Recorded, TwoAppliersOfTheSamePort) {
  Recorded server(Kind::kService, "v1");
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"b"},"spec":{"ports":[{"port":80,
                "name":"http"},{"port":53,"protocol":"UDP","name":"d"}],"selector":{}}})"),
            R"(app Apply {"f:spec":{"f:ports":{)" +
                Port("53", "UDP", R"("f:name":{},"f:port":{},"f:protocol":{})") + "," +
                Port("80", "TCP", kNamed) + R"(},"f:selector":{}}})" + "\n");
  const std::string app = R"(app Apply {"f:spec":{"f:ports":{)" +
                          Port("80", "TCP", R"("f:port":{})") + R"(},"f:selector":{}}})" + "\n";
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"b"},"spec":{"ports":[{"port":80}],
                                    "selector":{"a":"b"}}})"),
            app);
  const std::string app2 = R"(app2 Apply {"f:spec":{"f:ports":{)" + Port("80", "TCP", kAll) + "," +
                           Port("90", "TCP", R"("f:name":{},"f:port":{},"f:targetPort":{})") +
                           "}}}\n";
  EXPECT_EQ(server.Apply("app2", R"({"metadata":{"name":"b"},"spec":{"ports":[{"port":80,
                "protocol":"TCP","targetPort":80,"name":"w"},{"port":90,"name":"n",
                "targetPort":"web"}]}})"),
            app + app2);
  EXPECT_EQ(server.Apply("app", R"({"metadata":{"name":"b"}})"), app2);
  EXPECT_EQ(server.Apply("app2", R"({"metadata":{"name":"b"},"spec":{"ports":[{"port":80,
                                     "protocol":"TCP"}]}})"),
            R"(app2 Apply {"f:spec":{"f:ports":{)" +
                Port("80", "TCP", R"("f:port":{},"f:protocol":{})") + "}}}\n");
  EXPECT_EQ(server.Spec(), R"({"ports":[{"port":80,"protocol":"TCP"}]})");
}

}  // namespace
}  // namespace vsplit
