// SPDX-License-Identifier: Apache-2.0
#include "shm/waiting.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

#include "platform/clock.hpp"
#include "platform/processors.hpp"
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

/// Spins of a waiter that stays on one processor, until they are used up.
class SpinBudgetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(platform::current_processor() - 1, &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    here_ = platform::current_processor();
  }
  void TearDown() override { sched_setaffinity(0, sizeof before_, &before_); }

  /// How often a waiter for a peer on `processor` looks.
  int polls(SpinBudget& budget, std::uint32_t processor) {
    header_.pushed_on = processor;
    int count = 0;
    EXPECT_FALSE(budget.spin(header_.pushed_on, [&] {
      ++count;
      return false;
    }));
    return count;
  }

  Header header_{};
  std::uint32_t here_ = 0;

 private:
  cpu_set_t before_{};
};

TEST_F(SpinBudgetTest, ShrinksWithLongSleepsAndComesBack) {
  SpinBudget budget(header_, {.count = 4});
  const std::int64_t full = budget.nanoseconds();
  for (int sleep = 0; sleep < 100; ++sleep) budget.slept(platform::kSecond);
  EXPECT_EQ(budget.nanoseconds(), 0) << "an idle handle does not spin";
  EXPECT_EQ(polls(budget, 0), 1);
  // What ended soon after is worth a spin again.
  budget.slept(1'000);
  EXPECT_GT(polls(budget, 0), 1);
  for (int hit = 0; hit < 100; ++hit)
    EXPECT_TRUE(budget.spin(header_.pushed_on, [] { return true; }));
  EXPECT_EQ(budget.nanoseconds(), full);
}

TEST_F(SpinBudgetTest, IsLessWithMoreParticipantsThanProcessors) {
  SpinBudget budget(header_, {.count = 4});
  header_.producers = 1;
  const std::int64_t alone = budget.nanoseconds();
  header_.consumers = 3;
  EXPECT_EQ(budget.nanoseconds(), alone);
  header_.producers = 13;
  EXPECT_LT(budget.nanoseconds(), alone);
}

TEST_F(SpinBudgetTest, IsShortWithAQuota) {
  const SpinBudget rationed(header_, {.count = 4, .rationed = true});
  EXPECT_LT(rationed.nanoseconds(), SpinBudget(header_, {.count = 4}).nanoseconds() / 10);
  SpinBudget budget(header_, {.count = 4, .rationed = true});
  EXPECT_GT(polls(budget, here_ + 1), 1);
}

TEST_F(SpinBudgetTest, NeverOnASingleProcessor) {
  SpinBudget budget(header_, {.count = 1});
  for (int wait = 0; wait < 2'000; ++wait) EXPECT_EQ(polls(budget, here_ + 1), 1);
}

/// It works only once we sleep; a rare spin lets the scheduler see that two want to run.
TEST_F(SpinBudgetTest, OnceIn512WaitsForAPeerOnOurOwnProcessor) {
  SpinBudget budget(header_, {.count = 2});
  EXPECT_GT(polls(budget, 0), 1) << "nothing is known yet";
  EXPECT_GT(polls(budget, here_ + 1), 1) << "the peer works elsewhere";
  const std::int64_t full = budget.nanoseconds();
  int spins = 0;
  for (int wait = 0; wait < 5 * 512; ++wait) {
    spins += polls(budget, here_) > 1 ? 1 : 0;
    budget.slept(200 * platform::kMillisecond);
  }
  EXPECT_EQ(spins, 5);
  EXPECT_GT(budget.nanoseconds(), full / 5) << "only sleeps after a spin count";
  EXPECT_GT(polls(budget, here_ + 1), 1) << "the peer has been moved";
}

}  // namespace
}  // namespace ipc0cp::shm
