// SPDX-License-Identifier: Apache-2.0
#include "shm/waiting.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "platform/clock.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLong = 20 * platform::kSecond;

TEST(Event, AnnouncementStaysUntilAWakerFindsNobody) {
  std::atomic<std::uint32_t> word{0};
  Event event(word);
  EXPECT_FALSE(event.someone_waits());
  const std::uint32_t announced = event.announce();
  EXPECT_EQ(announced & kEventWaiters, kEventWaiters);
  EXPECT_EQ(event.announce(), announced);
  EXPECT_TRUE(event.someone_waits());
  event.wake_one();
  EXPECT_FALSE(event.someone_waits()) << "nobody slept, so W is cleared";
  EXPECT_NE(word, announced & ~kEventWaiters) << "a sequence that did not move wakes nobody";
}

TEST(Event, AnAnnouncedValueNeverComesBack) {
  std::atomic<std::uint32_t> word{0};
  Event event(word);
  const std::uint32_t first = event.announce();
  event.wake_one();                         // Wakes nobody, so W is cleared.
  const std::uint32_t between = first + 2;  // As announced while the waker looks for sleepers.
  const std::uint32_t second = event.announce();
  EXPECT_NE(second, between) << "would fall asleep on a wake that came while W was clear";
  event.wake_one();
  event.sleep(second, kLong);
}

TEST(Event, WithoutAnnouncementAWakeTouchesNothing) {
  std::atomic<std::uint32_t> word{8};
  Event event(word);
  event.wake_one();
  event.wake_all();
  EXPECT_EQ(word, 8U);
}

TEST(Event, SleepEndsAtOnceIfTheWakeCameBefore) {
  std::atomic<std::uint32_t> word{0};
  Event event(word);
  const std::uint32_t announced = event.announce();
  event.wake_one();
  event.sleep(announced, kLong);  // The test's time-out would tell.
}

TEST(Event, SleepEndsAtItsDeadline) {
  std::atomic<std::uint32_t> word{0};
  Event event(word);
  const std::int64_t start_ns = platform::now_ns();
  event.sleep(event.announce(), 5 * platform::kMillisecond);
  EXPECT_GE(platform::now_ns() - start_ns, 4 * platform::kMillisecond);
}

/// Waiters that follow the rules: announce, look, sleep.
template <class Wake>
void wake_sleepers(int sleepers, Wake wake) {
  std::atomic<std::uint32_t> word{0};
  std::atomic<int> tickets{0};
  std::atomic<int> served{0};
  Event event(word);
  std::vector<std::thread> threads;
  for (int sleeper = 0; sleeper < sleepers; ++sleeper) {
    threads.emplace_back([&] {
      while (true) {
        const std::uint32_t announced = event.announce();
        int left = tickets.load();
        if (left > 0 && tickets.compare_exchange_strong(left, left - 1)) break;
        event.sleep(announced, kLong);
      }
      ++served;
      event.wake_one();  // Passed on, as every waiter does.
    });
  }
  for (int ticket = 0; ticket < sleepers; ++ticket) {
    ++tickets;
    wake(event);
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, sleepers);
}

TEST(Event, NoWakeIsLostOneByOne) {
  for (int round = 0; round < 200; ++round) {
    wake_sleepers(3, [](Event& event) { event.wake_one(); });
  }
}

TEST(Event, NoWakeIsLostAllAtOnce) {
  for (int round = 0; round < 200; ++round) {
    wake_sleepers(3, [](Event& event) { event.wake_all(); });
  }
}

TEST(SpinBudget, ShrinksWithLongSleepsAndGrowsWithHits) {
  SpinBudget budget(4);
  const std::int64_t full = budget.nanoseconds(1);
  for (int sleep = 0; sleep < 100; ++sleep) budget.slept(platform::kSecond);
  EXPECT_EQ(budget.nanoseconds(1), 0) << "an idle handle does not spin";
  for (int hit = 0; hit < 100; ++hit) budget.hit();
  EXPECT_EQ(budget.nanoseconds(1), full);
}

TEST(SpinBudget, IsLessWithMoreParticipantsThanProcessors) {
  SpinBudget budget(4);
  EXPECT_EQ(budget.nanoseconds(4), budget.nanoseconds(1));
  EXPECT_LT(budget.nanoseconds(16), budget.nanoseconds(4));
  EXPECT_EQ(SpinBudget(1).nanoseconds(1), 0);
}

}  // namespace
}  // namespace ipc0cp::shm
