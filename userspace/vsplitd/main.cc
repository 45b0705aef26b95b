// SPDX-License-Identifier: Apache-2.0
// vsplitd: one process, one thread, one loop.
#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "agent.h"
#include "cluster.h"
#include "cluster_reports.h"
#include "flags.h"
#include "identity.h"
#include "lock.h"
#include "log.h"
#include "notify.h"
#include "surroundings.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/kubernetes.h"
#include "vsplit/names.h"
#include "vsplit/report.h"
#include "vsplit/result.h"
#include "vsplit/store.h"
#include "vsplit/telemetry.h"

namespace vsplit {
namespace {

constexpr const char* kRunFolder = "/run/vsplit";
constexpr std::chrono::milliseconds kIdle{50};        // since the last write, for Agent::MakeRoom
constexpr std::chrono::seconds kBetweenLooks{10};     // for memory to give back
constexpr std::chrono::milliseconds kPatience{3000};  // for the first answers of DNS

int GiveUp(const Error& error) {
  Log(Priority::kError, "giving_up", {{"error", error.message}});
  return EXIT_FAILURE;
}

// Where systemd listens, if it has started this.
std::string ManagerSocket() {
  const char* const socket = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe)
  return socket == nullptr ? "" : socket;
}

int Uninstall(const Flags& flags) {
  const std::string& pins = flags.agent.datapath.pins;
  const Result<Lock> lock = Lock::Take(kRunFolder, pins);
  if (!lock) {
    return GiveUp(lock.error());
  }
  if (const Result<void> gone = Datapath::Uninstall(pins); !gone) {
    return GiveUp(gone.error());
  }
  Log(Priority::kInfo, "uninstalled", {{"pins", pins}});
  return EXIT_SUCCESS;
}

void StopOnSignal(boost::asio::signal_set& signals, boost::asio::io_context& loop) {
  signals.async_wait([&loop](boost::system::error_code error, int signal) {
    if (!error) {
      Log(Priority::kInfo, "stopping", {{"signal", std::to_string(signal)}});
      loop.stop();
    }
  });
}

void MakeRoomSoon(boost::asio::steady_timer& idle, Agent& agent) {
  idle.expires_after(kIdle);
  idle.async_wait([&agent](boost::system::error_code error) {
    if (!error) {
      agent.MakeRoom();
    }
  });
}

void GiveMemoryBackFromTimeToTime(boost::asio::steady_timer& next, Agent& agent) {
  next.expires_after(kBetweenLooks);
  next.async_wait([&next, &agent](boost::system::error_code error) {
    if (!error) {
      agent.GiveMemoryBack();
      GiveMemoryBackFromTimeToTime(next, agent);
    }
  });
}

// What comes after each write.
Backend WithFollowUps(Backend backend, boost::asio::steady_timer& idle, Agent& agent,
                      Surroundings& surroundings) {
  backend.write = [&idle, &agent, &surroundings, write = std::move(backend.write)](
                      std::vector<Write>& writes, bool dry_run, const std::string& user) {
    Result<Applied> applied = write(writes, dry_run, user);
    surroundings.Follow();
    MakeRoomSoon(idle, agent);
    return applied;
  };
  return backend;
}

// Where kubectl is served, for `vsplit status`. The agent's work does not depend on it.
AroundStatus ServeKubectl(Server& server, const std::optional<KubeOptions>& options) {
  if (!options) {
    return {};
  }
  const Result<std::string> url = server.ListenForKubectl(*options);
  if (!url) {
    Log(Priority::kError, "kubectl_not_served", {{"error", url.error().message}});
    return {.kube_trouble = url.error().message};
  }
  Log(Priority::kInfo, "serving_kubectl", {{"url", *url}, {"kubeconfig", options->kubeconfig}});
  return {.kubeconfig = options->kubeconfig};
}

// Metrics and health on a port of their own. The agent's work does not depend on it.
std::string ServeMetrics(Server& server, const std::optional<MetricsOptions>& options) {
  if (!options) {
    return "";
  }
  const Result<std::string> url = server.ListenForMetrics(*options);
  if (!url) {
    Log(Priority::kError, "metrics_not_served", {{"error", url.error().message}});
    return url.error().message;
  }
  Log(Priority::kInfo, "serving_metrics", {{"url", *url}});
  return "";
}

// The objects are the API server's: they are changed there, and only read and tried here.
Backend OfCluster(Backend backend, const ClusterFollower& cluster) {
  backend.read_only = "this agent follows a Kubernetes API server: change the objects there";
  backend.write = [write = std::move(backend.write), why = backend.read_only](
                      std::vector<Write>& writes, bool dry_run,
                      const std::string& user) -> Result<Applied> {
    if (!dry_run) {
      return Fail(why, Error::Reason::kForbidden);
    }
    return write(writes, true, user);
  };
  backend.not_ready = [&cluster, not_ready = std::move(backend.not_ready)] {
    std::vector<std::string> reasons = not_ready();
    if (std::string why = cluster.why_not_in_force(); !why.empty()) {
      reasons.push_back("the API server's objects are not in force: " + std::move(why));
    }
    return reasons;
  };
  return backend;
}

struct Cluster {
  std::unique_ptr<ClusterFollower> follower;  // null: the objects are this agent's own
  std::unique_ptr<ClusterReports> reports;    // null: nothing is written to the server
};

Result<ReportOptions> ReportsOf(const Flags& flags, const KubernetesOptions& kubernetes) {
  const Result<std::string> suffix = RandomSuffix();
  if (!suffix) {
    return tl::unexpected<Error>(suffix.error());
  }
  std::string ns = flags.lease_namespace;
  if (ns.empty()) {
    ns = PodNamespace();
  }
  ReportOptions options{.kubernetes = kubernetes,
                        .status = flags.cluster_writes.status,
                        .events = flags.cluster_writes.events,
                        .node = flags.agent.node.name};
  options.lease.ns = ns.empty() ? options.lease.ns : ns;
  options.lease.identity = flags.agent.node.name + "_" + *suffix;
  return options;
}

Result<Cluster> FollowCluster(boost::asio::io_context& loop, const Flags& flags, Agent& agent,
                              const Backend& backend) {
  if (!flags.kubernetes) {
    return Cluster{};
  }
  Result<ApiServer> server =
      flags.kubeconfig.empty() ? InClusterServer() : KubeconfigServer(flags.kubeconfig);
  if (!server) {
    return tl::unexpected<Error>(server.error());
  }
  const KubernetesOptions kubernetes = {.server = *std::move(server),
                                        .user_agent = "vsplitd/" + flags.agent.version};
  Result<std::unique_ptr<ClusterFollower>> follower = ClusterFollower::Start(
      loop,
      {.kubernetes = kubernetes,
       .node = flags.agent.node.name,
       .domain = flags.agent.domain,
       .source = {.known = agent.source(),
                  .replace = flags.replace_state,
                  .keep =
                      [&agent](const std::string& source) { return agent.KeepSource(source); }}},
      *backend.store, [write = backend.write](std::vector<Write>& writes) {
        return write(writes, false, "system:kubernetes");
      });
  if (!follower) {
    return tl::unexpected<Error>(follower.error());
  }
  Cluster cluster{.follower = *std::move(follower)};
  if (flags.cluster_writes.status || flags.cluster_writes.events) {
    const Result<ReportOptions> options = ReportsOf(flags, kubernetes);
    if (!options) {
      return tl::unexpected<Error>(options.error());
    }
    cluster.reports =
        std::make_unique<ClusterReports>(loop, *options, agent, *cluster.follower, backend);
  }
  return cluster;
}

// Of a cluster that is followed.
void AddTo(AroundStatus& around, const Cluster& cluster) {
  std::ranges::move(cluster.follower->Status(), std::back_inserter(around.features));
  around.cluster = {.refused = cluster.follower->source().refused().size(),
                    .failed = cluster.follower->failed().size()};
  if (cluster.reports != nullptr) {
    cluster.reports->AddTo(around);
  }
}

// The objects are those of a cluster, as they were last known: the first write makes them nobody's,
// so that no cluster takes away what was written here.
Backend OfNoCluster(Backend backend, Agent& agent) {
  if (!agent.source().empty()) {
    Log(Priority::kWarning, "cluster_not_followed", {{"source", agent.source()}});
  }
  backend.write = [write = std::move(backend.write), &agent](
                      std::vector<Write>& writes, bool dry_run,
                      const std::string& user) -> Result<Applied> {
    if (const Result<void> kept = dry_run ? Result<void>{} : agent.KeepSource(""); !kept) {
      return tl::unexpected<Error>(kept.error());
    }
    return write(writes, dry_run, user);
  };
  return backend;
}

Feature NotFollowed(const std::string& source) {
  return {.name = "kubernetes",
          .on = false,
          .reason = "the objects are those of " + source +
                    " as they were last known, and it is not followed: started without "
                    "--kubernetes"};
}

int Serve(Flags flags) {
  KeepMemoryPrivate();
  const Result<Lock> lock = Lock::Take(kRunFolder, flags.agent.datapath.pins);
  if (!lock) {
    return GiveUp(lock.error());
  }
  const Result<std::string> mount = FindCgroupMount();
  if (!mount) {
    return GiveUp(mount.error());
  }
  flags.agent.node.cgroup_mount = *mount;
  boost::asio::io_context loop(1);
  const Result<std::unique_ptr<Surroundings>> surroundings =
      Surroundings::Open(loop, *mount, NamesOptions{});
  if (!surroundings) {
    return GiveUp(surroundings.error());
  }
  const Result<std::unique_ptr<Agent>> agent = Agent::Load(flags.agent, (*surroundings)->Finder());
  if (!agent) {
    return GiveUp(agent.error());
  }
  AroundStatus kubectl;
  std::string metrics_trouble;
  const Cluster* followed = nullptr;
  (*agent)->SetAround([&surroundings, &kubectl, &metrics_trouble, &followed, &agent] {
    AroundStatus around = (*surroundings)->Status();
    if (followed != nullptr && followed->follower != nullptr) {
      AddTo(around, *followed);
    } else if (!(*agent)->source().empty()) {
      around.features.push_back(NotFollowed((*agent)->source()));
    }
    around.kubeconfig = kubectl.kubeconfig;
    around.kube_trouble = kubectl.kube_trouble;
    if (!metrics_trouble.empty()) {
      around.features.push_back({.name = "metrics", .on = false, .reason = metrics_trouble});
    }
    return around;
  });
  (*surroundings)->Meet(**agent, kPatience);
  if (const Result<void> started = (*agent)->Start(); !started) {
    return GiveUp(started.error());
  }
  std::error_code ignored;  // Listen says what is wrong with the folder
  std::filesystem::create_directories(std::filesystem::path(flags.server.socket).parent_path(),
                                      ignored);
  boost::asio::signal_set signals(loop, SIGINT, SIGTERM);
  StopOnSignal(signals, loop);
  boost::asio::steady_timer idle(loop);
  Backend backend = WithFollowUps((*agent)->MakeBackend(), idle, **agent, **surroundings);
  const Result<Cluster> cluster = FollowCluster(loop, flags, **agent, backend);
  if (!cluster) {
    return GiveUp(cluster.error());
  }
  followed = &*cluster;
  if (cluster->follower != nullptr) {
    backend = OfCluster(std::move(backend), *cluster->follower);
  } else {
    backend = OfNoCluster(std::move(backend), **agent);
  }
  Result<Server> server = Server::Listen(loop, flags.server, std::move(backend));
  if (!server) {
    return GiveUp(server.error());
  }
  kubectl = ServeKubectl(*server, flags.kube);
  metrics_trouble = ServeMetrics(*server, flags.metrics);
  Log(Priority::kInfo, "serving",
      {{"socket", flags.server.socket}, {"version", flags.agent.version}});
  TellManager(ManagerSocket(), "READY=1");
  MakeRoomSoon(idle, **agent);
  boost::asio::steady_timer memory(loop);
  GiveMemoryBackFromTimeToTime(memory, **agent);
  loop.run();
  TellManager(ManagerSocket(), "STOPPING=1");
  if (cluster->reports != nullptr) {
    cluster->reports->Close();
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace vsplit

// NOLINTNEXTLINE(bugprone-exception-escape): what is thrown here is lack of memory
int main(int argc, char** argv) {
  const vsplit::FlagsResult parsed = vsplit::ParseFlags(argc, argv, VSPLIT_VERSION);
  if (!parsed.flags) {
    return parsed.exit_code;
  }
  return parsed.flags->uninstall ? vsplit::Uninstall(*parsed.flags) : vsplit::Serve(*parsed.flags);
}
