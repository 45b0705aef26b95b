// SPDX-License-Identifier: Apache-2.0
// vsplitd: one process, one thread, one loop.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "agent.h"
#include "flags.h"
#include "lock.h"
#include "log.h"
#include "vsplit/api.h"
#include "vsplit/datapath.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

constexpr const char* kRunFolder = "/run/vsplit";
constexpr std::chrono::milliseconds kIdle{50};  // since the last write, for Agent::MakeRoom

int GiveUp(const Error& error) {
  Log(Priority::kError, "giving_up", {{"error", error.message}});
  return EXIT_FAILURE;
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

int Serve(const Flags& flags) {
  const Result<Lock> lock = Lock::Take(kRunFolder, flags.agent.datapath.pins);
  if (!lock) {
    return GiveUp(lock.error());
  }
  const Result<std::unique_ptr<Agent>> agent = Agent::Start(flags.agent);
  if (!agent) {
    return GiveUp(agent.error());
  }
  std::error_code ignored;  // Listen says what is wrong with the folder
  std::filesystem::create_directories(std::filesystem::path(flags.server.socket).parent_path(),
                                      ignored);
  boost::asio::io_context loop(1);
  boost::asio::signal_set signals(loop, SIGINT, SIGTERM);
  signals.async_wait([&loop](boost::system::error_code error, int signal) {
    if (!error) {
      Log(Priority::kInfo, "stopping", {{"signal", std::to_string(signal)}});
      loop.stop();
    }
  });
  boost::asio::steady_timer idle(loop);
  Backend backend = (*agent)->MakeBackend();
  backend.write = [&idle, &agent, write = std::move(backend.write)](std::vector<Write> writes,
                                                                    bool dry_run) {
    Result<Applied> applied = write(std::move(writes), dry_run);
    idle.expires_after(kIdle);
    idle.async_wait([&agent](boost::system::error_code error) {
      if (!error) {
        (*agent)->MakeRoom();
      }
    });
    return applied;
  };
  const Result<Server> server = Server::Listen(loop, flags.server, std::move(backend));
  if (!server) {
    return GiveUp(server.error());
  }
  Log(Priority::kInfo, "serving",
      {{"socket", flags.server.socket}, {"version", flags.agent.version}});
  loop.run();
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
