// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <filesystem>
#include <random>
#include <string>
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
std::uint64_t CommitUntilKilled(const std::string& path, std::uint64_t count, std::uint64_t delay) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
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
  const timespec moment{.tv_sec = 0, .tv_nsec = static_cast<long>(delay) * 1000};
  nanosleep(&moment, nullptr);
  kill(child, SIGKILL);
  while (read(ends[0], &number, sizeof number) == sizeof number) {
    last = number;
  }
  close(ends[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  return last;
}

TEST(Disk, KilledAgentLeavesTheStateOfSomeCommitNotOlderThanTheLastAcknowledged) {
  const TempFolder folder;
  std::mt19937 random(std::random_device{}());
  std::uint64_t acknowledged = 0;
  for (int round = 0; round < 30; ++round) {
    // The first rounds are killed while the file is being made.
    const std::uint64_t count = round < 10 ? 0 : random() % 20;
    acknowledged = std::max(acknowledged, CommitUntilKilled(folder.file(), count, random() % 4000));
    const Result<DiskContent> content = Open(folder.file()).Load();
    ASSERT_TRUE(content) << content.error().message;
    const std::uint64_t number = content->resource_version;
    ASSERT_GE(number, acknowledged);
    ASSERT_LE(number, acknowledged + 1);
    ASSERT_EQ(Texts(*content), StateAfter(number));
    acknowledged = number;
  }
  EXPECT_GT(acknowledged, 0U);
}

TEST(Disk, JournalCutAnywhereGivesTheStateOfSomeCommit) {
  const TempFolder folder;
  CommitUntilKilled(folder.file(), 12, 0);
  const std::string main = Bytes(folder.file());
  const std::string journal = Bytes(folder.file() + "-wal");
  std::uint64_t previous = 0;
  for (std::size_t size = 0; size < journal.size(); size += 1 + journal.size() / 97) {
    WriteBytes(folder.file(), main);
    WriteBytes(folder.file() + "-wal", journal.substr(0, size));
    fs::remove(folder.file() + "-shm");
    const Result<DiskContent> content = Open(folder.file()).Load();
    ASSERT_TRUE(content) << content.error().message;
    ASSERT_EQ(Texts(*content), StateAfter(content->resource_version)) << size;
    ASSERT_GE(content->resource_version, previous) << size;
    previous = content->resource_version;
  }
  EXPECT_GT(previous, 5U);
}

TEST(Disk, DamagedFileIsAnErrorOrReadable) {
  const TempFolder folder;
  {
    Disk disk = Open(folder.file());
    for (std::uint64_t n = 1; n < 20; ++n) {
      ASSERT_TRUE(disk.Commit(ChangesTo(n), n));
    }
  }
  const std::string sound = Bytes(folder.file());
  std::mt19937 random(5);  // NOLINT(bugprone-random-generator-seed): the same run every time
  int errors = 0;
  for (int round = 0; round < 200; ++round) {
    std::string bytes = sound;
    for (int flips = 0; flips < 40; ++flips) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    WriteBytes(folder.file(), bytes);
    Result<Disk> disk = Disk::Open(folder.file());
    Result<void> done =
        disk.and_then([](Disk& opened) { return opened.Load(); }).and_then([&](const DiskContent&) {
          return disk->Commit(ChangesTo(20), 20);
        });
    errors += done ? 0 : 1;
    EXPECT_TRUE(done || done.error().message.starts_with(folder.file() + ": "))
        << done.error().message;
    disk = Fail("closed");
    fs::remove(folder.file() + "-wal");
  }
  EXPECT_GT(errors, 50);
}

TEST(Disk, DamagedPageIsNamedAsDamage) {
  const TempFolder folder;
  ASSERT_TRUE(Open(folder.file()).Commit(ChangesTo(1), 1));
  std::string bytes = Bytes(folder.file());
  for (std::size_t i = 4096; i < bytes.size(); ++i) {
    bytes[i] = '\x55';
  }
  WriteBytes(folder.file(), bytes);
  EXPECT_EQ(Open(folder.file()).Load().error().message,
            folder.file() + ": damaged: database disk image is malformed");
}

}  // namespace
}  // namespace vsplit
