// SPDX-License-Identifier: Apache-2.0
// Threads that share handles; run under ThreadSanitizer too.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

/// Threads that are joined at the end of the scope.
class Threads {
 public:
  Threads() = default;
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() { join(); }
  template <class Body>
  void start(Body body) {
    threads_.emplace_back(body);
  }
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  std::vector<std::thread> threads_;
};

/// A payload that tells its number.
std::vector<std::byte> numbered(std::size_t bytes, std::uint32_t number) {
  auto payload = bytes_of(bytes, number);
  std::memcpy(payload.data(), &number, sizeof number);
  return payload;
}
std::uint32_t number_of(const Message& message) {
  std::uint32_t number = 0;
  std::memcpy(&number, message.payload().data(), sizeof number);
  return number;
}

struct Sizes {
  std::size_t small;
  std::size_t large;
};
class SharedHandles : public ::testing::TestWithParam<Sizes> {};

TEST_P(SharedHandles, CarryEachMessageExactlyOnce) {
  constexpr std::uint32_t kThreads = 3;
  constexpr std::uint32_t kEach = 400;
  Pair pair(256 * kKibi);
  std::vector<std::atomic<int>> seen(kThreads * kEach);
  Threads writers;
  Threads readers;
  for (std::uint32_t thread = 0; thread < kThreads; ++thread) {
    writers.start([&, thread] {
      for (std::uint32_t count = 0; count < kEach; ++count) {
        const std::uint32_t number = thread * kEach + count;
        const std::size_t bytes = number % 2 == 0 ? GetParam().small : GetParam().large;
        EXPECT_TRUE(pair.producer.push_raw({}, numbered(bytes, number), 60s));
      }
    });
    readers.start([&] {
      while (const std::optional<Message> message = pair.consumer.pop_raw(60s)) {
        const std::uint32_t number = number_of(*message);
        ASSERT_LT(number, seen.size());
        ++seen[number];
        EXPECT_TRUE(equal(message->payload(), numbered(message->payload().size(), number)));
      }
    });
  }
  writers.join();
  pair.producer.close();
  readers.join();
  for (const std::atomic<int>& count : seen) EXPECT_EQ(count, 1);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}
INSTANTIATE_TEST_SUITE_P(Threads, SharedHandles,
                         ::testing::Values(Sizes{8, 900}, Sizes{100, 6000}, Sizes{5000, 60000}));

TEST(ThreadsTest, LoansAndMessagesMayBeGivenBackByOtherThreads) {
  Pair pair(256 * kKibi);
  std::mutex mutex;
  std::vector<Message> messages;
  std::vector<Loan> loans;
  std::atomic<bool> done{false};
  Threads others;
  for (int thread = 0; thread < 2; ++thread) {
    others.start([&] {
      while (!done) {
        std::vector<Message> my_messages;
        std::vector<Loan> my_loans;
        {
          const std::lock_guard guard(mutex);
          my_messages.swap(messages);
          my_loans.swap(loans);
        }
        std::this_thread::yield();
      }
    });
  }
  for (std::uint32_t number = 0; number < 500; ++number) {
    Loan loan = pair.producer.loan(6000, 60s);
    ASSERT_TRUE(pair.producer.push_raw({}, numbered(7000, number), 60s));
    std::optional<Message> message = pair.consumer.pop_raw(60s);
    ASSERT_TRUE(message.has_value());
    EXPECT_EQ(number_of(*message), number);
    const std::lock_guard guard(mutex);
    messages.push_back(std::move(*message));
    loans.push_back(std::move(loan));
  }
  done = true;
  others.join();
  messages.clear();
  loans.clear();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

// ---- closing ------------------------------------------------------------------------------------

/// Runs `call` in threads until each has ended with `closed`.
template <class Call>
void run_until_closed(Threads& threads, std::atomic<int>& ended, Call call) {
  for (int thread = 0; thread < 3; ++thread) {
    threads.start([&ended, call] {
      try {
        while (true) call();
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::closed) << error.what();
      }
      ++ended;
    });
  }
}

TEST(ThreadsTest, CloseEndsBlockedPops) {
  for (int round = 0; round < 20; ++round) {
    Pair pair;
    Threads threads;
    std::atomic<int> ended{0};
    run_until_closed(threads, ended, [&] { pair.consumer.pop_raw(); });
    if (round % 2 == 0) {  // Some rounds close threads that sleep, some that just begin.
      while (pair.header().consumer_waits < 3) std::this_thread::yield();
    }
    pair.consumer.close();
    threads.join();
    EXPECT_EQ(ended, 3);
    EXPECT_FALSE(pair.name.exists());
  }
}

TEST(ThreadsTest, CloseEndsBlockedPushes) {
  for (int round = 0; round < 20; ++round) {
    Pair pair(64 * kKibi);
    pair.push(64 * kKibi);
    Threads threads;
    std::atomic<int> ended{0};
    run_until_closed(threads, ended, [&] { pair.producer.push_raw({}, bytes_of(5000)); });
    if (round % 2 == 0) {
      while (pair.header().producer_waits < 3) std::this_thread::yield();
    }
    pair.producer.close();
    threads.join();
    EXPECT_EQ(ended, 3);
    EXPECT_EQ(pair.consumer.stats().active_producers, 0U);
    pair.expect_pop(64 * kKibi);
    // Who waited long may have got the relief block; what was accepted arrives.
    while (const std::optional<Message> message = pair.consumer.pop_raw(60s)) {
      EXPECT_EQ(message->payload().size(), 5000U);
    }
  }
}

TEST(ThreadsTest, CloseInTheMiddleOfTraffic) {
  for (int round = 0; round < 10; ++round) {
    Pair pair(256 * kKibi);
    auto last_consumer = pair.another_consumer();
    Threads threads;
    std::atomic<int> ended{0};
    std::atomic<int> popped{0};
    run_until_closed(threads, ended, [&] {
      static_cast<void>(pair.producer.push_raw({}, bytes_of(popped % 2 == 0 ? 100 : 9000)));
    });
    run_until_closed(threads, ended, [&] {
      if (pair.consumer.pop_raw()) ++popped;
    });
    while (popped < 200) std::this_thread::yield();
    if (round % 2 == 0) {
      pair.consumer.close();
      while (last_consumer.stats().messages > 10) static_cast<void>(last_consumer.pop_raw(60s));
      pair.producer.close();
    } else {
      pair.producer.close();
      pair.consumer.close();
    }
    threads.join();
    EXPECT_EQ(ended, 6);
    while (last_consumer.pop_raw(60s)) {
    }
    const RingStats stats = last_consumer.stats();
    EXPECT_EQ(stats.used_bytes, 0U);
    EXPECT_EQ(stats.active_producers, 0U);
    EXPECT_EQ(stats.active_consumers, 1U);
    expect_consistent(last_consumer.channel().ring().segment());
  }
}

TEST(ThreadsTest, SeveralThreadsMayCloseOneHandle) {
  for (int round = 0; round < 20; ++round) {
    Pair pair;
    Threads threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.start([&] { pair.consumer.close(); });
    }
    threads.join();
    EXPECT_TRUE(pair.consumer.closed());
    EXPECT_FALSE(pair.name.exists());
  }
}

TEST(ThreadsTest, LastMessageGoesWhileTheHandleCloses) {
  for (int round = 0; round < 100; ++round) {
    Pair pair;
    pair.push(9000);
    auto other = pair.another_consumer();
    std::optional<Message> view = pair.consumer.pop_raw(60s);
    Threads threads;
    threads.start([&] { view.reset(); });
    threads.start([&] { pair.consumer.close(); });
    threads.join();
    EXPECT_EQ(other.stats().active_consumers, 1U);
    EXPECT_EQ(other.stats().used_bytes, 0U);
  }
}

TEST(ThreadsTest, CloseAllHandlesEndsEveryBlockedCall) {
  Pair pair;
  auto second = pair.another_consumer();
  Threads threads;
  std::atomic<int> ended{0};
  run_until_closed(threads, ended, [&] { pair.consumer.pop_raw(); });
  run_until_closed(threads, ended, [&] { second.pop_raw(); });
  while (pair.header().consumer_waits < 6) std::this_thread::yield();
  close_all_handles();
  threads.join();
  EXPECT_EQ(ended, 6);
  EXPECT_TRUE(pair.producer.closed());
}

TEST(ThreadsTest, StatsNeverDisturbTraffic) {
  Pair pair(256 * kKibi);
  const std::uint64_t most_bytes = 256 * kKibi + pair.segment().geometry().relief_bytes;
  std::atomic<bool> done{false};
  Threads watchers;
  watchers.start([&] {
    while (!done) {
      const RingStats stats = pair.consumer.stats();
      EXPECT_LE(stats.messages, stats.pushed);
      EXPECT_LE(stats.used_bytes, most_bytes);
    }
  });
  Threads traffic;
  traffic.start([&] {
    for (std::uint32_t number = 0; number < 2000; ++number) {
      EXPECT_TRUE(pair.producer.push_raw({}, numbered(number % 2 == 0 ? 64 : 5000, number), 60s));
    }
    pair.producer.close();
  });
  std::uint32_t expected = 0;
  while (const std::optional<Message> message = pair.consumer.pop_raw(60s)) {
    ASSERT_EQ(number_of(*message), expected++);
  }
  done = true;
  EXPECT_EQ(expected, 2000U);
}

}  // namespace
}  // namespace ipc0cp::testing
