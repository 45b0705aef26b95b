// SPDX-License-Identifier: Apache-2.0
#include "peer.h"

#include <pwd.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <string>

namespace vsplit {

std::string PeerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
    return "unknown";
  }
  constexpr std::size_t kEntryBytes = 4096;
  std::array<char, kEntryBytes> texts{};
  passwd entry{};
  passwd* found = nullptr;
  const bool named =
      ::getpwuid_r(peer.uid, &entry, texts.data(), texts.size(), &found) == 0 && found != nullptr;
  return named ? entry.pw_name : "uid:" + std::to_string(peer.uid);
}

}  // namespace vsplit
