// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "disk_folder.h"
#include "vsplit/disk.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace vsplit {
namespace {

namespace fs = std::filesystem;

// States by number: what is there after commit n, and how to get there.

constexpr std::uint64_t kObjects = 5;

bool IsThere(std::uint64_t object, std::uint64_t number) {
  return (number + object) % 3 != 0;
}

// Texts from a few bytes to several pages, all of them with the number in it.
std::string TextOf(std::uint64_t object, std::uint64_t number) {
  return std::to_string(number) + std::string((number * 37 + object) % 20'000, 'x');
}

std::vector<std::string> StateAfter(std::uint64_t number) {
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; number > 0 && i < kObjects; ++i) {
    if (IsThere(i, number)) {
      texts.push_back(TextOf(i, number));
    }
  }
  return texts;
}

std::vector<Change> ChangesTo(std::uint64_t number) {
  std::vector<Change> changes;
  for (std::uint64_t i = 0; i < kObjects; ++i) {
    const ObjectPtr object =
        MakeObject(Kind::kPod, "a", "o" + std::to_string(i), TextOf(i, number));
    changes.push_back(IsThere(i, number) ? Put(object) : Remove(object));
  }
  return changes;
}

// Commits the next states until it is killed, and writes the number of each that is committed.
[[noreturn]] void CommitForever(const std::string& path, int acknowledgements) {
  Disk disk = Open(path);
  for (std::uint64_t n = disk.Load()->resource_version + 1;; ++n) {
    if (!disk.Commit(ChangesTo(n), n) || write(acknowledgements, &n, sizeof n) != sizeof n) {
      _exit(1);
    }
  }
}

// Kills it that many microseconds after its `count`th commit; the last number it acknowledged.
std::uint64_t CommitUntilKilled(const std::string& path, std::uint64_t count,
                                std::chrono::microseconds delay) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const auto child = fork();
  if (child == 0) {
    CommitForever(path, ends[1]);
  }
  close(ends[1]);
  std::uint64_t last = 0;
  std::uint64_t number = 0;
  while (count > 0 && read(ends[0], &number, sizeof number) == sizeof number) {
    last = number;
    --count;
  }
  std::this_thread::sleep_for(delay);
  kill(child, SIGKILL);
  while (read(ends[0], &number, sizeof number) == sizeof number) {
    last = number;
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, SIGKILL);
  return last;
}

// Whether the content is exactly that after one of the commits from `first` to `last`, and which.
std::uint64_t ExpectStateBetween(const Result<DiskContent>& content, std::uint64_t first,
                                 std::uint64_t last) {
  if (!content) {
    ADD_FAILURE() << content.error().message;
    return 0;
  }
  const std::uint64_t number = content->resource_version;
  EXPECT_GE(number, first);
  EXPECT_LE(number, last);
  EXPECT_EQ(Texts(*content), StateAfter(number)) << number;
  return number;
}

TEST(Disk, KilledAgentLeavesTheStateOfSomeCommitNotOlderThanTheLastAcknowledged) {
  const TempFolder folder;
  std::mt19937 random(std::random_device{}());
  std::uint64_t number = 0;
  for (int round = 0; round < 30 && !HasFailure(); ++round) {
    // The first rounds are killed while the file is being made, or soon after.
    const std::uint64_t count = round < 10 ? 0 : random() % 20;
    const std::chrono::microseconds delay(random() % 4000);
    number = std::max(number, CommitUntilKilled(folder.file(), count, delay));
    number = ExpectStateBetween(Open(folder.file()).Load(), number, number + 1);
  }
  EXPECT_GT(number, 0U);
}

TEST(Disk, JournalCutAnywhereGivesTheStateOfSomeCommit) {
  const TempFolder folder;
  CommitUntilKilled(folder.file(), 12, std::chrono::microseconds(0));
  const std::string main = Bytes(folder.file());
  const std::string journal = Bytes(folder.file() + "-wal");
  std::uint64_t number = 0;
  for (std::size_t size = 0; size < journal.size() && !HasFailure();
       size += 1 + journal.size() / 97) {
    WriteBytes(folder.file(), main);
    WriteBytes(folder.file() + "-wal", journal.substr(0, size));
    fs::remove(folder.file() + "-shm");
    number = ExpectStateBetween(Open(folder.file()).Load(), number, 100);
  }
  EXPECT_GT(number, 5U);
}

// Opens, reads and writes; whatever went wrong.
Result<void> UseFully(const std::string& path) {
  Result<Disk> disk = Disk::Open(path);
  if (!disk) {
    return Fail(disk.error().message);
  }
  return disk->Load().and_then([&](const DiskContent&) { return disk->Commit(ChangesTo(20), 20); });
}

std::string Message(const Result<void>& result) {
  return result ? "" : result.error().message;
}

std::string Damage(std::string bytes, std::mt19937& random) {
  for (int i = 0; i < 40; ++i) {
    bytes[random() % bytes.size()] = static_cast<char>(random());
  }
  return bytes;
}

TEST(Disk, DamagedFileIsAnErrorOrReadable) {
  const TempFolder folder;
  for (std::uint64_t n = 1; n < 20; ++n) {
    ASSERT_TRUE(Open(folder.file()).Commit(ChangesTo(n), n));
  }
  const std::string sound = Bytes(folder.file());
  std::mt19937 random(5);  // NOLINT(bugprone-random-generator-seed): the same run every time
  int errors = 0;
  for (int round = 0; round < 200; ++round) {
    WriteBytes(folder.file(), Damage(sound, random));
    fs::remove(folder.file() + "-wal");
    const std::string message = Message(UseFully(folder.file()));
    errors += message.empty() ? 0 : 1;
    EXPECT_TRUE(message.empty() || message.starts_with(folder.file() + ": ")) << message;
  }
  EXPECT_GT(errors, 50);
}

TEST(Disk, DamagedPageIsNamedAsDamage) {
  const TempFolder folder;
  ASSERT_TRUE(Open(folder.file()).Commit(ChangesTo(1), 1));
  std::string bytes = Bytes(folder.file());
  std::fill(bytes.begin() + 4096, bytes.end(), '\x55');
  WriteBytes(folder.file(), bytes);
  EXPECT_EQ(Message(UseFully(folder.file())),
            folder.file() + ": damaged: database disk image is malformed");
}

}  // namespace
}  // namespace vsplit
