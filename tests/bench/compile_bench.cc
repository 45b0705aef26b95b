// SPDX-License-Identifier: Apache-2.0
// What the pure half costs: N services (default 10 000) of two subsets and ten endpoints, from
// their objects to the operations that put them into force, and then one change of weights. Seconds
// are of processor time, so that a busy machine does not matter.
#include <fmt/core.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "services.h"
#include "vsplit/compile.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"

namespace {

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  constexpr double kNanosecond = 1e-9;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

class Stopwatch {
 public:
  double Lap() {
    const double now = ProcessorSeconds();
    return now - std::exchange(last_, now);
  }

 private:
  double last_ = ProcessorSeconds();
};

vsplit::Store StoreOf(int services) {
  std::string text;
  for (int service = 0; service < services; ++service) {
    text += vsplit::bench::RulesOf(service) + vsplit::bench::PodsOf(service);
  }
  std::vector<vsplit::Object> objects = vsplit::Parse(text).objects;
  vsplit::Store store;
  store.Load(std::move(objects), 1);
  return store;
}

// Empty tables with room for all of it.
vsplit::Tables TablesFor(int services) {
  const auto count = static_cast<std::uint32_t>(services);
  const std::vector<vsplit::frontend_value> frontends(std::bit_ceil(4 * count));
  const std::vector<vsplit::route_value> routes(4 * count + 64);
  const std::vector<vsplit::endpoint_value> endpoints(40 * count + 64);
  const std::vector<vsplit::endpoint_state> states(40 * count + 64);
  const std::vector<vsplit::route_counter> counters(4 * count + 64);
  vsplit::RawTables raw;
  raw.frontends = frontends;
  raw.routes = routes;
  raw.endpoints = endpoints;
  raw.endpoint_states = states;
  raw.counters = counters;
  raw.turns = raw.hosts = 2 * count + 64;
  raw.clusters = 4 * count + 64;
  vsplit::Tables tables = vsplit::Adopt(raw).value();
  for (const vsplit::Operation& operation : vsplit::MakeRepair(tables).operations) {
    Advance(tables, operation);
  }
  return tables;
}

std::vector<vsplit::HostMeaning> MeaningsOf(const vsplit::Store& store,
                                            const std::vector<vsplit::HostName>& hosts) {
  std::vector<vsplit::HostMeaning> meanings;
  meanings.reserve(hosts.size());
  for (const vsplit::HostName& host : hosts) {
    meanings.push_back(vsplit::ResolveAll(store, host, {}, {}, {}));
  }
  return meanings;
}

vsplit::ImageChange ChangeOf(const std::vector<vsplit::HostMeaning>& meanings) {
  vsplit::ImageChange change;
  for (const vsplit::HostMeaning& meaning : meanings) {
    vsplit::TableImage part = vsplit::Compile(meaning).value();
    for (auto& [key, frontend] : part.frontends) {
      change.frontends.emplace(key, std::move(frontend));
    }
  }
  return change;
}

}  // namespace

int main(int argc, char** argv) {
  constexpr int kServices = 10'000;
  const int services = argc > 1 ? std::atoi(argv[1]) : kServices;
  const vsplit::Store store = StoreOf(services);
  vsplit::Tables tables = TablesFor(services);
  Stopwatch watch;

  const std::vector<vsplit::HostName> hosts = HostsWithRules(store, false);
  const std::vector<vsplit::HostMeaning> meanings = MeaningsOf(store, hosts);
  const double resolve = watch.Lap();
  const vsplit::ImageChange image = ChangeOf(meanings);
  const double compile = watch.Lap();
  const vsplit::Plan plan = MakePlan(tables, image).value();
  const double planning = watch.Lap();
  fmt::print("{} services: resolve {:.3f} s, compile {:.3f} s, plan {:.3f} s, {} operations\n",
             hosts.size(), resolve, compile, planning, plan.operations.size());

  for (const vsplit::Operation& operation : plan.operations) {
    Advance(tables, operation);
  }
  watch.Lap();
  vsplit::ImageChange one;
  one.frontends.insert(*image.frontends.begin());
  one.frontends.begin()->second->everyone.clusters.front().weight += 1;
  const vsplit::Plan change = MakePlan(tables, one).value();
  fmt::print("one change of weights: plan {:.6f} s, {} operations\n", watch.Lap(),
             change.operations.size());
  return 0;
}
