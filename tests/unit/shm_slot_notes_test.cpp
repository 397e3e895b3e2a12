// SPDX-License-Identifier: Apache-2.0
// What a slot tells of the calls of its handle: never of those of the handle that had it before,
// and never of a forked child's.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <thread>

#include "ipc0cp/inspect.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

using inspect::WaitsFor;

bool someone_waits_for_a_message(const std::string& name) {
  for (const inspect::Participant& one : inspect::ring(name).participants) {
    if (one.role == inspect::Role::consumer && one.waits_for == WaitsFor::message) return true;
  }
  return false;
}

void until_someone_waits_for_a_message(const std::string& name) {
  while (!someone_waits_for_a_message(name)) std::this_thread::yield();
}

std::atomic<bool> g_reached{false};
std::atomic<bool> g_go_on{false};

/// Holds the thread of a call where it has no lock, until it may go on.
bool hold_here() {
  g_reached = true;
  while (!g_go_on) std::this_thread::yield();
  return false;
}

TEST(SlotNotes, AThreadThatWakesAfterCloseLeavesTheNextOwnerAlone) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  ConsumerOptions options;
  options.interrupt_check = hold_here;
  SharedRingBufferConsumer stays(name.get(), kMebi);
  SharedRingBufferConsumer first(name.get(), kMebi, options);
  const std::uint32_t slot = shm::slot_of(first.channel().ring().self());
  std::thread late([&] { expect_code(ErrorCode::closed, [&] { first.pop_raw(); }); });
  while (!g_reached) std::this_thread::yield();
  first.close();
  SharedRingBufferConsumer second(name.get(), kMebi);
  ASSERT_EQ(shm::slot_of(second.channel().ring().self()), slot);
  std::thread waits([&] { EXPECT_TRUE(second.pop_raw().has_value()); });
  until_someone_waits_for_a_message(name.get());
  g_go_on = true;
  late.join();
  EXPECT_TRUE(someone_waits_for_a_message(name.get()));
  EXPECT_TRUE(producer.push_raw({}, bytes_of(10)));
  waits.join();
}

TEST(SlotNotes, AClosedHandleWithViewsWaitsForNothing) {
  g_reached = false;
  g_go_on = false;
  Pair pair;
  ConsumerOptions options;
  options.interrupt_check = hold_here;
  auto consumer = pair.another_consumer(options);
  ASSERT_TRUE(pair.push(100 * kKibi));
  const std::optional<Message> view = consumer.pop_raw(5s);
  std::thread late([&] { expect_code(ErrorCode::closed, [&] { consumer.pop_raw(); }); });
  while (!g_reached) std::this_thread::yield();
  EXPECT_TRUE(someone_waits_for_a_message(pair.name.get()));
  consumer.close();
  g_go_on = true;
  late.join();
  for (const inspect::Participant& one : inspect::ring(pair.name.get()).participants) {
    EXPECT_EQ(one.waits_for, WaitsFor::nothing) << one.slot;
    EXPECT_EQ(one.blocked_since_ns, 0) << one.slot;
  }
}

std::atomic<pid_t> g_child{-1};

/// What a signal handler does that forks in the middle of a call.
bool fork_once() {
  if (g_child == -1) g_child = fork();
  return false;
}

TEST(SlotNotes, AForkedChildSaysNothingOfItsParentsCall) {
  ConsumerOptions options;
  options.interrupt_check = fork_once;
  Pair pair(kMebi, {}, options);
  std::thread waits([&] {
    try {
      EXPECT_TRUE(pair.consumer.pop_raw().has_value());
    } catch (const Error& error) {
      _exit(error.code() == ErrorCode::forked_handle ? 0 : 1);  // In the child.
    }
  });
  while (g_child == -1) std::this_thread::yield();
  int status = -1;
  ASSERT_EQ(waitpid(g_child, &status, 0), g_child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(someone_waits_for_a_message(pair.name.get()));
  ASSERT_TRUE(pair.push(10));
  waits.join();
}

TEST(SlotNotes, MomentsThatCannotBeAreNotKnown) {
  const Pair pair;
  constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
  shm::Slot& slot = pair.ring().participants().own_slot();
  slot.attached_ns = kLeast;
  slot.blocked_since_ns = kLeast;
  slot.waits_for = static_cast<std::uint32_t>(shm::Awaited::kMessage);
  pair.header().created_ns = kLeast;
  const inspect::Ring ring = inspect::ring(pair.name.get());
  const auto consumer =
      std::ranges::find(ring.participants, inspect::Role::consumer, &inspect::Participant::role);
  ASSERT_NE(consumer, ring.participants.end());
  EXPECT_EQ(ring.created_ns, 0);
  EXPECT_EQ(consumer->attached_ns, 0);
  EXPECT_EQ(consumer->blocked_since_ns, 0);
  EXPECT_EQ(consumer->waits_for, inspect::WaitsFor::nothing);
}

}  // namespace
}  // namespace ipc0cp::testing
