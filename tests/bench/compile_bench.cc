// SPDX-License-Identifier: Apache-2.0
// What deciding costs, apart from text, disk and kernel: N services (default 10 000) with two
// subsets and ten endpoints, each with a VirtualService and a DestinationRule, on a node with 30
// pods. Resolved, compiled and planned from nothing, and after one change, by the agent's own rooms
// and in its order, on tables that are only modelled: it needs no root. In the second set each
// VirtualService has a rule for some pods of the node (sourceLabels).
//
// Seconds are of processor time, so that a busy machine matters less.
//
//   compile_bench [SERVICES]
#include <fmt/core.h>
#include <time.h>  // NOLINT(modernize-deprecated-headers): clock_gettime is POSIX

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "hosts.h"
#include "pods.h"
#include "services.h"
#include "vsplit/address.h"
#include "vsplit/compile.h"
#include "vsplit/image.h"
#include "vsplit/objects.h"
#include "vsplit/parse.h"
#include "vsplit/plan.h"
#include "vsplit/resolve.h"
#include "vsplit/result.h"
#include "vsplit/schema.h"
#include "vsplit/store.h"
#include "vsplit/workloads.h"

namespace vsplit::bench {
namespace {

constexpr int kServices = 10'000;
constexpr int kClientPods = 30;
constexpr int kRounds = 5;  // from nothing
constexpr int kChanges = 200;
constexpr double kMicrosecond = 1e-6;
constexpr double kMillisecond = 1e-3;

double ProcessorSeconds() {
  timespec time{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  constexpr double kNanosecond = 1e-9;
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * kNanosecond;
}

template <class Value>
Value Check(Result<Value> result) {
  if (!result) {
    throw std::runtime_error(result.error().message);
  }
  return *std::move(result);
}

std::vector<Object> Read(const std::string& text) {
  ParseResult parsed = Parse(text);
  for (const Diagnostic& diagnostic : parsed.diagnostics) {
    if (diagnostic.severity == Diagnostic::Severity::kError) {
      throw std::runtime_error(ToString(diagnostic));
    }
  }
  return std::move(parsed.objects);
}

// ---- an agent without disk and kernel ----------------------------------------------------------

// Seconds of one pass.
struct Times {
  double resolve = 0;
  double compile = 0;
  double plan = 0;
};

double Sum(const Times& times) {
  return times.resolve + times.compile + times.plan;
}

// Tables with nothing in them, and room for twice of all routes, those of sources too.
Tables EmptyTables(std::uint32_t services) {
  constexpr std::uint32_t kSpare = 64;
  const std::uint32_t endpoints = 2 * kEndpoints * services;
  const std::vector<frontend_value> frontends(std::bit_ceil(4 * services));
  const std::vector<route_value> routes(8 * services + kSpare);
  const std::vector<endpoint_value> endpoint_rows(2 * endpoints + kSpare);
  const std::vector<endpoint_state> endpoint_states(2 * endpoints + kSpare);
  const std::vector<route_counter> counters(8 * services + kSpare);
  RawTables raw;
  raw.control.schema = VSPLIT_SCHEMA;
  raw.frontends = frontends;
  raw.routes = routes;
  raw.endpoints = endpoint_rows;
  raw.endpoint_states = endpoint_states;
  raw.counters = counters;
  raw.turns = raw.hosts = 4 * services + kSpare;
  raw.clusters = 8 * services + kSpare;
  raw.source_routes = 4 * services * kClientPods;
  raw.workloads = 1024;
  Tables tables = Check(Adopt(raw));
  for (const Operation& operation : MakeRepair(tables).operations) {
    Advance(tables, operation);
  }
  return tables;
}

class Rooms {
 public:
  explicit Rooms(const std::string& text, int services)
      : services_(static_cast<std::uint32_t>(services)) {
    store_.Load(Read(text), 1);
    pods_ = FindPods(store_, kNode, FindCgroups);
  }

  // As the agent starts on empty tables.
  Times FromNothing() {
    hosts_.emplace();
    tables_ = EmptyTables(services_);
    Times times;
    HostChange all = Serve(HostsWithRules(store_, false), pods_, times);
    const double begin = ProcessorSeconds();
    hosts_->Take(std::move(all));
    TableImage wanted = hosts_->Image();
    wanted.workloads = pods_.image;
    const Plan plan = Check(MakePlan(tables_, ChangeTo(tables_, wanted)));
    times.plan += ProcessorSeconds() - begin;
    PutIntoForce(plan);
    return times;
  }

  // As the agent takes in one transaction.
  Times Apply(const std::string& text) {
    std::vector<Write> writes;
    for (Object& object : Read(text)) {
      writes.push_back({.object = std::move(object)});
    }
    const std::vector<std::string> uids(writes.size(), "uid");
    const std::vector<Change> changes =
        Check(store_.Stage(std::move(writes), {.now = "2026-01-01T00:00:00Z", .uids = uids}));
    Times times;
    double begin = ProcessorSeconds();
    std::optional<LocalPods> pods = PodsAfterChanges(changes);
    const LocalPods& after = pods ? *pods : pods_;
    std::set<HostName> touched = TouchedHosts(changes);
    times.resolve += ProcessorSeconds() - begin;
    HostChange followed = pods ? FollowPods(*pods, touched, times) : HostChange{};
    HostChange hosts = Serve({touched.begin(), touched.end()}, after, times);
    hosts.merge(followed);
    begin = ProcessorSeconds();
    ImageChange image = hosts_->ChangeOf(hosts);
    if (pods) {
      image.workloads = Difference(pods_.image, pods->image);
    }
    const Plan plan = Check(MakePlan(tables_, image));
    times.plan += ProcessorSeconds() - begin;
    store_.Keep();
    hosts_->Take(std::move(hosts));
    if (pods) {
      pods_ = *std::move(pods);
    }
    PutIntoForce(plan);
    if (!plan.changes()) {
      throw std::runtime_error("nothing has changed");
    }
    return times;
  }

 private:
  // Nothing: they stay.
  std::optional<LocalPods> PodsAfterChanges(const std::vector<Change>& changes) const {
    const bool concerned = std::ranges::any_of(
        changes, [this](const Change& change) { return ConcernsPods(change, kNode, pods_); });
    return concerned ? std::optional(PodsAfter(changes, store_, kNode, pods_, FindCgroups))
                     : std::nullopt;
  }

  std::set<HostName> TouchedHosts(const std::vector<Change>& changes) const {
    std::set<HostName> touched;
    for (const Change& change : changes) {
      Touched by = vsplit::TouchedBy(store_, change);
      touched.merge(by.hosts);
      touched.merge(hosts_->DependingOn(by.dependencies));
    }
    return touched;
  }

  HostChange FollowPods(const LocalPods& pods, std::set<HostName>& touched, Times& times) const {
    HostChange hosts;
    const WorkloadsChange change = ChangeOf(pods_.workloads, pods.workloads);
    if (change.empty()) {
      return hosts;
    }
    double compile = 0;
    const double begin = ProcessorSeconds();
    for (const HostName& host : hosts_->Asking()) {
      Followed followed =
          FollowWorkloads(hosts_->Find(host)->meaning, change, pods.anonymous, pods.workloads);
      if (!followed.known) {
        touched.insert(host);
      } else if (followed.meaning) {
        const double resolved = ProcessorSeconds();
        ServedHost served{.meaning = *std::move(followed.meaning)};
        served.part = Check(Compile(served.meaning));
        hosts.emplace(host, std::move(served));
        compile += ProcessorSeconds() - resolved;
      }
    }
    times.compile += compile;
    times.resolve += ProcessorSeconds() - begin - compile;
    return hosts;
  }

  HostChange Serve(const std::vector<HostName>& hosts, const LocalPods& pods, Times& times) const {
    HostChange change;
    for (const HostName& host : hosts) {
      const double begin = ProcessorSeconds();
      ServedHost served{
          .meaning = ResolveAll(store_, host, ResolveOptions{}, pods.anonymous, pods.workloads)};
      const double resolved = ProcessorSeconds();
      served.part = Check(Compile(served.meaning));
      times.resolve += resolved - begin;
      times.compile += ProcessorSeconds() - resolved;
      change.emplace(host, std::move(served));
    }
    return change;
  }

  void PutIntoForce(const Plan& plan) {
    for (const Operation& operation : plan.operations) {
      Advance(tables_, operation);
    }
  }

  // All are found. The id is the number at the end of the uid, so that it stays with its pod.
  static std::map<ObjectKey, PodCgroup> FindCgroups(const CgroupHints& hints) {
    std::map<ObjectKey, PodCgroup> found;
    for (const auto& [key, hint] : hints) {
      const std::string number = hint.uid.substr(hint.uid.rfind('-') + 1);
      found.emplace(key, PodCgroup{.id = 1 + std::stoull(number), .level = 1, .path = hint.uid});
    }
    return found;
  }

  static inline const NodeOptions kNode{
      .name = kClientNode, .locality = Locality{}, .cgroup_mount = "/sys/fs/cgroup"};

  Store store_;
  std::uint32_t services_;
  std::optional<ServedHosts> hosts_;
  LocalPods pods_;
  Tables tables_;
};

// ---- measuring ---------------------------------------------------------------------------------

double Median(std::vector<Times> all, double (*seconds)(const Times&)) {
  std::vector<double> values;
  std::ranges::transform(all, std::back_inserter(values), seconds);
  std::ranges::sort(values);
  return values[values.size() / 2];
}

constexpr std::array kRows = {
    std::pair{"resolve", +[](const Times& times) { return times.resolve; }},
    std::pair{"compile", +[](const Times& times) { return times.compile; }},
    std::pair{"plan", +[](const Times& times) { return times.plan; }},
    std::pair{"all", +[](const Times& times) { return Sum(times); }}};

// Gives the median of all.
double PrintFromNothing(Rooms& rooms, int services) {
  std::vector<Times> times;
  for (int round = 0; round < kRounds; ++round) {
    times.push_back(rooms.FromNothing());
  }
  fmt::print("  {:<40}", "from nothing");
  for (const auto& [name, seconds] : kRows) {
    fmt::print(" {} {:.0f} ms", name, Median(times, seconds) / kMillisecond);
  }
  const double all = Median(times, Sum);
  fmt::print(", {:.1f} us for a service\n", all / services / kMicrosecond);
  return all;
}

// `number` counts the changes; each has to change what is in force.
void PrintChanges(Rooms& rooms, const char* what, double from_nothing, int changes,
                  const std::function<std::string(int)>& text) {
  std::vector<Times> times;
  for (int number = 0; number < changes; ++number) {
    times.push_back(rooms.Apply(text(number)));
  }
  fmt::print("  {:<40}", what);
  for (const auto& [name, seconds] : kRows) {
    fmt::print(" {} {:.1f} us", name, Median(times, seconds) / kMicrosecond);
  }
  fmt::print(", 1/{:.0f} of everything\n", from_nothing / Median(times, Sum));
}

void Run(int services, const char* set, std::string (*rules)(int, int)) {
  std::string text;
  for (int pod = 0; pod < kClientPods; ++pod) {
    text += ClientPodOf(pod);
  }
  for (int service = 0; service < services; ++service) {
    text += PodsOf(service) + ServiceOf(service) + SliceOf(service) + DestinationRuleOf(service) +
            rules(service, 10);
  }
  Rooms rooms(text, services);
  fmt::print("{} services, {} endpoints each, {} pods that connect; {}\n", services, kEndpoints,
             kClientPods, set);
  const double all = PrintFromNothing(rooms, services);
  const int changes = std::min(services, kChanges);
  const int step = services / changes;
  PrintChanges(rooms, "the weights of one", all, changes,
               [&](int number) { return rules(number * step, 11); });
  PrintChanges(rooms, "an endpoint of one is not ready", all, changes,
               [&](int number) { return SliceOf(number * step, false); });
  PrintChanges(rooms, "one more pod and endpoint of one", all, changes, [&](int number) {
    return PodOf(number * step, kEndpoints) + SliceOf(number * step, true, kEndpoints + 1);
  });
  PrintChanges(rooms, "one more pod that connects", all, kRounds,
               [](int number) { return ClientPodOf(kClientPods + number); });
}

void Main(int services) {
  Run(services, "one rule for everyone", VirtualServiceOf);
  Run(services, "rules by sourceLabels", VirtualServiceBySource);
}

}  // namespace
}  // namespace vsplit::bench

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);  // it takes a while: show each line when it is there
  try {
    vsplit::bench::Main(argc > 1 ? std::max(1, std::atoi(argv[1])) : vsplit::bench::kServices);
  } catch (const std::exception& error) {
    fmt::print(stderr, "compile_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}
