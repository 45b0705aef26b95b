// SPDX-License-Identifier: Apache-2.0
#include "socket_file.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "private_file.h"
#include "vsplit/result.h"

namespace vsplit {
namespace {

constexpr mode_t kMode = S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP;
constexpr int kBacklog = 128;

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    return Fail("socket \"" + path + "\": a socket's path has 1 to " +
                    std::to_string(sizeof(address.sun_path) - 1) + " bytes",
                Error::Reason::kInvalid);
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

int Socket() {
  return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

// sockaddr_un is a sockaddr, as the socket API has it.
const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Makes room for a new socket file.
Result<void> RemoveStale(const std::string& path, const sockaddr_un& address) {
  struct stat found{};
  if (::lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? Result<void>{} : FailErrno("socket \"" + path + "\"");
  }
  if (!S_ISSOCK(found.st_mode)) {
    return Fail("socket \"" + path + "\": a file that is no socket is there");
  }
  const int probe = Socket();
  if (probe < 0) {
    return FailErrno("make a socket");
  }
  const bool refused =
      ::connect(probe, Generic(address), sizeof(address)) != 0 && errno == ECONNREFUSED;
  ::close(probe);
  if (!refused) {
    return Fail("socket \"" + path + "\": another process listens there");
  }
  if (::unlink(path.c_str()) != 0) {
    return FailErrno("remove the stale socket \"" + path + "\"");
  }
  return {};
}

}  // namespace

Result<int> ListenOnFile(const std::string& path, const std::string& group) {
  const Result<sockaddr_un> address = AddressOf(path);
  if (!address) {
    return tl::unexpected<Error>(address.error());
  }
  if (const Result<void> removed = RemoveStale(path, *address); !removed) {
    return tl::unexpected<Error>(removed.error());
  }
  const int listener = Socket();
  if (listener < 0) {
    return FailErrno("make a socket");
  }
  // The file gets the mode of the socket less the umask, so it is at no moment open to others.
  const std::optional<gid_t> owner = FindGroup(group);
  if (::fchmod(listener, kMode) == 0 &&
      ::bind(listener, Generic(*address), sizeof(*address)) == 0 &&
      (!owner || ::lchown(path.c_str(), static_cast<uid_t>(-1), *owner) == 0) &&
      ::chmod(path.c_str(), kMode) == 0 && ::listen(listener, kBacklog) == 0) {
    return listener;
  }
  tl::unexpected<Error> failure = FailErrno("listen on \"" + path + "\"");
  ::close(listener);
  return failure;
}

}  // namespace vsplit
