// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

#include "notify.h"

namespace vsplit {
namespace {

// A service manager's end. A name that begins with a zero byte is no file's.
class Manager {
 public:
  explicit Manager(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), name.data(), name.size());
    bound_ = ::bind(fd_, reinterpret_cast<const sockaddr*>(&address),
                    static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) == 0;
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;
  ~Manager() { ::close(fd_); }

  bool bound() const { return bound_; }
  // What has come; empty: nothing.
  std::string Heard() const {
    std::array<char, 64> text{};
    const ssize_t size = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text.data(), static_cast<std::size_t>(size));
  }

 private:
  int fd_;
  bool bound_ = false;
};

TEST(Notify, TheManagerHearsOnASocketOfTheFileSystem) {
  const std::string path = testing::TempDir() + "notify." + std::to_string(::getpid());
  const Manager manager(path);
  ASSERT_TRUE(manager.bound());
  TellManager(path, "READY=1");
  EXPECT_EQ(manager.Heard(), "READY=1");
  std::filesystem::remove(path);
}

TEST(Notify, TheManagerHearsOnAnAbstractSocket) {
  const std::string name = "vsplit-notify-" + std::to_string(::getpid());
  const Manager manager(std::string(1, '\0') + name);
  ASSERT_TRUE(manager.bound());
  TellManager("@" + name, "STOPPING=1");
  EXPECT_EQ(manager.Heard(), "STOPPING=1");
}

TEST(Notify, AManagerThatIsNotThereIsNoTrouble) {
  TellManager("", "READY=1");
  TellManager("/nowhere/at/all", "READY=1");
  TellManager(std::string(4096, 'x'), "READY=1");
}

TEST(Notify, AProcessWithSecretsLeavesNoCoreFile) {
  EXPECT_EXIT(
      {
        KeepMemoryPrivate();
        ::_exit(10 + ::prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
      },
      testing::ExitedWithCode(10), "");
}

}  // namespace
}  // namespace vsplit
