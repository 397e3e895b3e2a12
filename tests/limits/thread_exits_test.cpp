// SPDX-License-Identifier: Apache-2.0
// Threads that end inside a call: their handle lives on, and with it what it holds.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "platform/clock.hpp"
#include "unit/shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr int kThreads = 8;
constexpr int kLetGo = SIGUSR2;

const AttachedRing* g_ring = nullptr;

/// Ends the thread it runs in, wherever that is: no destructor runs. Not with the ring's lock in
/// hand: that stays with the process, which lives.
void end_this_thread(int) {
  const auto holder = g_ring->header().lock.load() & ~kLockWaiters;
  if (holder != g_ring->self()) syscall(SYS_exit, 0);
}

/// Threads that make one call which waits, and are ended in it.
class EndingThreads {
 public:
  template <class Call>
  EndingThreads(const AttachedRing& ring, Call call) {
    g_ring = &ring;
    struct sigaction action {};
    action.sa_handler = end_this_thread;
    sigaction(kLetGo, &action, nullptr);
    for (std::atomic<pid_t>& number : numbers_) {
      threads_.emplace_back([&number, call] {
        number = static_cast<pid_t>(syscall(SYS_gettid));
        call();
      });
    }
  }
  EndingThreads(const EndingThreads&) = delete;
  EndingThreads& operator=(const EndingThreads&) = delete;
  ~EndingThreads() {
    for (std::thread& thread : threads_) thread.join();
  }

  void end_all() {
    for (std::atomic<pid_t>& number : numbers_) {
      while (number == 0) std::this_thread::yield();
      // A thread that has the lock just then is asked again.
      while (syscall(SYS_tgkill, getpid(), number.load(), kLetGo) == 0) std::this_thread::yield();
    }
  }

 private:
  std::atomic<pid_t> numbers_[kThreads] = {};
  std::vector<std::thread> threads_;
};

template <class Condition>
void wait_until(Condition condition) {
  while (!condition()) std::this_thread::sleep_for(1ms);
}

void expect_closes_in_time(Pair& pair) {
  const std::int64_t start_ns = platform::now_ns();
  pair.producer.close();
  pair.consumer.close();
  std::printf("closed after %.3f s\n", static_cast<double>(platform::now_ns() - start_ns) / 1e9);
  EXPECT_FALSE(pair.name.exists());
}

TEST(ThreadExits, InAWaitForMessages) {
  Pair pair;
  {
    EndingThreads waiting(pair.ring(), [&] { static_cast<void>(pair.consumer.pop_raw()); });
    wait_until([&] { return pair.header().consumer_waits >= kThreads; });
    waiting.end_all();
  }
  for (unsigned number = 0; number < 200; ++number) {
    ASSERT_TRUE(pair.push(number * 100, number));
    pair.expect_pop(number * 100, number);
  }
  expect_consistent(pair.segment());
  expect_closes_in_time(pair);
}

TEST(ThreadExits, InAWaitForRoom) {
  Pair pair(64 * kKibi);
  while (pair.push(9000, 1, 0ms)) {
  }
  const std::uint64_t queued = pair.producer.stats().messages;
  {
    EndingThreads waiting(pair.producer.channel().ring(), [&] { pair.push(60'000, 2, 60s); });
    wait_until([&] { return pair.header().producer_waits >= kThreads; });
    waiting.end_all();
  }
  // On a busy machine one has waited for 20 ms, and has got the relief block.
  const bool relief = pair.producer.stats().messages > queued;
  for (std::uint64_t number = 0; number < queued; ++number) pair.expect_pop(9000, 1);
  if (relief) pair.expect_pop(60'000, 2);
  EXPECT_EQ(pair.producer.stats().messages, 0U);
  for (unsigned number = 0; number < 200; ++number) {
    ASSERT_TRUE(pair.push(50'000, number));
    pair.expect_pop(50'000, number);
  }
  expect_closes_in_time(pair);
}

TEST(ThreadExits, InALoanThatNobodyFinishes) {
  Pair pair(64 * kKibi);
  std::thread borrower([&] {
    const Loan loan = pair.producer.loan(20'000);
    syscall(SYS_exit, 0);
  });
  borrower.join();
  for (unsigned number = 0; number < 50; ++number) {
    ASSERT_TRUE(pair.push(30'000, number));
    pair.expect_pop(30'000, number);
  }
  EXPECT_GE(pair.producer.stats().used_bytes, 20'000U) << "it is the handle's, which lives";
  expect_closes_in_time(pair);
}

/// A process whose first thread has ended looks like a zombie to whoever asks for its number.
TEST(ThreadExits, OfTheMainThreadAreNoDeath) {
  Pair pair;
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(60);
    std::thread writer([&] {
      SharedRingBufferProducer producer(pair.name.get(), 0);
      for (unsigned number = 0;; ++number) producer.push_raw({}, bytes_of(5000, number));
    });
    syscall(SYS_exit, 0);
  }
  wait_until([&] { return pair.consumer.stats().active_producers == 2; });
  pair.producer.close();
  for (unsigned number = 0; number < 5000; ++number) pair.expect_pop(5000, number);
  EXPECT_EQ(pair.consumer.stats().active_producers, 1U);
  EXPECT_EQ(pair.consumer.stats().repaired_deaths, 0U);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  while (pair.consumer.pop_raw(10s)) {
  }
  EXPECT_EQ(pair.consumer.stats().repaired_deaths, 1U);
}

}  // namespace
}  // namespace ipc0cp::testing
