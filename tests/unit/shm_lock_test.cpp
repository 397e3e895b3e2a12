// SPDX-License-Identifier: Apache-2.0
#include "shm/lock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "platform/clock.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

using platform::deadline_after;
using platform::kForever;
using platform::kMillisecond;

class LockTest : public ::testing::Test {
 protected:
  std::atomic<std::uint32_t>& word() { return ring_.header().lock; }
  Lock& lock() { return lock_; }
  BareRing ring_;
  Lock lock_{ring_.header().lock, ring_.attached->participants()};
};

TEST_F(LockTest, NamesItsOwner) {
  EXPECT_EQ(lock().acquire(kForever), Lock::Outcome::acquired);
  EXPECT_EQ(word(), ring_.self());
  EXPECT_FALSE(lock().try_acquire());
  EXPECT_TRUE(lock().release());
  EXPECT_EQ(word(), 0U);
}

TEST_F(LockTest, IsTakenOverFromADeadOwner) {
  const Owner dead = ring_.dead_owner();
  word() = dead;
  EXPECT_EQ(lock().acquire(kForever), Lock::Outcome::taken_over);
  EXPECT_EQ(word() & ~kLockWaiters, ring_.self());
  EXPECT_TRUE(lock().release());
  EXPECT_EQ(word(), 0U);
}

TEST_F(LockTest, IsTakenOverFromAnOlderIncarnation) {
  const Owner dead = ring_.dead_owner();
  const auto successor = ring_.join(Role::kProducer);
  ASSERT_EQ(slot_of(successor->self()), slot_of(dead));
  word() = dead | kLockWaiters;
  EXPECT_EQ(lock().acquire(kForever), Lock::Outcome::taken_over);
}

TEST_F(LockTest, IsNeverTakenFromTheLiving) {
  const auto other = ring_.join(Role::kProducer);
  word() = other->self();
  EXPECT_EQ(lock().acquire(deadline_after(60 * kMillisecond)), Lock::Outcome::timed_out);
  EXPECT_EQ(word() & ~kLockWaiters, other->self());
}

TEST_F(LockTest, IsNotTakenFromAnotherThreadOfThisHandle) {
  ASSERT_TRUE(lock().try_acquire());
  EXPECT_EQ(lock().acquire(deadline_after(30 * kMillisecond)), Lock::Outcome::timed_out);
  EXPECT_TRUE(lock().release());
}

TEST_F(LockTest, ForeignWordIsNotStoredOver) {
  const auto other = ring_.join(Role::kProducer);
  for (const std::uint32_t foreign : {other->self(), other->self() | kLockWaiters, 0U}) {
    word() = foreign;
    EXPECT_FALSE(lock().release());
    EXPECT_EQ(word(), foreign);
  }
}

TEST_F(LockTest, DeadlineOfThePastTimesOut) {
  const auto other = ring_.join(Role::kProducer);
  word() = other->self();
  EXPECT_EQ(lock().acquire(0), Lock::Outcome::timed_out);
}

TEST_F(LockTest, ATimeOutLeavesTheFlagForThoseWhoSleepOn) {
  const auto other = ring_.join(Role::kProducer);
  word() = other->self();  // Got the lock without the flag, when our wake was on its way.
  EXPECT_EQ(lock().acquire(0), Lock::Outcome::timed_out);
  EXPECT_EQ(word(), other->self() | kLockWaiters);
}

TEST_F(LockTest, WakesASleeperOfAnotherHandle) {
  const auto other = ring_.join(Role::kProducer);
  Lock others_lock(word(), *other);
  ASSERT_TRUE(lock().try_acquire());
  std::thread waiter([&] {
    EXPECT_EQ(others_lock.acquire(kForever), Lock::Outcome::acquired);
    EXPECT_TRUE(others_lock.release());
  });
  while ((word() & kLockWaiters) == 0) std::this_thread::yield();
  EXPECT_TRUE(lock().release());
  waiter.join();
  EXPECT_EQ(word(), 0U);
}

TEST_F(LockTest, ExcludesThreadsOfOneAndOfSeveralHandles) {
  constexpr int kRounds = 5000;
  const auto second = ring_.join(Role::kProducer);
  const auto third = ring_.join(Role::kProducer);
  Lock second_lock(word(), *second);
  Lock third_lock(word(), *third);
  std::int64_t counter = 0;  // Plain on purpose: only the lock protects it.
  std::vector<std::thread> threads;
  for (Lock* each : {&lock(), &lock(), &second_lock, &third_lock}) {
    threads.emplace_back([each, &counter] {
      for (int round = 0; round < kRounds; ++round) {
        if (each->acquire(kForever) != Lock::Outcome::acquired) return;
        ++counter;
        if (!each->release()) return;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter, 4 * kRounds);
}

TEST_F(LockTest, OnlyOneOfManyTakesOver) {
  const auto second = ring_.join(Role::kProducer);
  Lock second_lock(word(), *second);
  word() = ring_.dead_owner();
  std::atomic<int> taken_over{0};
  std::vector<std::thread> threads;
  for (Lock* each : {&lock(), &second_lock, &lock(), &second_lock}) {
    threads.emplace_back([each, &taken_over] {
      if (each->acquire(kForever) == Lock::Outcome::taken_over) ++taken_over;
      EXPECT_TRUE(each->release());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(taken_over, 1);
}

// ---- through an attached ring: taking over means recovering
// --------------------------------------------

TEST_F(LockTest, TakeOverRecovers) {
  const Owner dead = ring_.dead_owner();
  ring_.put(0, State::kLoaned, dead, 0, 5000);
  word() = dead;
  EXPECT_EQ(ring_.attached->lock(kForever), ErrorCode::ok);
  EXPECT_EQ(ring_.state(0), State::kFree);
  EXPECT_EQ(ring_.header().repaired_deaths, 1U);
  EXPECT_EQ(ring_.attached->unlock(), ErrorCode::ok);
}

TEST_F(LockTest, RefusedHandleTakesNothingOver) {
  const Owner dead = ring_.dead_owner();
  ring_.put(0, State::kLoaned, dead, 0, 5000);
  word() = dead;
  ring_.attached->refuse(ErrorCode::closed);
  EXPECT_EQ(ring_.attached->lock(kForever), ErrorCode::closed);
  EXPECT_EQ(word(), dead) << "a handle whose token may be gone must not recover";
  EXPECT_EQ(ring_.state(0), State::kLoaned);
}

TEST_F(LockTest, EnteringADamagedRingIsRefusedAndLeavesItUnlocked) {
  ring_.header().damaged = 1;
  EXPECT_EQ(ring_.attached->lock(kForever), ErrorCode::corrupt_buffer);
  EXPECT_EQ(word(), 0U);
}

TEST_F(LockTest, LeavingWithAForeignWordIsCorruptBuffer) {
  ASSERT_EQ(ring_.attached->lock(kForever), ErrorCode::ok);
  const auto other = ring_.join(Role::kProducer);
  word() = other->self();
  EXPECT_EQ(ring_.attached->unlock(), ErrorCode::corrupt_buffer);
  EXPECT_EQ(word(), other->self());
  EXPECT_FALSE(ring_.attached->keeps_token());
  EXPECT_EQ(ring_.header().recovery_wanted, 1U) << "both may have had the lock";
}

}  // namespace
}  // namespace ipc0cp::testing
