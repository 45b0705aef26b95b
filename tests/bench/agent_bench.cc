// SPDX-License-Identifier: Apache-2.0
// What the agent costs: vsplitd itself, with tables, cgroup and disk of its own, driven over its
// socket as `vsplit apply` does it. "Without the disk" is the whole call as the client sees it, but
// for the durable commit that comes before the kernel: the answer is written after the new weights
// are in force, so it is no less than the time from the call until then. Medians: the machine's
// other work must not matter.
//
// Weights of one service without a pause are the worst case: a frontend has three sequences, so
// that every second change waits until no program can still use an old one.
//
//   agent_bench [SERVICES...]      default 10 1000 10000
#include <bpf/bpf.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <linux/prctl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "../kernel/pods.h"
#include "agent.h"
#include "services.h"
#include "vsplit/json.h"
#include "vsplit/result.h"

namespace vsplit::bench {
namespace {

constexpr int kChanges = 200;
constexpr int kInOneTransaction = 500;  // services
constexpr std::chrono::milliseconds kAtOnce{0};
constexpr std::chrono::milliseconds kPause{100};  // longer than the agent waits for idle moments
constexpr double kMicrosecond = 1e-6;
constexpr double kMillisecond = 1e-3;
constexpr double kKilobyte = 1e3;
constexpr double kMegabyte = 1e6;
constexpr const char* kApply = "/apis/vsplit.io/v1/apply";

using Clock = std::chrono::steady_clock;

double Since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::string ReadFile(const std::filesystem::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// The number behind a word at the beginning of a line; 0 when there is none.
double NumberAfter(const std::string& text, const std::string& word) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(word)) {
      return std::strtod(line.c_str() + word.size(), nullptr);
    }
  }
  return 0;
}

// A folder that is gone with this object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = std::filesystem::temp_directory_path() / "vsplit-bench-XXXXXX";
    if (mkdtemp(path.data()) == nullptr) {
      throw std::runtime_error("cannot make a folder " + path);
    }
    path_ = path;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder(TemporaryFolder&&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(TemporaryFolder&&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// ---- vsplitd -----------------------------------------------------------------------------------

// Runs vsplitd with its messages in a file; it does not outlive us.
pid_t Spawn(std::vector<std::string> arguments, const std::filesystem::path& log) {
  std::vector<char*> words;
  words.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) {
    words.push_back(argument.data());
  }
  words.push_back(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file >= 0 && dup2(file, STDERR_FILENO) >= 0) {
      execv(words.front(), words.data());
    }
    _exit(127);
  }
  return child;
}

class Vsplitd {
 public:
  explicit Vsplitd(int services)
      : pins_(bpffs_.path() + "/vsplit"),
        agent_(folder_.path() / "vsplit.sock"),
        services_(services) {}
  ~Vsplitd() {
    Kill();
    Finish(Spawn({VSPLITD, "uninstall", "--pins", pins_}, log()));
  }
  Vsplitd(const Vsplitd&) = delete;
  Vsplitd(Vsplitd&&) = delete;
  Vsplitd& operator=(const Vsplitd&) = delete;
  Vsplitd& operator=(Vsplitd&&) = delete;

  // Gives the seconds until it is ready.
  double Start() {
    const Clock::time_point begin = Clock::now();
    process_ =
        Spawn({VSPLITD, "--pins", pins_, "--cgroup", cgroup_.path(), "--kube-port", "0", "--socket",
               folder_.path() / "vsplit.sock", "--state", folder_.path() / "objects.db",
               "--max-frontends", std::to_string(std::max(16, 2 * services_)), "--max-endpoints",
               std::to_string(2 * kEndpoints * services_)},
              log());
    while (!agent_.Call({.target = "/readyz"})) {
      if (waitpid(process_, nullptr, WNOHANG) != 0) {
        process_ = -1;
        throw std::runtime_error("vsplitd does not start:\n" + ReadFile(log()));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return Since(begin);
  }
  void Kill() {
    if (process_ > 0) {
      kill(process_, SIGKILL);
      Finish(std::exchange(process_, -1));
    }
  }
  void Uninstall() {
    Kill();
    Finish(Spawn({VSPLITD, "uninstall", "--pins", pins_}, log()));
    if (std::filesystem::exists(pins_)) {
      throw std::runtime_error("vsplitd does not uninstall:\n" + ReadFile(log()));
    }
  }

  // The text of the answer.
  std::string Apply(const std::string& body) const {
    Result<std::string> answer = agent_.Call(
        {.method = "POST", .target = kApply, .accept = "application/json", .body = body});
    if (!answer) {
      throw std::runtime_error(answer.error().message);
    }
    return *std::move(answer);
  }

  // Bytes, from the kernel.
  double Resident(const std::string& which) const {
    return NumberAfter(ReadFile(fmt::format("/proc/{}/status", process_)), which) * 1024;
  }
  double Tables() const {
    double bytes = 0;
    for (const auto& entry : std::filesystem::directory_iterator(pins_)) {
      const testing::Descriptor map(entry.is_directory() ? -1 : bpf_obj_get(entry.path().c_str()));
      if (map.get() >= 0) {
        bytes += NumberAfter(ReadFile(fmt::format("/proc/self/fdinfo/{}", map.get())), "memlock:");
      }
    }
    return bytes;
  }

 private:
  std::filesystem::path log() const { return folder_.path() / "vsplitd.log"; }
  static void Finish(pid_t child) { waitpid(child, nullptr, 0); }

  TemporaryFolder folder_;
  testing::TestBpffs bpffs_;
  testing::TestCgroup cgroup_;
  std::string pins_;
  Agent agent_;
  int services_;
  pid_t process_ = -1;
};

// ---- measuring ---------------------------------------------------------------------------------

// Seconds of one call.
struct Call {
  double round_trip = 0;
  double parse = 0, resolve = 0, disk = 0, kernel = 0;
};

Call Measure(const Vsplitd& vsplitd, const std::string& body) {
  const Clock::time_point begin = Clock::now();
  const std::string answer = vsplitd.Apply(body);
  const double round_trip = Since(begin);
  const Json json = Json::parse(answer);
  const auto seconds = [&json](const char* path) { return NumberAt(json, path) * 1e-9; };
  return {.round_trip = round_trip,
          .parse = seconds("/nanoseconds/parse"),
          .resolve = seconds("/nanoseconds/resolve"),
          .disk = seconds("/nanoseconds/disk"),
          .kernel = seconds("/nanoseconds/kernel")};
}

// In JSON, as clients of Kubernetes write it, and in transactions of kInOneTransaction services
// each. Where it stands goes to stderr.
void PrintBulk(const Vsplitd& vsplitd, const std::string& name, int services,
               std::string (*list)(int first, int last)) {
  Call all;
  std::size_t bytes = 0;
  for (int first = 0; first < services; first += kInOneTransaction) {
    const std::string body = list(first, std::min(services, first + kInOneTransaction));
    const Call call = Measure(vsplitd, body);
    bytes += body.size();
    all.round_trip += call.round_trip;
    all.parse += call.parse;
    all.resolve += call.resolve;
    all.disk += call.disk;
    all.kernel += call.kernel;
    if (services > kInOneTransaction) {
      fmt::print(stderr, "\r  {}: {} of {} ", name, std::min(services, first + kInOneTransaction),
                 services);
    }
  }
  fmt::print(stderr, "\r");
  fmt::print(
      "  {:<32} {:>9.3f} s  ({:.1f} MB; parse {:.3f}, resolve {:.3f}, disk {:.3f}, kernel "
      "{:.3f})\n",
      name, all.round_trip, static_cast<double>(bytes) / kMegabyte, all.parse, all.resolve,
      all.disk, all.kernel);
}

// `number` counts the changes; each has to be another body than the one before. With a pause
// between them the agent gets idle moments.
void PrintChanges(const Vsplitd& vsplitd, const std::string& name, std::chrono::milliseconds pause,
                  const std::function<std::string(int)>& body) {
  std::vector<Call> calls;
  for (int number = 0; number < kChanges; ++number) {
    std::this_thread::sleep_for(pause);
    calls.push_back(Measure(vsplitd, body(number)));
  }
  struct Row {
    const char* name;
    double (*seconds)(const Call&);
  };
  constexpr std::array kRows = {
      Row{"call -> in force, without the disk",
          [](const Call& call) { return call.round_trip - call.disk; }},
      Row{"the disk's durable commit", [](const Call& call) { return call.disk; }},
      Row{"parse", [](const Call& call) { return call.parse; }},
      Row{"resolve, compile, plan", [](const Call& call) { return call.resolve; }},
      Row{"kernel", [](const Call& call) { return call.kernel; }},
      Row{"HTTP, the answer",
          [](const Call& call) {
            return call.round_trip - call.parse - call.resolve - call.disk - call.kernel;
          }},
      Row{"round trip of the client", [](const Call& call) { return call.round_trip; }}};
  fmt::print("  {:<36} {:>12} {:>12}\n", name, "median", "p99");
  for (const Row& row : kRows) {
    std::vector<double> seconds;
    std::ranges::transform(calls, std::back_inserter(seconds), row.seconds);
    std::ranges::sort(seconds);
    fmt::print("    {:<34} {:>9.0f} us {:>9.0f} us\n", row.name,
               seconds[seconds.size() / 2] / kMicrosecond,
               seconds[seconds.size() * 99 / 100] / kMicrosecond);
  }
}

void PrintStart(Vsplitd& vsplitd, const std::string& name) {
  const double seconds = vsplitd.Start();
  std::this_thread::sleep_for(kPause);  // an idle agent gives back what starting took
  fmt::print("  {:<32} {:>9.0f} ms until ready, {:.1f} MB resident, {:.1f} MB of it its own\n",
             name, seconds / kMillisecond, vsplitd.Resident("VmRSS:") / kMegabyte,
             vsplitd.Resident("RssAnon:") / kMegabyte);
}

void Run(int services) {
  fmt::print("{} services, {} endpoints each\n", services, kEndpoints);
  Vsplitd vsplitd(services);
  PrintStart(vsplitd, "start with nothing");
  PrintBulk(vsplitd, "apply all pods", services, PodListOf);
  PrintBulk(vsplitd, "apply all else", services, RuleListOf);
  const double own = vsplitd.Resident("RssAnon:");
  fmt::print(
      "  {:<32} {:>9.1f} MB resident, {:.1f} MB of it its own, {:.1f} kB for a service; "
      "{:.1f} MB at most; tables {:.1f} MB\n",
      "memory", vsplitd.Resident("VmRSS:") / kMegabyte, own / kMegabyte, own / services / kKilobyte,
      vsplitd.Resident("VmHWM:") / kMegabyte, vsplitd.Tables() / kMegabyte);
  // As many services as there are changes, spread over all; where there are fewer, in rounds.
  const int step = std::max(1, services / kChanges);
  const int turns = std::min(services, kChanges);
  const auto weights = [step, turns](int number) {
    return VirtualServiceOf(number % turns * step, 11 + number / turns % 2);
  };
  const auto same_weights = [services](int number) {
    return VirtualServiceOf(services - 1, 13 + number % 2);
  };
  const auto endpoints = [step, turns](int number) {
    return SliceOf(number % turns * step, number / turns % 2 == 1);
  };
  const auto same_endpoints = [services](int number) {
    return SliceOf(services - 1, number % 2 == 1);
  };
  PrintChanges(vsplitd, "one weight, of another service each", kAtOnce, weights);
  PrintChanges(vsplitd, "one weight, always of one service", kPause, same_weights);
  PrintChanges(vsplitd, "the same without a pause", kAtOnce, same_weights);
  PrintChanges(vsplitd, "one endpoint, of another service each", kAtOnce, endpoints);
  PrintChanges(vsplitd, "one endpoint, always of one service", kAtOnce, same_endpoints);
  vsplitd.Kill();
  PrintStart(vsplitd, "start after SIGKILL");
  vsplitd.Uninstall();
  PrintStart(vsplitd, "start after uninstall");
  fmt::print("\n");
}

int Main(const std::vector<int>& sizes) {
  if (const std::string missing = testing::MissingForKernelTests(); !missing.empty()) {
    fmt::print(stderr, "{}\n", missing);
    return 1;
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);  // it takes a while: show each line when it is there
  try {
    std::ranges::for_each(sizes, Run);
  } catch (const std::exception& error) {
    fmt::print(stderr, "agent_bench: {}\n", error.what());
    return 1;
  }
  return 0;
}

}  // namespace
}  // namespace vsplit::bench

int main(int argc, char** argv) {
  std::vector<int> sizes;
  for (int i = 1; i < argc; ++i) {
    sizes.push_back(std::max(1, std::atoi(argv[i])));
  }
  return vsplit::bench::Main(sizes.empty() ? std::vector{10, 1'000, 10'000} : sizes);
}
