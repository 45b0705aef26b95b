// SPDX-License-Identifier: Apache-2.0
// What Istio's own code answered (corpus/*.jsonl, one set of objects per line; rules/*.yaml with
// its answer in the .json of the same name), against what resolve makes of the same objects for the
// same client. README.md describes the answers and how they are recorded.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "files.h"
#include "properties.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/outcome.h"
#include "vsplit/parse.h"
#include "vsplit/policy.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using oracle::kFolder;
using oracle::ReadFile;

// ---- what a split is compared by ---------------------------------------------------------------

// Endpoint, cluster and why it fails; its probability.
using Split = std::map<std::tuple<std::string, std::string, std::string>, double>;

// Clusters that only keep or drop the address dialled have names of their own in Istio.
Split SplitOf(const Outcome& outcome) {
  if (!outcome.port.untouched.empty()) {
    return {{{std::string(kOriginalDestination), "", ""}, 1}};
  }
  Split split;
  for (const EndpointShare& share : outcome.split) {
    const std::string why(FailureOf(share));
    const bool nameless = share.endpoint == kOriginalDestination || why == "black hole";
    split[{share.endpoint, nameless ? "" : share.cluster, why}] += share.probability;
  }
  return split;
}

Split SplitOf(const Json& rows) {
  Split split;
  for (const Json& row : rows) {
    split[{row.at(0), row.at(1), row.at(3)}] += row.at(2).get<double>();
  }
  return split;
}

bool AreNear(const Split& left, const Split& right) {
  constexpr double kTolerance = 1e-4;  // the recorded ones are rounded
  const auto near = [](const auto& one, const auto& other) {
    return one.first == other.first && std::abs(one.second - other.second) < kTolerance;
  };
  return std::ranges::equal(left, right, near);
}

std::string Show(std::string_view who, const Split& split) {
  std::string text;
  for (const auto& [key, probability] : split) {
    const auto& [endpoint, cluster, why] = key;
    text += std::string(who) + " " + std::to_string(probability) + " " +
            (endpoint.empty() ? "fails: " + why : endpoint) + " " + cluster + "\n";
  }
  return text;
}

// ---- one connection ----------------------------------------------------------------------------

Json ShowEjection(const Boxed<Ejection>& ejection) {
  return ejection ? Json::array({ejection->failures, ejection->interval.count(),
                                 ejection->base.count(), ejection->max_percent})
                  : Json(0);
}

// Istio's default connect timeout is not set here: it is compared only where another is wanted.
std::string SettingsFault(const ResolvedCluster& cluster, const Json& wanted) {
  const ClusterSettings& settings = cluster.settings;
  const auto timeout = settings.connect_timeout ? settings.connect_timeout->count() : 0;
  const Json found = {{"algorithm", ToString(settings.algorithm)},
                      {"max_connections", settings.max_connections.value_or(0)},
                      {"connect_timeout_ms", timeout},
                      {"ejection", ShowEjection(settings.ejection)},
                      {"panic_percent", settings.panic_percent},
                      {"warmup_ms", settings.warmup ? settings.warmup->duration.count() : 0}};
  std::string text;
  for (const auto& [field, have] : found.items()) {
    const Json value = wanted.value(field, field == "connect_timeout_ms" ? have : Json(0));
    if (have != value) {
      text +=
          cluster.name + " " + field + ": istio " + value.dump() + ", vsplit " + have.dump() + "\n";
    }
  }
  return text;
}

// One address of an outcome.
struct Connection {
  const HostOutcomes& host;
  const Outcome& outcome;
  IpPrefix address;

  std::uint16_t port() const { return outcome.port.port; }
};

std::vector<Connection> ConnectionsOf(const std::vector<HostOutcomes>& hosts) {
  std::vector<Connection> connections;
  for (const HostOutcomes& host : hosts) {
    for (const Outcome& outcome : host.outcomes) {
      for (const IpPrefix& address : outcome.port.addresses) {
        connections.push_back({.host = host, .outcome = outcome, .address = address});
      }
    }
  }
  return connections;
}

bool HasVerdict(const Connection& connection, const std::string& kind) {
  return std::ranges::any_of(connection.host.verdicts, [&](const Verdict& verdict) {
    return ToString(verdict.kind) == kind &&
           (verdict.port == 0 || verdict.port == connection.port());
  });
}

// In what the connection is not the entry; empty when it is.
std::string FaultOf(const Json& entry, const Connection& connection) {
  const Outcome& outcome = connection.outcome;
  std::string text;
  if (entry.contains("split")) {
    const Split wanted = SplitOf(entry.at("split"));
    const Split found = SplitOf(outcome);
    text += AreNear(wanted, found) ? "" : Show("istio ", wanted) + Show("vsplit", found);
  }
  const Json settings = entry.value("settings", Json::object());
  for (const ResolvedCluster& cluster : outcome.port.clusters) {
    if (settings.contains(cluster.name)) {
      text += SettingsFault(cluster, settings.at(cluster.name));
    }
  }
  const std::string verdict = entry.value("verdict", "");
  if (!verdict.empty() && !HasVerdict(connection, verdict)) {
    text += "no rule is said to be " + verdict + "\n";
  }
  const bool ruled = !outcome.port.rule_object.name.empty();
  if (entry.value("ruled", ruled) != ruled) {
    text += ruled ? "a rule decides\n" : "no rule decides\n";
  }
  return text;
}

// ---- one set -----------------------------------------------------------------------------------

using Place = std::tuple<HostName, std::string, std::uint16_t>;

Place PlaceOf(const Json& entry) {
  const std::string written = entry.at("address");
  const auto prefix = ParseIpPrefix(written);
  return {entry.at("host"), prefix ? ToString(*prefix) : written, entry.at("port")};
}

// "http" or "tcp", the two that an undeclared port may read.
std::string ListOf(const Outcome& outcome) {
  return outcome.port.rule_path.starts_with("spec.http") ? "http" : "tcp";
}

// Two services may share a host: then one of the entries is for this connection.
std::string BestFaultOf(const std::vector<Json>& entries, const Connection& connection) {
  const std::string list = ListOf(connection.outcome);
  std::string first;
  bool any = false;
  for (const Json& entry : entries) {
    if (entry.value("list", list) != list) {
      continue;
    }
    const std::string fault = FaultOf(entry, connection);
    if (fault.empty()) {
      return "";
    }
    first = any ? first : fault;
    any = true;
  }
  return first;
}

Client ClientOf(const Store& store, const Json& source) {
  const auto labels = source.value("labels", std::map<std::string, std::string>{});
  return ClientOf(store, ClientDescription{.pod = source.value("pod", ""),
                                           .ns = source.value("namespace", "default"),
                                           .labels = Labels(labels.begin(), labels.end()),
                                           .node = source.value("node", ""),
                                           .locality = source.value("locality", "")})
      .value();
}

bool IsUntouched(const Split& split) {
  return AreNear(split, {{{std::string(kOriginalDestination), "", ""}, 1}});
}

// Whether vsplit may have an address that Istio was not asked about: nothing is done there, or it
// is part of one that was (subnets of rules divide them), or the set says that not all were.
bool MayBeAlone(const Connection& connection, const Json& set) {
  const auto& [host, outcome, address] = connection;
  const Json unasked = set.value("unasked", Json::array());
  if (IsUntouched(SplitOf(outcome)) ||
      std::ranges::find(unasked, Json(host.host)) != unasked.end()) {
    return true;
  }
  return std::ranges::any_of(set.at("wanted"), [&connection](const Json& entry) {
    const auto other = ParseIpPrefix(entry.at("address").get<std::string>());
    return entry.at("host") == connection.host.host && entry.at("port") == connection.port() &&
           other &&
           (other->Contains(connection.address.address) ||
            connection.address.Contains(other->address));
  });
}

// The outcome of connections to an address that is not listed under its host: of the narrowest
// range around it. Null: they stay untouched.
const Connection* Around(const std::vector<Connection>& connections, const Place& place) {
  const auto& [host, address, port] = place;
  const auto inner = ParseIpPrefix(address);
  const Connection* best = nullptr;
  for (const Connection& connection : connections) {
    if (inner && connection.port() == port && connection.address.Contains(*inner) &&
        (best == nullptr || connection.address.bits > best->address.bits)) {
      best = &connection;
    }
  }
  return best;
}

bool WantsUntouched(const std::vector<Json>& entries) {
  return std::ranges::any_of(entries, [](const Json& entry) {
    return !entry.contains("split") || IsUntouched(SplitOf(entry.at("split")));
  });
}

void Compare(const std::string& text, const Json& set, const std::string& id) {
  ParseResult parsed = Parse(text);
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    EXPECT_NE(diagnostic.severity, Diagnostic::Severity::kError)
        << id << ": " << ToString(diagnostic);
  }
  const Store store = StoreOf(std::move(parsed.objects));
  const ResolveOptions options{.registry_only = set.value("registry_only", false)};
  std::map<Place, std::vector<Json>> wanted;
  for (const Json& entry : set.at("wanted")) {
    wanted[PlaceOf(entry)].push_back(entry);
  }
  const std::vector<HostOutcomes> hosts =
      Outcomes(store, options, ClientOf(store, set.at("source")));
  const std::vector<Connection> connections = ConnectionsOf(hosts);
  for (const Connection& connection : connections) {
    const HostName& host = connection.host.host;
    const std::string address = ToString(connection.address);
    const std::string name =
        id + ": " + host + " " + address + ":" + std::to_string(connection.port());
    const auto entries = wanted.find(Place{host, address, connection.port()});
    if (entries == wanted.end()) {
      EXPECT_TRUE(MayBeAlone(connection, set)) << name << " is there only for vsplit";
      continue;
    }
    EXPECT_EQ(BestFaultOf(entries->second, connection), "") << name;
    wanted.erase(entries);
  }
  for (const auto& [place, entries] : wanted) {
    const Connection* around = Around(connections, place);
    if (around == nullptr) {
      EXPECT_TRUE(WantsUntouched(entries))
          << id << ": " << entries.front().dump() << " is not there for vsplit";
    } else {
      EXPECT_EQ(BestFaultOf(entries, *around), "") << id << ": " << entries.front().dump();
    }
  }
}

// ---- all of them -------------------------------------------------------------------------------

std::vector<fs::path> FilesWith(std::string_view folder, std::string_view extension) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(fs::path(kFolder) / folder)) {
    if (entry.path().extension() == extension) {
      files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

std::string NameOf(const testing::TestParamInfo<fs::path>& tested) {
  std::string name = tested.param.stem();
  std::ranges::replace(name, '-', '_');
  return name;
}

std::string TextOf(const Json& set) {
  return Json{{"apiVersion", "v1"}, {"kind", "List"}, {"items", set.at("objects")}}.dump();
}

class Corpus : public testing::TestWithParam<fs::path> {};

TEST_P(Corpus, AnswersAsIstioDid) {
  std::ifstream file(GetParam());
  for (std::string line; std::getline(file, line);) {
    const Json set = Json::parse(line);
    Compare(TextOf(set), set, set.at("id"));
  }
}

TEST_P(Corpus, PropertiesHold) {
  std::ifstream file(GetParam());
  std::size_t seed = 0;
  for (std::string line; std::getline(file, line); ++seed) {
    const Json set = Json::parse(line);
    Store store = StoreOf(Parse(TextOf(set)).objects);
    EXPECT_EQ(WhatDoesNotHold(store, seed), "") << set.at("id");
  }
}

TEST(Corpora, HoldThreeHundredGeneratedSets) {
  std::size_t sets = 0;
  for (const fs::path& path : FilesWith("corpus", ".jsonl")) {
    if (path.filename().string().starts_with("generated")) {
      const std::string text = ReadFile(path);
      sets += static_cast<std::size_t>(std::ranges::count(text, '\n'));
    }
  }
  EXPECT_GE(sets, 300U);
}

INSTANTIATE_TEST_SUITE_P(Sets, Corpus, testing::ValuesIn(FilesWith("corpus", ".jsonl")), NameOf);

class Rules : public testing::TestWithParam<fs::path> {};

TEST_P(Rules, AnswersAsIstioDid) {
  const fs::path folder = GetParam().parent_path();
  const Json set = Json::parse(ReadFile(fs::path(GetParam()).replace_extension(".json")));
  Compare(ReadFile(folder / "base.yaml") + "---\n" + ReadFile(GetParam()), set, GetParam().stem());
}

std::vector<fs::path> RuleFiles() {
  std::vector<fs::path> files = FilesWith("rules", ".yaml");
  std::erase_if(files, [](const fs::path& path) { return path.stem() == "base"; });
  return files;
}

INSTANTIATE_TEST_SUITE_P(Cases, Rules, testing::ValuesIn(RuleFiles()), NameOf);

}  // namespace
}  // namespace vsplit
