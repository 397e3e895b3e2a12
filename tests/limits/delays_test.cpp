// SPDX-License-Identifier: Apache-2.0
// How long others are held up by a death or a stop. The worst figures are printed, beside what is
// promised on an idle machine; only a watchdog bounds them here, because others work beside us.
#include <signal.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <future>
#include <new>
#include <thread>
#include <vector>

#include "ipc0cp/exit.hpp"
#include "platform/clock.hpp"
#include "storm/processes.hpp"
#include "unit/subscribers.hpp"

namespace ipc0cp::testing {
namespace {

using storm::Child;

constexpr double kWatchdogMs = 10'000;

double ms_since(std::int64_t start_ns) {
  return static_cast<double>(platform::now_ns() - start_ns) / 1e6;
}

/// Delays of one kind, printed when all are there.
class Delays {
 public:
  Delays(const char* what, double promised_ms) : what_(what), promised_ms_(promised_ms) {}
  Delays(const Delays&) = delete;
  Delays& operator=(const Delays&) = delete;
  ~Delays() {
    std::sort(ms_.begin(), ms_.end());
    std::printf("%-52s %3zu x, median %8.3f ms, worst %8.3f ms, promised %5.0f ms\n", what_,
                ms_.size(), ms_[ms_.size() / 2], ms_.back(), promised_ms_);
  }
  void add(double ms) {
    EXPECT_LT(ms, kWatchdogMs) << what_;
    ms_.push_back(ms);
  }

 private:
  const char* what_;
  double promised_ms_;
  std::vector<double> ms_;
};

/// A child that does something with the ring, says so, and stays.
class Staying {
 public:
  template <class Work>
  explicit Staying(Work work, bool is_ready = true)
      : ready_(shared_flag()),
        child_(
            [&] {
              work([this] {
                ready_ = true;
                std::this_thread::sleep_for(60s);
              });
            },
            false) {
    if (is_ready) wait_until_ready();
  }
  Staying(const Staying&) = delete;
  Staying& operator=(const Staying&) = delete;
  ~Staying() { munmap(&ready_, sizeof ready_); }

  void wait_until_ready() const {
    while (!ready_) std::this_thread::yield();
  }
  /// Its token is free from the returned moment on at the latest.
  std::int64_t kill() {
    child_.kill();
    EXPECT_EQ(child_.wait(), storm::End::killed);
    return platform::now_ns();
  }
  Child& child() { return child_; }

 private:
  static std::atomic<bool>& shared_flag() {
    void* memory = mmap(nullptr, sizeof(std::atomic<bool>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return *new (memory) std::atomic<bool>(false);
  }

  std::atomic<bool>& ready_;
  Child child_;
};

/// Joins and takes the ring's lock for good.
auto lock_holder(const Pair& pair) {
  return [&pair](auto stay) {
    auto consumer = pair.another_consumer();
    while (consumer.channel().ring().try_lock() != ErrorCode::ok) {
    }
    stay();
  };
}

// ---- deaths: P2 and P9 --------------------------------------------------------------------------

class DelaysTest : public ::testing::Test {
 protected:
  DelaysTest() { set_log_level(LogLevel::error); }  // Each death has its line.
};

TEST_F(DelaysTest, OfAPushWhoseLockHolderIsKilled) {
  Delays delays("push after the death of the lock's holder", 20);
  Pair pair;
  for (unsigned round = 0; round < 50; ++round) {
    Staying victim(lock_holder(pair));
    auto pushing = std::async(std::launch::async, [&] {
      EXPECT_TRUE(pair.push(100, round, 10s));
      return platform::now_ns();
    });
    while ((pair.header().lock.load() & kLockWaiters) == 0) std::this_thread::yield();
    const std::int64_t dead_ns = victim.kill();
    delays.add(static_cast<double>(std::max<std::int64_t>(0, pushing.get() - dead_ns)) / 1e6);
    pair.expect_pop(100, round);
  }
  EXPECT_EQ(pair.consumer.stats().repaired_deaths, 50U);
}

TEST_F(DelaysTest, OfAPushThatWaitsForRoomOfTheDead) {
  Delays delays("push into room that the dead held", 60);
  for (unsigned round = 0; round < 20; ++round) {
    Pair pair(64 * kKibi);
    ASSERT_TRUE(pair.push(60'000, 1));
    Staying victim([&](auto stay) {
      auto consumer = pair.another_consumer();
      const auto view = consumer.pop_raw(5s);
      stay();
    });
    ASSERT_TRUE(pair.push(60'000, 2)) << "the relief block";
    auto pushing = std::async(std::launch::async, [&] {
      EXPECT_TRUE(pair.push(60'000, 3, 10s));
      return platform::now_ns();
    });
    const std::uint64_t waits = pair.header().producer_waits;
    while (pair.header().producer_waits < waits + 2) std::this_thread::yield();
    const std::int64_t dead_ns = victim.kill();
    delays.add(static_cast<double>(std::max<std::int64_t>(0, pushing.get() - dead_ns)) / 1e6);
  }
}

TEST_F(DelaysTest, OfAMessageThatComesBackFromTheDead) {
  Delays delays("pop of a message whose consumer was killed", 60);
  Pair pair(64 * kKibi, {.redeliver = true});
  for (unsigned round = 0; round < 20; ++round) {
    ASSERT_TRUE(pair.push(9000, round));
    Staying victim([&](auto stay) {
      auto consumer = pair.another_consumer();
      const auto message = consumer.pop_raw(5s);
      stay();
    });
    const std::uint64_t waits = pair.header().consumer_waits;
    auto popping = std::async(std::launch::async, [&] {
      pair.expect_pop(9000, round);
      const std::int64_t popped_ns = platform::now_ns();
      pair.consumer.done();  // No later pop of this thread does it.
      return popped_ns;
    });
    while (pair.header().consumer_waits == waits) std::this_thread::yield();
    const std::int64_t dead_ns = victim.kill();
    delays.add(static_cast<double>(std::max<std::int64_t>(0, popping.get() - dead_ns)) / 1e6);
  }
}

TEST_F(DelaysTest, OfTheEndOfTheStream) {
  Delays soon("end of stream after the last producer was killed", 250);
  Delays late("the same for a consumer that has idled for 3 s", 250);
  for (int round = 0; round < 22; ++round) {
    const bool has_idled = round >= 20;
    RingName ring;
    SharedRingBufferConsumer consumer(ring.get(), 64 * kKibi);
    Staying victim([&](auto stay) {
      SharedRingBufferProducer producer(ring.get(), 0);
      producer.push_raw({}, bytes_of(100, 7));
      stay();
    });
    auto popping = std::async(std::launch::async, [&] {
      EXPECT_TRUE(equal(consumer.pop_raw(10s)->payload(), bytes_of(100, 7)));
      EXPECT_FALSE(consumer.pop_raw(20s).has_value());
      return platform::now_ns();
    });
    const Header& header = consumer.channel().ring().header();
    while (header.consumer_waits == 0) std::this_thread::yield();
    if (has_idled) std::this_thread::sleep_for(3s);
    const std::int64_t dead_ns = victim.kill();
    const double ms = static_cast<double>(std::max<std::int64_t>(0, popping.get() - dead_ns)) / 1e6;
    (has_idled ? late : soon).add(ms);
  }
}

// ---- a stopped process: P5 ----------------------------------------------------------------------

TEST_F(DelaysTest, BesideAStoppedHolderOfTheLock) {
  Delays push("push beyond its time-out of 50 ms", 10);
  Delays pop("pop beyond its time-out of 50 ms", 10);
  Delays release("letting go of a view", 10);
  Delays loan("letting go of a loan", 10);
  Delays close("close", 1010);
  Delays again("push and pop after its death", 20);
  for (unsigned round = 0; round < 5; ++round) {
    Pair pair;
    pair.push(9000, 1);
    std::optional<Message> view = pair.consumer.pop_raw(5s);
    std::optional<Loan> lent = pair.producer.loan(5000, 5s);
    auto closing = pair.another_producer();
    Staying victim(lock_holder(pair));
    victim.child().stop();
    for (int call = 0; call < 5; ++call) {
      std::int64_t start_ns = platform::now_ns();
      EXPECT_FALSE(pair.push(100, 1, 50ms));
      push.add(ms_since(start_ns) - 50);
      start_ns = platform::now_ns();
      expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(50ms); });
      pop.add(ms_since(start_ns) - 50);
    }
    std::int64_t start_ns = platform::now_ns();
    view.reset();
    release.add(ms_since(start_ns));
    start_ns = platform::now_ns();
    lent.reset();
    loan.add(ms_since(start_ns));
    start_ns = platform::now_ns();
    closing.close();
    close.add(ms_since(start_ns));
    victim.kill();
    start_ns = platform::now_ns();
    pair.push(100, 2, 10s);
    pair.expect_pop(100, 2);
    again.add(ms_since(start_ns));
    EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  }
}

TEST_F(DelaysTest, OfCallsThatNeverWaitBesideAStoppedHolder) {
  Delays delays("a call that never waits", 10);
  Pair pair;
  const auto small = bytes_of(100);
  const auto large = bytes_of(100'000);
  const RawMessage raw{{}, small};
  std::vector<std::byte> rows(200);
  ProducerOptions never_blocks;
  never_blocks.blocking = false;
  auto producer = pair.another_producer(never_blocks);
  ASSERT_TRUE(pair.push(100, 1));
  Staying victim(lock_holder(pair));
  victim.child().stop();
  const auto measure = [&](auto call) {
    const std::int64_t start_ns = platform::now_ns();
    call();
    delays.add(ms_since(start_ns));
  };
  for (int round = 0; round < 3; ++round) {
    for (const auto* payload : {&small, &large}) {
      measure([&] { EXPECT_FALSE(pair.producer.try_push_raw({}, *payload)); });
      measure([&] { EXPECT_FALSE(pair.producer.push_raw({}, *payload, 0s)); });
      measure([&] { EXPECT_FALSE(producer.push_raw({}, *payload)); });
    }
    measure([&] { EXPECT_EQ(pair.producer.push_many_raw({&raw, 1}, 0s), 0U); });
    measure([&] { EXPECT_EQ(pair.producer.push_rows({}, rows, 100, 0s), 0U); });
    measure([&] { expect_code(ErrorCode::timeout, [&] { pair.producer.loan(9000, 0s); }); });
    measure([&] { expect_code(ErrorCode::buffer_empty, [&] { pair.consumer.try_pop_raw(); }); });
    measure([&] { expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(0s); }); });
    measure([&] { expect_code(ErrorCode::timeout, [&] { pair.consumer.peek(0s); }); });
    measure([&] { expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_many_raw(9, 0s); }); });
  }
  victim.kill();
  pair.expect_pop(100, 1);
  EXPECT_EQ(pair.consumer.stats().messages, 0U);
}

TEST_F(DelaysTest, OfPushesBesideAStoppedSubscriberThatLetsGo) {
  Delays push("push beside a stopped subscriber that lets go", 10);
  Pair pair(64 * kKibi);
  Staying victim(
      [&](auto stay) {
        auto subscriber = pair.another_consumer(subscribing(Overflow::drop_oldest));
        const auto view = subscriber.pop_raw(5s);  // It keeps one message in hand.
        stay();
      },
      false);
  while (pair.consumer.stats().active_subscribers == 0) std::this_thread::yield();
  ASSERT_TRUE(pair.push(9000, 0));
  victim.wait_until_ready();
  victim.child().stop();
  pair.expect_pop(9000, 0);
  for (unsigned round = 1; round < 500; ++round) {
    const std::size_t bytes = round % 3 == 0 ? 9000 : 3000;
    const std::int64_t start_ns = platform::now_ns();
    ASSERT_TRUE(pair.push(bytes, round, 10s));
    push.add(ms_since(start_ns));
    pair.expect_pop(bytes, round);
  }
  victim.kill();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

TEST_F(DelaysTest, OfAPushThatGrowsTheRingBesideAStoppedHolder) {
  Delays delays("the same, with the lock lost while memory is reserved", 10);
  constexpr std::size_t kLarge = 512 * kMebi;
  for (int round = 0; round < 3; ++round) {
    Pair pair(2 * kLarge);
    ASSERT_TRUE(pair.push(100, 1));
    const std::uint64_t mark = pair.header().main_mark;
    const std::vector<std::byte> payload(kLarge);
    Staying victim(
        [&](auto stay) {
          auto consumer = pair.another_consumer();
          while (pair.header().main_mark < mark + 8 * kMebi) std::this_thread::yield();
          while (consumer.channel().ring().try_lock() != ErrorCode::ok) {
          }
          stay();
        },
        /*is_ready=*/false);
    auto pushing = std::async(std::launch::async, [&] {
      EXPECT_FALSE(pair.producer.try_push_raw({}, payload));
      return platform::now_ns();
    });
    victim.wait_until_ready();
    victim.child().stop();
    const std::int64_t stopped_ns = platform::now_ns();
    const std::int64_t late_ns = std::max<std::int64_t>(0, pushing.get() - stopped_ns);
    delays.add(static_cast<double>(late_ns) / 1e6);
    victim.kill();
    pair.expect_pop(100, 1);
    expect_consistent(pair.segment());
    EXPECT_TRUE(pair.producer.push_raw({}, payload, 60s))
        << "the piece given up is wilderness again";
  }
}

TEST_F(DelaysTest, OfClosingManyHandlesBesideAStoppedHolder) {
  Delays delays("close_all_handles with 16 handles", 1000);
  Pair pair;
  std::vector<SharedRingBufferProducer> handles;
  for (int count = 0; count < 14; ++count) handles.push_back(pair.another_producer());
  Staying victim(lock_holder(pair));
  victim.child().stop();
  const std::int64_t start_ns = platform::now_ns();
  close_all_handles();
  delays.add(ms_since(start_ns));
}

// ---- growth -------------------------------------------------------------------------------------

/// A message of the whole ring used to be reserved in one go, and nobody else could grow meanwhile.
TEST_F(DelaysTest, OfPushesWhileAnotherProducerGrowsTheRing) {
  Delays delays("a small push while 1 GiB is reserved", 10);
  Pair pair(1024 * kMebi);
  auto large = std::async(std::launch::async, [&] {
    const std::optional<Loan> lent = pair.another_producer().loan(1000 * kMebi, 60s);
    return pair.header().main_mark.load();
  });
  while (pair.header().growing == kNone) std::this_thread::yield();
  std::uint64_t pushed_meanwhile = 0;
  while (large.wait_for(0s) != std::future_status::ready) {
    const std::int64_t start_ns = platform::now_ns();
    if (!pair.producer.try_push_raw({}, bytes_of(100'000))) continue;
    delays.add(ms_since(start_ns));
    EXPECT_TRUE(pair.consumer.pop_raw(5s).has_value());
    pushed_meanwhile += 1;
  }
  EXPECT_GE(large.get(), 1000 * kMebi);
  EXPECT_GT(pushed_meanwhile, 10U);
}

/// Memory is given back in pieces as small as those in which it is taken.
TEST_F(DelaysTest, OfPushesWhileMemoryIsGivenBack) {
  Delays delays("a small push while 1 GiB is given back", 10);
  Pair pair(1024 * kMebi);
  const std::vector<std::byte> payload = bytes_of(100'000);
  std::uint64_t pushed_meanwhile = 0;
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(pair.producer.loan(1000 * kMebi, 60s).active());
    auto trimmed = std::async(std::launch::async, [&] { return pair.consumer.trim(); });
    while (trimmed.wait_for(0s) != std::future_status::ready) {
      const std::int64_t start_ns = platform::now_ns();
      const bool pushed = pair.producer.try_push_raw({}, payload);
      delays.add(ms_since(start_ns));
      ASSERT_TRUE(pushed) << "the ring is empty";
      EXPECT_TRUE(pair.consumer.pop_raw(5s).has_value());
      pushed_meanwhile += 1;
    }
    EXPECT_GE(trimmed.get() + pair.producer.trim(), 900 * kMebi);
  }
  EXPECT_GT(pushed_meanwhile, 10U);
}

}  // namespace
}  // namespace ipc0cp::testing
