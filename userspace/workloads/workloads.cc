// SPDX-License-Identifier: Apache-2.0
#include "vsplit/workloads.h"

#include <fmt/core.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "look.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr std::uint64_t kRootId = 1;  // of the hierarchy's own root
constexpr std::size_t kEvents = 16u << 10;

std::string NameOf(const std::string& path) {
  return path.substr(path.rfind('/') + 1);
}

}  // namespace

struct PodCgroups::State : std::enable_shared_from_this<PodCgroups::State> {
  State(boost::asio::io_context& loop, WorkloadsOptions the_options, int inotify,
        std::function<void()> on_change)
      : options(std::move(the_options)),
        look_again(std::move(on_change)),
        events(loop, inotify),
        timer(loop) {}

  void AwaitEvents();
  void AwaitRescan();
  void WatchFor(const std::map<ObjectKey, CgroupHint>& pods);
  static void AddWithAncestors(const std::string& path, std::set<std::string>& folders);
  std::optional<PodCgroup> FindOne(const CgroupHint& hint) const;

  WorkloadsOptions options;
  std::function<void()> look_again;
  boost::asio::posix::stream_descriptor events;
  boost::asio::steady_timer timer;
  std::array<char, kEvents> buffer{};
  std::vector<std::string> roots;      // of pods, below the mount
  std::map<std::string, int> watches;  // of folders below the mount
  std::string trouble;
};

// What the events say does not matter: all of the pods are looked at again.
void PodCgroups::State::AwaitEvents() {
  events.async_read_some(boost::asio::buffer(buffer),
                         [self = weak_from_this()](boost::system::error_code error, std::size_t) {
                           const std::shared_ptr<State> state = self.lock();
                           if (!error && state != nullptr) {
                             state->look_again();
                             state->AwaitEvents();
                           }
                         });
}

void PodCgroups::State::AwaitRescan() {
  timer.expires_after(options.rescan);
  timer.async_wait([self = weak_from_this()](boost::system::error_code error) {
    const std::shared_ptr<State> state = self.lock();
    if (!error && state != nullptr) {
      state->look_again();
      state->AwaitRescan();
    }
  });
}

// The folder in which the last part of the path is or would be, and all above it.
void PodCgroups::State::AddWithAncestors(const std::string& path, std::set<std::string>& folders) {
  for (std::size_t end = path.rfind('/'); end != std::string::npos && end > 0;
       end = path.rfind('/', end - 1)) {
    folders.insert(path.substr(0, end));
  }
  folders.insert("");
}

void PodCgroups::State::WatchFor(const std::map<ObjectKey, CgroupHint>& pods) {
  std::set<std::string> folders;
  for (const auto& [key, hint] : pods) {
    AddWithAncestors(hint.path, folders);  // without a path: the mount, for the kubelet's root
  }
  for (const std::string& root : roots) {
    for (const std::string& qos : QosFolders(NameOf(root))) {
      AddWithAncestors(qos.empty() ? root + "/" : fmt::format("{}/{}/", root, qos), folders);
    }
  }
  std::erase_if(watches, [&](const auto& watch) {
    const bool unwanted = !folders.contains(watch.first);
    if (unwanted) {
      ::inotify_rm_watch(events.native_handle(), watch.second);
    }
    return unwanted;
  });
  for (const std::string& folder : folders) {
    // Anew each time: a folder that was removed and made again is another one.
    const int watch =
        ::inotify_add_watch(events.native_handle(), (options.mount + "/" + folder).c_str(),
                            IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_ONLYDIR);
    if (watch >= 0) {
      watches[folder] = watch;
    } else {
      watches.erase(folder);
    }
  }
}

std::optional<PodCgroup> PodCgroups::State::FindOne(const CgroupHint& hint) const {
  if (!hint.path.empty()) {
    return LookAt(options.mount, hint.path);
  }
  for (const std::string& root : roots) {
    for (const std::string& path : PodCgroupPaths(NameOf(root), hint.uid)) {
      if (std::optional<PodCgroup> found = LookAt(options.mount, root + "/" + path)) {
        return found;
      }
    }
  }
  return std::nullopt;
}

PodCgroups::PodCgroups(std::shared_ptr<State> state) : state_(std::move(state)) {}
PodCgroups::PodCgroups(PodCgroups&& other) noexcept = default;
PodCgroups& PodCgroups::operator=(PodCgroups&& other) noexcept = default;
PodCgroups::~PodCgroups() = default;

Result<PodCgroups> PodCgroups::Start(boost::asio::io_context& loop, const WorkloadsOptions& options,
                                     std::function<void()> look_again) {
  struct stat status{};
  if (::stat(options.mount.c_str(), &status) != 0) {
    return FailErrno("look at " + options.mount);
  }
  const int inotify = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (inotify < 0) {
    return FailErrno("watch cgroups");
  }
  auto state = std::make_shared<State>(loop, options, inotify, std::move(look_again));
  if (status.st_ino != kRootId) {
    state->trouble = options.mount +
                     " shows a part of the cgroup tree only, and the kernel counts levels from its "
                     "root";
  }
  state->AwaitEvents();
  state->AwaitRescan();
  return PodCgroups(std::move(state));
}

std::map<ObjectKey, PodCgroup> PodCgroups::Find(const std::map<ObjectKey, CgroupHint>& pods) {
  State& state = *state_;
  const bool by_uid =
      std::ranges::any_of(pods, [](const auto& pod) { return pod.second.path.empty(); });
  std::map<ObjectKey, PodCgroup> found;
  // Watching comes before looking: what comes in between is noticed.
  const auto look = [&] {
    found.clear();
    state.WatchFor(pods);
    for (const auto& [key, hint] : pods) {
      if (std::optional<PodCgroup> cgroup = state.FindOne(hint)) {
        found.emplace(key, *std::move(cgroup));
      }
    }
  };
  look();
  if (by_uid && found.size() < pods.size()) {
    std::vector<std::string> roots = FindPodsRoots(state.options.mount);
    if (roots != state.roots) {
      state.roots = std::move(roots);
      look();
    }
  }
  return found;
}

const std::string& PodCgroups::trouble() const {
  return state_->trouble;
}

}  // namespace vsplit
