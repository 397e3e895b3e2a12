// SPDX-License-Identifier: Apache-2.0
// The operating system as we use it: lock bytes, unnamed files, forks, reservation.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>

#include "platform/event_descriptor.hpp"
#include "platform/liveness.hpp"
#include "platform/process_identity.hpp"
#include "platform/ring_directory.hpp"
#include "platform/shared_memory.hpp"

namespace ipc0cp::platform {
namespace {

constexpr std::uint64_t kByte = std::uint64_t{1} << 40;

class PlatformTest : public ::testing::Test {
 protected:
  PlatformTest() {
    EXPECT_EQ(open_unnamed(0600, file_), 0);
    EXPECT_EQ(set_size(file_, 1 << 20), 0);
  }
  File again() {
    File other;
    EXPECT_EQ(open_again(file_, other), 0);
    return other;
  }
  File file_;
};

// ---- descriptors
// ----------------------------------------------------------------------------------

TEST_F(PlatformTest, NoFileHasTheNumberOfAStandardStream) {
  const pid_t child = fork();
  if (child == 0) {
    for (int number = 0; number < 3; ++number) close(number);
    File unnamed;
    const bool opened = open_unnamed(0600, unnamed) == 0;
    File second;
    const bool opened_again = open_again(unnamed, second) == 0;
    const EventDescriptor event;
    const bool high = unnamed.get() > 2 && second.get() > 2 && event.get() > 2;
    _exit(opened && opened_again && high && fcntl(2, F_GETFD) == -1 ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// ---- lock bytes
// -----------------------------------------------------------------------------------

TEST_F(PlatformTest, ByteBelongsToOneDescription) {
  const File first = again();
  const File second = again();
  EXPECT_EQ(lock_byte(first.get(), kByte, LockKind::write), LockResult::taken);
  EXPECT_EQ(lock_byte(first.get(), kByte, LockKind::write), LockResult::taken) << "once more";
  EXPECT_EQ(lock_byte(second.get(), kByte, LockKind::write), LockResult::busy);
  EXPECT_EQ(lock_byte(second.get(), kByte + 1, LockKind::write), LockResult::taken);
  unlock_byte(first.get(), kByte);
  EXPECT_EQ(lock_byte(second.get(), kByte, LockKind::write), LockResult::taken);
}

TEST_F(PlatformTest, ReadersShareAndKeepWritersOut) {
  const File first = again();
  const File second = again();
  EXPECT_EQ(lock_byte(first.get(), kByte, LockKind::read), LockResult::taken);
  EXPECT_EQ(lock_byte(second.get(), kByte, LockKind::read), LockResult::taken);
  EXPECT_EQ(lock_byte(second.get(), kByte, LockKind::write), LockResult::busy);
  unlock_byte(first.get(), kByte);
  EXPECT_EQ(lock_byte(second.get(), kByte, LockKind::write), LockResult::taken);
}

TEST_F(PlatformTest, OneProbeCoversARange) {
  const File holder = again();
  const File probe = again();
  EXPECT_FALSE(range_is_held(probe.get(), kByte, 1024));
  lock_byte(holder.get(), kByte + 1023, LockKind::write);
  EXPECT_TRUE(range_is_held(probe.get(), kByte, 1024));
  EXPECT_FALSE(range_is_held(probe.get(), kByte, 1023));
  EXPECT_TRUE(range_is_held(-1, kByte, 1)) << "a failed probe means alive";
}

TEST_F(PlatformTest, ClosingTheDescriptionFreesItsBytes) {
  const File probe = again();
  {
    const File holder = again();
    lock_byte(holder.get(), kByte, LockKind::write);
    EXPECT_TRUE(range_is_held(probe.get(), kByte, 1));
  }
  EXPECT_FALSE(range_is_held(probe.get(), kByte, 1));
}

TEST_F(PlatformTest, AKillFreesItsBytes) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const File holder = again();
    lock_byte(holder.get(), kByte, LockKind::write);
    const ssize_t written = write(ready[1], "x", 1);
    while (written == 1) pause();
    _exit(1);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_TRUE(range_is_held(file_.get(), kByte, 1));
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(range_is_held(file_.get(), kByte, 1));
  close(ready[0]);
  close(ready[1]);
}

TEST_F(PlatformTest, MovedDescriptorIsHighAndKeepsItsLocks) {
  const File probe = again();
  File low = again();
  lock_byte(low.get(), kByte, LockKind::write);
  const File high(move_high(low.take()));
  EXPECT_GE(high.get(), 256);
  EXPECT_TRUE(range_is_held(probe.get(), kByte, 1));
  EXPECT_EQ(fcntl(high.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

// ---- files
// ----------------------------------------------------------------------------------------

TEST_F(PlatformTest, NameIsGivenOnceAndToThisFile) {
  const std::string path = ring_directory() + "/ipc0cp.test-platform-" + std::to_string(getpid());
  EXPECT_EQ(give_name(file_, path), 0);
  EXPECT_EQ(give_name(file_, path), EEXIST);
  FileIdentity named;
  FileIdentity mine;
  EXPECT_EQ(identity_of(path, named), 0);
  EXPECT_EQ(identity_of(file_.get(), mine), 0);
  EXPECT_TRUE(named.same_file(mine));
  EXPECT_EQ(mine.links, 1U);
  EXPECT_TRUE(mine.regular);
  EXPECT_EQ(remove_name(path), 0);
  EXPECT_EQ(identity_of(path, named), ENOENT);
}

TEST_F(PlatformTest, ReadPastTheEndIsAnErrorNotZeros) {
  char bytes[16];
  EXPECT_EQ(read_at(file_.get(), 0, bytes, sizeof bytes), 0);
  EXPECT_NE(read_at(file_.get(), (1 << 20) - 8, bytes, sizeof bytes), 0);
}

TEST_F(PlatformTest, ReservedMemoryIsBackedAndKeepsItsContents) {
  Mapping mapping;
  ASSERT_EQ(map(file_, 0, 1 << 20, true, mapping), 0);
  std::memset(mapping.data(), 7, 4096);
  EXPECT_EQ(reserve(file_.get(), 0, mapping.data(), 1 << 20), 0);
  EXPECT_EQ(mapping.data()[4095], std::byte{7});
  struct stat status {};
  ASSERT_EQ(fstat(file_.get(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 1 << 20);
}

TEST_F(PlatformTest, MappingIsReadOnlyWhereAsked) {
  Mapping mapping;
  ASSERT_EQ(map(file_, 0, 4096, false, mapping), 0);
  EXPECT_DEATH(*const_cast<volatile std::byte*>(mapping.data()) = std::byte{1}, "");
}

// ---- identity
// -------------------------------------------------------------------------------------

TEST(Identity, OwnProcessIsNotGone) {
  const ProcessIdentity self = current_process();
  EXPECT_EQ(self.process_id, static_cast<std::uint32_t>(getpid()));
  EXPECT_FALSE(certainly_gone(self, self, true));
}

TEST(Identity, NumberThatAnotherProcessGotIsGone) {
  const ProcessIdentity self = current_process();
  ProcessIdentity earlier = self;
  earlier.start_time_ticks -= 1;
  EXPECT_TRUE(certainly_gone(earlier, self, true));
  EXPECT_FALSE(certainly_gone(earlier, self, false)) << "only a thorough look reads start times";
}

TEST(Identity, DoubtMeansAlive) {
  const ProcessIdentity self = current_process();
  ProcessIdentity other = self;
  other.process_id = 0;
  EXPECT_FALSE(certainly_gone(other, self, true));
  other = self;
  other.process_id = 1U << 29;
  EXPECT_TRUE(certainly_gone(other, self, true));
  other.time_namespace_inode += 1;
  EXPECT_FALSE(certainly_gone(other, self, true));
}

TEST(Identity, ForkIsAnotherGeneration) {
  const std::uint64_t mine = ForkGeneration::current();
  EXPECT_TRUE(ForkGeneration::is_current(mine));
  EXPECT_EQ(ForkGeneration::current(), mine);
  const pid_t child = fork();
  if (child == 0) {
    const bool other = !ForkGeneration::is_current(mine) && ForkGeneration::current() != mine;
    _exit(other ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(ForkGeneration::is_current(mine));
}

}  // namespace
}  // namespace ipc0cp::platform
