// SPDX-License-Identifier: Apache-2.0
// What `vsplit route -o json` prints against what Istio's own code answered (whole/*.json, by the
// objects of rules/base.yaml and the file of the same name in rules/): the same text, once the
// fields that README.md says only one of them has are gone.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "files.h"
#include "vsplit/outcome.h"
#include "vsplit/parse.h"
#include "vsplit/resolve.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using oracle::kFolder;
using oracle::ReadFile;

void Erase(Json& object, std::initializer_list<const char*> fields) {
  for (const char* field : fields) {
    object.erase(field);
  }
}

bool IsOneOf(const std::string& word, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, word) != words.end();
}

// Whether it has an address and is about the bytes that its port declares.
bool IsDialled(const Json& connection) {
  const std::string declared = connection.at("declared");
  const std::string bytes = connection.at("protocol");
  const bool about = IsOneOf(declared, {"HTTP", "HTTP2", "GRPC"}) ? bytes == "http"
                     : IsOneOf(declared, {"TLS", "HTTPS"})        ? bytes == "tls"
                                                                  : bytes == "tcp";
  return about && connection.at("address") != "";
}

// Istio's answer without what only it has.
Json OfIstio(const Json& answer) {
  Json connections = Json::array();
  for (Json connection : answer.at("connections")) {
    if (!IsDialled(connection)) {
      continue;
    }
    Erase(connection, {"via", "sniffed"});
    for (Json& route : connection.at("routes")) {
      route.erase("l7");
    }
    for (Json& cluster : connection.at("clusters")) {
      Erase(cluster, {"type", "locality_lb", "max_requests", "max_pending_requests", "max_retries",
                      "lb_config", "outlier_detection", "tls", "auto_mtls", "endpoints"});
      if (cluster.value("connect_timeout", "") == "10s") {
        cluster.erase("connect_timeout");
      }
    }
    connections.push_back(std::move(connection));
  }
  return connections;
}

// Ours without what only it has.
Json OfVsplit(Json answer) {
  for (Json& connection : answer.at("connections")) {
    Erase(connection, {"rule", "untouched"});
    for (Json& share : connection.at("routes").at(0).at("split")) {
      share.erase("reason");
    }
    for (Json& cluster : connection.at("clusters")) {
      Erase(cluster, {"ejection", "warmup_ms", "keepalive"});
    }
  }
  return answer.at("connections");
}

std::string Lines(const Json& connections) {
  std::string text;
  for (const Json& connection : connections) {
    text += connection.dump(1) + "\n";
  }
  return text;
}

class Shape : public testing::TestWithParam<std::string> {};

TEST_P(Shape, IsThatOfIstiosAnswer) {
  const fs::path folder(kFolder);
  const Store store = StoreOf(Parse(ReadFile(folder / "rules/base.yaml") + "---\n" +
                                    ReadFile(folder / "rules" / (GetParam() + ".yaml")))
                                  .objects);
  const Client client = ClientOf(store, {.pod = "default/client"}).value();
  const Json ours = Json::parse(ToJson(Outcomes(store, {}, client), client));
  const Json theirs = Json::parse(ReadFile(folder / "whole" / (GetParam() + ".json")));
  EXPECT_EQ(Lines(OfVsplit(ours)), Lines(OfIstio(theirs)));
  EXPECT_EQ(ours.at("rejected"), theirs.at("rejected"));
  EXPECT_EQ(ours.at("source").at("namespace"), theirs.at("source").at("namespace"));
}

std::string NameOf(const testing::TestParamInfo<std::string>& tested) {
  std::string name = tested.param;
  std::ranges::replace(name, '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Whole, Shape,
                         testing::Values("R09-exported-to-others", "R13-broken-shares-fail"),
                         NameOf);

}  // namespace
}  // namespace vsplit
