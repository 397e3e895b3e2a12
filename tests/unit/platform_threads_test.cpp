// SPDX-License-Identifier: Apache-2.0
// Threads as we use them: their numbers, their ends, and what a fork does to their locks.
#include <gtest/gtest.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstddef>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "platform/buffer_pool.hpp"
#include "platform/fork_safe.hpp"
#include "platform/thread.hpp"

namespace ipc0cp::platform {
namespace {

TEST(ThreadNumber, IsNeverGivenOutAgain) {
  std::set<std::uint64_t> numbers{thread_number()};
  std::set<std::thread::id> ids;
  for (int count = 0; count < 200; ++count) {
    std::thread([&] {
      ids.insert(std::this_thread::get_id());
      EXPECT_EQ(thread_number(), thread_number());
      EXPECT_TRUE(numbers.insert(thread_number()).second);
    }).join();
  }
  EXPECT_LT(ids.size(), 200U) << "the system's ids do come again, or this test shows nothing";
}

TEST(ForkSafeMutex, Excludes) {
  Mutex mutex;
  std::int64_t count = 0;
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        const std::lock_guard guard(mutex);
        ++count;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4 * 20'000);
}

TEST(ForkSafeMutex, IsFreeInAChildWhoeverHeldIt) {
  Mutex mutex;
  std::atomic<bool> held{false};
  std::atomic<bool> over{false};
  std::thread holder([&] {
    const std::lock_guard guard(mutex);
    held = true;
    while (!over) std::this_thread::yield();
  });
  while (!held) std::this_thread::yield();
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);  // A child that hangs ends by SIGALRM.
    { const std::lock_guard guard(mutex); }
    { const std::lock_guard guard(mutex); }
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  over = true;
  holder.join();
  EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
}

/// What a program's own thread-local object still holds when the pool's list has been freed.
struct LateOwner {
  std::vector<std::byte*> buffers;
  ~LateOwner() {
    for (std::byte* buffer : buffers) buffer_pool::release(buffer);
  }
};

TEST(BufferPool, KeepsNothingOfAThreadThatReleasesLate) {
  const auto run_threads = [](int count) {
    for (int number = 0; number < count; ++number) {
      std::thread([] {
        static thread_local LateOwner owner;  // Made before the pool's list, so it goes after it.
        for (int buffer = 0; buffer < 40; ++buffer) {
          owner.buffers.push_back(buffer_pool::acquire(100));
        }
        buffer_pool::release(buffer_pool::acquire(100));
      }).join();
    }
  };
  run_threads(10);
  const std::size_t before = mallinfo2().uordblks;
  run_threads(300);
  const std::size_t after = mallinfo2().uordblks;
  EXPECT_LT(after, before + (1 << 20)) << "300 threads with 40 buffers each";
}

}  // namespace
}  // namespace ipc0cp::platform
