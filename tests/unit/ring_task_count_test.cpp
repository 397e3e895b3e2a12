// SPDX-License-Identifier: Apache-2.0
// What the processes of a queue count together: from threads, from children, past every death.
#include "ring/task_count.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>
#include <vector>

#include "ipc0cp/error.hpp"
#include "platform/clock.hpp"

namespace ipc0cp {
namespace {

TEST(TaskCountTest, NoMoreIsFinishedThanWasPut) {
  TaskCount count;
  EXPECT_FALSE(count.finish_one(0));
  EXPECT_TRUE(count.finish_one(2));
  EXPECT_TRUE(count.finish_one(2));
  EXPECT_FALSE(count.finish_one(2));
  EXPECT_EQ(count.finished(), 2U);
}

TEST(TaskCountTest, ThreadsThatFinishAtOnceCountEachTaskOnce) {
  constexpr std::uint64_t kPut = 100'001;
  TaskCount count;
  std::atomic<std::uint64_t> finished{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (count.finish_one(kPut)) finished.fetch_add(1);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count.finished(), kPut);
  EXPECT_EQ(finished.load(), kPut);
}

TEST(TaskCountTest, StatesOnlyRise) {
  TaskCount count;
  count.raise_state(TaskCount::State::stopped);
  count.raise_state(TaskCount::State::draining);
  EXPECT_EQ(count.state(), TaskCount::State::stopped);
}

TEST(TaskCountTest, AChangeWakesWhoHasLookedBefore) {
  TaskCount count;
  const std::uint32_t seen = count.event();
  std::thread waiting([&] {
    // The watchdog of the test is far shorter than this.
    while (count.finished() == 0) count.wait(seen, 3600 * platform::kSecond);
  });
  EXPECT_TRUE(count.finish_one(1));
  waiting.join();
}

/// Each child finishes until it is killed, in the middle of whatever it does.
TEST(TaskCountTest, KilledChildrenLeaveACountThatGoesOn) {
  constexpr std::uint64_t kPut = 1'000'000'000;
  TaskCount count;
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t before = count.finished();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      while (count.finish_one(kPut)) {
      }
      _exit(0);
    }
    while (count.finished() == before) std::this_thread::yield();
    ASSERT_EQ(kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    const std::uint64_t after = count.finished();
    EXPECT_TRUE(count.finish_one(kPut));
    EXPECT_EQ(count.finished(), after + 1);
  }
}

TEST(TaskCountTest, AnAdoptedDescriptorCountsTheSame) {
  TaskCount count;
  TaskCount adopted = TaskCount::adopt(dup(count.descriptor()));
  EXPECT_TRUE(adopted.finish_one(1));
  count.give_descriptor_up();
  EXPECT_EQ(count.descriptor(), -1);
  EXPECT_EQ(count.finished(), 1U);
}

TEST(TaskCountTest, AForeignDescriptorStaysTheCallers) {
  const int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
  try {
    TaskCount::adopt(file);
    FAIL() << "it took /dev/null";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
  }
  EXPECT_EQ(close(file), 0);
}

}  // namespace
}  // namespace ipc0cp
