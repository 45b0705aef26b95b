// SPDX-License-Identifier: Apache-2.0
#include "vsplit/disk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGXFSZ is POSIX
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "disk_folder.h"
#include "vsplit/address.h"
#include "vsplit/objects.h"
#include "vsplit/result.h"
#include "vsplit/store.h"

namespace {
int syncs = 0;
}  // namespace

// In front of the C library's, also for SQLite.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" int fsync(int fd) {
  ++syncs;
  return static_cast<int>(syscall(SYS_fsync, fd));
}
extern "C" int fdatasync(int fildes) {
  ++syncs;
  return static_cast<int>(syscall(SYS_fdatasync, fildes));
}
// NOLINTEND(readability-identifier-naming)

namespace vsplit {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string OpenError(const std::string& path) {
  const Result<Disk> disk = Disk::Open(path);
  return disk ? "opened" : disk.error().message;
}

// The file by another program, which is what sqlite3 is to it.
void RunSql(const std::string& path, const char* sql) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

mode_t ModeOf(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & (S_IRWXU | S_IRWXG | S_IRWXO);
}

// What the function returns in a process of its own, which ends without any destructor.
std::string InChild(const std::function<std::string()>& work) {
  std::array<int, 2> ends{};
  EXPECT_EQ(pipe(ends.data()), 0);
  const auto child = fork();
  if (child == 0) {
    const std::string text = work();
    _exit(write(ends[1], text.data(), text.size()) < 0 ? 1 : 0);
  }
  close(ends[1]);
  std::string text;
  std::array<char, 512> buffer{};
  for (ssize_t size = 0; (size = read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  close(ends[0]);
  EXPECT_EQ(waitpid(child, nullptr, 0), child);
  return text;
}

TEST(Disk, NewFileIsEmptyAndPrivate) {
  const TempFolder folder;
  const std::string path = folder.path() / "a" / "b" / "objects.db";
  const Disk disk = Open(path);
  const Result<DiskContent> content = disk.Load();
  EXPECT_THAT(content->objects, IsEmpty());
  EXPECT_EQ(content->resource_version, 0U);
  EXPECT_EQ(ModeOf(path), 0600U);
  EXPECT_EQ(ModeOf(path + "-wal"), 0600U);
  EXPECT_EQ(ModeOf(folder.path() / "a" / "b"), 0700U);
  EXPECT_EQ(ModeOf(folder.path() / "a"), 0700U);
}

TEST(Disk, CommittedObjectsComeBackInOrder) {
  const TempFolder folder;
  const Version version{.resource_version = 1ULL << 62,
                        .generation = 3,
                        .uid = "u'\"",
                        .creation_timestamp = "2024-10-10T07:03:57Z"};
  Disk disk = Open(folder.file());
  ASSERT_TRUE(
      disk.Commit({Put(MakeObject(Kind::kVirtualService, "a", "x", "{\"v\":5}", version)),
                   Put(MakeObject(Kind::kNode, "", "n", "{\"v\":1}")),
                   Put(MakeObject(Kind::kService, "b", "x", "{\"v\":4}")),
                   Put(MakeObject(Kind::kService, "a", "y", "{\"v\":3}")),
                   Put(MakeObject(Kind::kService, "a", "x", std::string("\0\"\xc3\xa4", 4)))},
                  1ULL << 62));
  disk = Open(folder.path() / "other.db");
  const Result<DiskContent> content = Open(folder.file()).Load();
  EXPECT_THAT(Texts(*content), ElementsAre("{\"v\":1}", std::string("\0\"\xc3\xa4", 4), "{\"v\":3}",
                                           "{\"v\":4}", "{\"v\":5}"));
  EXPECT_EQ(content->objects.back().version, version);
  EXPECT_EQ(content->objects.front().ns, "");
  EXPECT_EQ(content->objects[3].ns, "b");
  EXPECT_EQ(content->resource_version, 1ULL << 62);
}

TEST(Disk, LaterChangesReplaceAndRemove) {
  const TempFolder folder;
  const ObjectPtr first = MakeObject(Kind::kPod, "a", "x", "1");
  const ObjectPtr second =
      MakeObject(Kind::kPod, "a", "x", "2",
                 {.resource_version = 2, .generation = 1, .uid = "uid", .creation_timestamp = "t"});
  const ObjectPtr other = MakeObject(Kind::kPod, "a", "y", "3");
  Disk disk = Open(folder.file());
  ASSERT_TRUE(disk.Commit({Put(first), Put(other)}, 1));
  ASSERT_TRUE(
      disk.Commit({{.key = first->key, .before = first, .after = second}, Remove(other)}, 3));
  const Result<DiskContent> content = disk.Load();
  EXPECT_THAT(Texts(*content), ElementsAre("2"));
  EXPECT_EQ(content->objects.at(0).version, second->version);
  EXPECT_EQ(content->resource_version, 3U);
}

TEST(Disk, ChangesThatChangeNothingAreNotWritten) {
  const TempFolder folder;
  const ObjectPtr object = MakeObject(Kind::kPod, "a", "x", "1");
  Disk disk = Open(folder.file());
  ASSERT_TRUE(disk.Commit({{.key = object->key, .before = object, .after = object}}, 5));
  EXPECT_THAT(disk.Load()->objects, IsEmpty());
  EXPECT_EQ(disk.Load()->resource_version, 0U);
}

TEST(Disk, EveryCommitIsSyncedBeforeItReturns) {
  const TempFolder folder;
  Disk disk = Open(folder.file());
  for (std::uint64_t i = 1; i < 4; ++i) {
    const int before = syncs;
    ASSERT_TRUE(disk.Commit({Put(MakeObject(Kind::kPod, "a", "x", std::to_string(i)))}, i));
    EXPECT_GT(syncs, before);
  }
}

IpAddress Ip(const char* text) {
  return ParseIpAddress(text).value_or(IpAddress{});
}

const KnownNames kNames = {{"a.example.com", {Ip("10.0.0.8"), Ip("fd00::8")}},
                           {"b.example.com", {Ip("10.0.0.9")}},
                           {"gone.example.com", {}}};

TEST(Disk, NamesOutliveAnAgentThatCrashes) {
  const TempFolder folder;
  InChild([&] {
    Disk disk = Open(folder.file());
    return disk.KeepNames(kNames) ? "kept" : "failed";
  });
  EXPECT_EQ(Open(folder.file()).Load()->names, kNames);
}

TEST(Disk, NamesAreThoseOfTheLastCall) {
  const TempFolder folder;
  {
    Disk disk = Open(folder.file());
    ASSERT_TRUE(disk.KeepNames(kNames));
  }
  const KnownNames after = {{"b.example.com", {Ip("10.0.0.7")}}, {"c.example.com", {}}};
  {
    Disk disk = Open(folder.file());
    ASSERT_TRUE(disk.KeepNames(after));
    EXPECT_EQ(disk.Load()->names, after);
  }
  EXPECT_EQ(Open(folder.file()).Load()->names, after);
}

TEST(Disk, NamesThatCannotBeWrittenAreWrittenByTheNextCall) {
  const TempFolder folder;
  Disk disk = Open(folder.file());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(folder.file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(disk.KeepNames(kNames).error().message,
            folder.file() + ": another process has it locked");
  sqlite3_close(other);
  EXPECT_THAT(disk.Load()->names, IsEmpty());
  EXPECT_TRUE(disk.KeepNames(kNames));
  EXPECT_EQ(disk.Load()->names, kNames);
}

TEST(Disk, AddressesThatAreNoneAreRefused) {
  const TempFolder folder;
  Open(folder.file());
  RunSql(folder.file(), "INSERT INTO names VALUES('a', '10.0.0.8 300.1.1.1')");
  EXPECT_EQ(OpenError(folder.file()),
            folder.file() + ": names: a: \"10.0.0.8 300.1.1.1\" is no list of addresses");
}

TEST(Disk, ConditionsAreReplacedAndGoWithTheirObject) {
  const TempFolder folder;
  const ObjectKey a = {.kind = Kind::kVirtualService, .ns = "default", .name = "a"};
  const ObjectKey b = {.kind = Kind::kDestinationRule, .ns = "default", .name = "a"};
  const StoredCondition first = {
      .object = a, .type = "Enforced", .holds = true, .since = "2024-10-10T07:03:57Z"};
  const StoredCondition other = {
      .object = b, .type = "Enforced", .holds = false, .since = "2024-10-10T07:03:58Z"};
  const StoredCondition later = {
      .object = a, .type = "Enforced", .holds = false, .since = "2024-10-10T07:03:59Z"};
  InChild([&] {
    Disk disk = Open(folder.file());
    return disk.KeepConditions({first, other}, {}) ? "kept" : "failed";
  });
  Disk disk = Open(folder.file());
  EXPECT_THAT(disk.Load()->conditions, ElementsAre(other, first));
  ASSERT_TRUE(disk.KeepConditions({later}, {b}));
  EXPECT_THAT(disk.Load()->conditions, ElementsAre(later));
}

TEST(Disk, FindingsAreNotWaitedForButObjectsStillAre) {
  const TempFolder folder;
  Disk disk = Open(folder.file());
  int before = syncs;
  ASSERT_TRUE(disk.KeepNames(kNames));
  EXPECT_EQ(syncs, before);
  before = syncs;
  ASSERT_TRUE(disk.Commit({Put(MakeObject(Kind::kPod, "a", "x", "1"))}, 1));
  EXPECT_GT(syncs, before);
}

TEST(Disk, WhoseTheObjectsAreIsSyncedAndKnownAgain) {
  const TempFolder folder;
  {
    Disk disk = Open(folder.file());
    EXPECT_EQ(disk.Load()->source, "");
    const int before = syncs;
    ASSERT_TRUE(disk.KeepSource("cluster u-0"));
    EXPECT_GT(syncs, before);
    ASSERT_TRUE(disk.KeepSource("cluster u-1"));
  }
  Disk disk = Open(folder.file());
  EXPECT_EQ(disk.Load()->source, "cluster u-1");
  ASSERT_TRUE(disk.KeepSource(""));
  EXPECT_EQ(disk.Load()->source, "");
}

TEST(Disk, ObjectsAreSyncedAlsoAfterNotesThatCouldNotBeWritten) {
  const TempFolder folder;
  Disk disk = Open(folder.file());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(folder.file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_FALSE(disk.KeepNames(kNames));
  sqlite3_close(other);
  const int before = syncs;
  ASSERT_TRUE(disk.Commit({Put(MakeObject(Kind::kPod, "a", "x", "1"))}, 1));
  EXPECT_GT(syncs, before);
}

TEST(Disk, DatabaseWithoutTheTablesOfFindingsGetsThem) {
  const TempFolder folder;
  ASSERT_TRUE(Open(folder.file()).Commit({Put(MakeObject(Kind::kPod, "a", "x", "1"))}, 1));
  RunSql(folder.file(), "DROP TABLE names; DROP TABLE conditions");
  Disk disk = Open(folder.file());
  EXPECT_THAT(Texts(*disk.Load()), ElementsAre("1"));
  ASSERT_TRUE(disk.KeepNames(kNames));
  EXPECT_EQ(disk.Load()->names, kNames);
}

TEST(Disk, DatabaseOfAnotherProgramIsRefusedAndLeftAlone) {
  const TempFolder folder;
  RunSql(folder.file(), "PRAGMA application_id = 7; CREATE TABLE objects(a)");
  const std::string before = Bytes(folder.file());
  EXPECT_EQ(OpenError(folder.file()),
            folder.file() + ": a database of another program (application id 0x7)");
  EXPECT_EQ(Bytes(folder.file()), before);
}

TEST(Disk, NewerLayoutIsRefusedAndLeftAlone) {
  const TempFolder folder;
  Open(folder.file());
  RunSql(folder.file(), "PRAGMA user_version = 2");
  const std::string before = Bytes(folder.file());
  EXPECT_EQ(OpenError(folder.file()),
            folder.file() + ": written by a newer vsplitd (layout 2, this one knows 1)");
  EXPECT_EQ(Bytes(folder.file()), before);
}

TEST(Disk, NewerLayoutInTheJournalAloneIsRefusedAndLeftAlone) {
  const TempFolder folder;
  Open(folder.file());
  InChild([&] {
    sqlite3* database = nullptr;
    sqlite3_open(folder.file().c_str(), &database);
    sqlite3_exec(database, "PRAGMA user_version = 3", nullptr, nullptr, nullptr);
    return std::string();
  });
  const std::string before = Bytes(folder.file());
  const std::string journal = Bytes(folder.file() + "-wal");
  ASSERT_FALSE(journal.empty());
  EXPECT_EQ(OpenError(folder.file()),
            folder.file() + ": written by a newer vsplitd (layout 3, this one knows 1)");
  EXPECT_EQ(Bytes(folder.file()), before);
  EXPECT_EQ(Bytes(folder.file() + "-wal"), journal);
}

TEST(Disk, WhatIsNoDatabaseIsRefusedAndLeftAlone) {
  const TempFolder folder;
  for (const std::string& bytes : {std::string("kind: Service\n"), std::string(300, 'x'),
                                   std::string("SQLite format 3\0", 16), std::string(8192, '\0')}) {
    WriteBytes(folder.file(), bytes);
    EXPECT_EQ(OpenError(folder.file()), folder.file() + ": not a database");
    EXPECT_EQ(Bytes(folder.file()), bytes);
  }
}

TEST(Disk, EmptyFileBecomesADatabase) {
  const TempFolder folder;
  WriteBytes(folder.file(), "");
  EXPECT_TRUE(Open(folder.file()).Load());
}

TEST(Disk, FolderThatCannotBeIsAnError) {
  const TempFolder folder;
  WriteBytes(folder.file(), "");
  EXPECT_EQ(OpenError(folder.file() + "/a/objects.db"),
            "create folder " + folder.file() + "/a: Not a directory");
  EXPECT_EQ(OpenError(folder.path()), folder.path().string() + ": Is a directory");
}

TEST(Disk, SecondAgentIsRefusedAtOnce) {
  const TempFolder folder;
  const Disk disk = Open(folder.file());
  EXPECT_EQ(InChild([&] { return OpenError(folder.file()); }),
            folder.file() + ": another agent is using it");
}

TEST(Disk, CommitWhileAnotherProgramWritesFailsAtOnceAndLaterWorks) {
  const TempFolder folder;
  Disk disk = Open(folder.file());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(folder.file().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Change change = Put(MakeObject(Kind::kPod, "a", "x", "1"));
  EXPECT_EQ(disk.Commit({change}, 1).error().message,
            folder.file() + ": another process has it locked");
  sqlite3_close(other);
  EXPECT_TRUE(disk.Commit({change}, 1));
  EXPECT_THAT(Texts(*disk.Load()), ElementsAre("1"));
}

TEST(Disk, FailedCommitLeavesTheStateBeforeAndTheNextWorks) {
  const TempFolder folder;
  const std::string outcome = InChild([&] {
    Disk disk = Open(folder.file());
    std::string text = disk.Commit({Put(MakeObject(Kind::kPod, "a", "x", "1"))}, 1) ? "" : "!";
    signal(SIGXFSZ, SIG_IGN);
    rlimit limit{.rlim_cur = 1 << 16, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &limit);
    const Change large = Put(MakeObject(Kind::kPod, "a", "x", std::string(1 << 17, 'x')));
    const Result<void> failed = disk.Commit({large}, 2);
    text += failed ? "committed" : failed.error().message;
    text += "; " + Texts(*disk.Load()).at(0);
    limit.rlim_cur = RLIM_INFINITY;
    setrlimit(RLIMIT_FSIZE, &limit);
    text += disk.Commit({large}, 2) ? "; committed" : "; failed";
    return text;
  });
  EXPECT_EQ(outcome, folder.file() + ": commit: disk I/O error; 1; committed");
  EXPECT_EQ(Open(folder.file()).Load()->resource_version, 2U);
}

}  // namespace
}  // namespace vsplit
