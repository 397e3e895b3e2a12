// SPDX-License-Identifier: Apache-2.0
// recover() on states written straight into memory, as a death at some instant leaves them.
#include "shm/recovery.hpp"

#include <gtest/gtest.h>

#include <random>
#include <tuple>

#include "shm_invariants.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::uint64_t kKibi = 1024;

// ---- every state, with a dead and with a living owner -------------------------------------------

struct StateCase {
  State state;
  bool owner_lives;
  bool redeliver;
  State expected;
  std::uint64_t lost;
};

class EveryState : public ::testing::TestWithParam<StateCase> {};

TEST_P(EveryState, IsSettledByItsOwnersLife) {
  const StateCase& row = GetParam();
  const BareRing ring(64 * kKibi, 16, row.redeliver ? kOptionRedeliver : 0);
  const auto other = ring.join(Role::kConsumer);
  const Owner owner = row.state == State::kReady ? 0 : other->self();
  ring.put(3, row.state, owner, 8 * kKibi, 5 * kKibi, 11, 1);
  if (!row.owner_lives) BareRing::kill(*other);
  const RecoveryReport report = ring.recover();
  EXPECT_EQ(ring.state(3), row.expected);
  EXPECT_EQ(ring.header().lost, row.lost);
  EXPECT_EQ(report.lost_messages, row.lost);
  EXPECT_EQ(report.deaths, row.owner_lives ? 0U : 1U);
  EXPECT_EQ(ring.header().repaired_deaths, row.owner_lives ? 0U : 1U);
  EXPECT_FALSE(report.damaged);
  EXPECT_EQ(ring.header().queued, row.expected == State::kReady ? 1U : 0U);
  expect_consistent(ring.segment());
}

INSTANTIATE_TEST_SUITE_P(
    Recovery, EveryState,
    ::testing::Values(StateCase{State::kLoaned, true, false, State::kLoaned, 0},
                      StateCase{State::kLoaned, false, false, State::kFree, 0},
                      StateCase{State::kReady, true, false, State::kReady, 0},
                      StateCase{State::kReady, false, false, State::kReady, 0},
                      StateCase{State::kBorrowed, true, false, State::kBorrowed, 0},
                      StateCase{State::kBorrowed, false, false, State::kFree, 1},
                      StateCase{State::kBorrowed, true, true, State::kBorrowed, 0},
                      StateCase{State::kBorrowed, false, true, State::kReady, 0},
                      StateCase{State::kAbandoned, true, false, State::kAbandoned, 0},
                      StateCase{State::kAbandoned, false, false, State::kFree, 0},
                      StateCase{State::kReturned, true, false, State::kReturned, 0},
                      StateCase{State::kReturned, false, true, State::kFree, 0},
                      StateCase{State::kKept, true, true, State::kKept, 0},
                      StateCase{State::kKept, false, true, State::kFree, 0},
                      StateCase{State::kQuarantined, false, false, State::kQuarantined, 0}));

TEST(Recovery, OwnerOfAnOlderIncarnationIsDead) {
  const BareRing ring;
  const Owner dead = ring.dead_owner(Role::kConsumer);
  const auto successor = ring.join(Role::kConsumer);
  ASSERT_EQ(slot_of(successor->self()), slot_of(dead));
  ring.put(0, State::kLoaned, dead, 0, 5 * kKibi);
  ring.put(1, State::kBorrowed, successor->self(), 16 * kKibi, 5 * kKibi, 4);
  ring.recover();
  EXPECT_EQ(ring.state(0), State::kFree);
  EXPECT_EQ(ring.state(1), State::kBorrowed);
  expect_consistent(ring.segment());
}

TEST(Recovery, LingeringOwnerKeepsItsBlocksButCountsAsNobody) {
  const BareRing ring;
  const auto lingering = ring.join(Role::kLingering);
  ring.put(0, State::kBorrowed, lingering->self(), 0, 5 * kKibi, 1);
  ring.recover();
  EXPECT_EQ(ring.state(0), State::kBorrowed);
  EXPECT_EQ(ring.header().consumers, 1U);
  EXPECT_EQ(ring.header().producers, 0U);
}

TEST(Recovery, TakesTheRolesOfTheDeadOnly) {
  const BareRing ring;
  const auto alive = ring.join(Role::kProducer);
  ring.header().producers = 9;
  ring.header().consumers = 9;
  alive->own_slot().want_bytes = 700;
  const Slot& dead = ring.segment().slot(slot_of(ring.dead_owner(Role::kProducer)));
  ring.segment().slot(slot_of(alive->self()) + 1).want_bytes = 800;
  ASSERT_EQ(dead.want_bytes, 800U);
  EXPECT_EQ(ring.recover().deaths, 1U);
  EXPECT_EQ(dead.want_bytes, 0U) << "others would stand back for it";
  EXPECT_EQ(alive->own_slot().want_bytes, 700U);
  EXPECT_EQ(ring.header().producers, 1U);
  EXPECT_EQ(ring.header().consumers, 1U);
  EXPECT_EQ(role_of(ring.segment().slot(slot_of(alive->self())).word), Role::kProducer);
}

TEST(Recovery, OfAnOrphanTrustsNoToken) {
  const BareRing ring;
  ring.put(0, State::kBorrowed, ring.self(), 0, 5 * kKibi, 3);
  ring.put(1, State::kReady, 0, 8 * kKibi, 5 * kKibi, 4);
  ring.attached->recover_orphan();
  EXPECT_EQ(ring.state(0), State::kFree);
  EXPECT_EQ(ring.header().lost, 1U);
  EXPECT_EQ(ring.header().queued, 1U);
}

// ---- redelivery -------------------------------------------------------------------------------

TEST(Recovery, RedeliveredMessageGoesBackToItsPlace) {
  const BareRing ring(64 * kKibi, 16, kOptionRedeliver);
  const Owner dead = ring.dead_owner(Role::kConsumer);
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 12);
  ring.put(1, State::kBorrowed, dead, 8 * kKibi, 5 * kKibi, 10, 1);
  ring.put(2, State::kReady, 0, 16 * kKibi, 5 * kKibi, 11);
  EXPECT_EQ(ring.recover().redelivered_messages, 1U);
  EXPECT_EQ(ring.header().queue_head, 1U);
  EXPECT_EQ(deliveries_of(ring.descriptor(1).state), 1U);
  EXPECT_EQ(ring.header().next_sequence, 13U);
  expect_consistent(ring.segment());
}

TEST(Recovery, DropsAfterTooManyDeliveries) {
  const BareRing ring(64 * kKibi, 16, kOptionRedeliver);
  const Owner dead = ring.dead_owner(Role::kConsumer);
  ring.put(1, State::kBorrowed, dead, 8 * kKibi, 5 * kKibi, 10, kMaxDeliveries);
  EXPECT_EQ(ring.recover().dropped_messages, 1U);
  EXPECT_EQ(ring.state(1), State::kFree);
  EXPECT_EQ(ring.header().dropped, 1U);
  EXPECT_EQ(ring.header().lost, 0U);
}

// ---- the redo record ----------------------------------------------------------------------------

/// `step`: how many of the stores of free_and_count() were done when death came.
class RedoStep : public ::testing::TestWithParam<int> {};

TEST_P(RedoStep, CountsExactlyOnce) {
  const int step = GetParam();
  const BareRing ring;
  const Owner dead = ring.dead_owner(Role::kConsumer);
  Descriptor& block = ring.put(2, State::kBorrowed, dead, 0, 5 * kKibi, 9, 1);
  Header& header = ring.header();
  header.lost = 41;
  const StateWord word = block.state;
  if (step >= 1) header.redo.descriptor = 2;
  if (step >= 2) header.redo.expected = word;
  if (step >= 3) header.redo.counter_value = 42;
  if (step >= 4) header.redo.counter = 0;
  if (step >= 5) header.redo.valid = 1;
  if (step >= 6) header.lost = 42;
  if (step >= 7) block.state = make_state(State::kFree, 0, 0, generation_of(word));
  if (step >= 8) header.redo.valid = 0;
  ring.recover();
  EXPECT_EQ(header.lost, 42U);
  EXPECT_EQ(ring.state(2), State::kFree);
  EXPECT_EQ(header.redo.valid, 0U);
  ring.recover();
  EXPECT_EQ(header.lost, 42U);
  expect_consistent(ring.segment());
}
INSTANTIATE_TEST_SUITE_P(Recovery, RedoStep, ::testing::Range(0, 9));

TEST(Recovery, StaleRedoRecordSparesABlockThatWasReused) {
  const BareRing ring;
  Descriptor& block = ring.put(2, State::kReady, 0, 0, 5 * kKibi, 9);
  ring.header().redo.descriptor = 2;
  ring.header().redo.expected = make_state(State::kBorrowed, ring.self(), 1, 6);
  ring.header().redo.counter_value = 1;
  ring.header().redo.valid = 1;
  ring.recover();
  EXPECT_EQ(state_of(block.state), State::kReady);
  EXPECT_EQ(ring.header().lost, 1U);
}

// ---- the stack of returned blocks
// -----------------------------------------------------------------

/// Four returned blocks of a living owner, of which `freed` are FREE already.
void put_stack(const BareRing& ring, Owner owner, std::uint32_t freed) {
  for (std::uint32_t index = 0; index < 4; ++index) {
    const State state = index < freed ? State::kFree : State::kReturned;
    ring.put(index, state, state == State::kFree ? 0 : owner, index * 8 * kKibi, 5 * kKibi, index);
    ring.descriptor(index).returned_next = index == 3 ? kNone : index + 1;
  }
}

/// Where the chain can be found: the stack itself, the note of the collector, or both.
enum class Found { in_stack, in_note, in_both };
class HalfCollected : public ::testing::TestWithParam<std::tuple<Found, std::uint32_t>> {};

TEST_P(HalfCollected, FreesTheWholeStackOfALivingOwner) {
  const auto [found, freed] = GetParam();
  const BareRing ring;
  const auto other = ring.join(Role::kConsumer);
  put_stack(ring, other->self(), freed);
  ring.header().collecting = found == Found::in_stack ? kNone : 0;
  ring.header().returned_head = found == Found::in_note ? kNone : 0;
  ring.recover();
  for (std::uint32_t index = 0; index < 4; ++index) EXPECT_EQ(ring.state(index), State::kFree);
  EXPECT_EQ(ring.header().collecting, kNone);
  EXPECT_EQ(ring.header().returned_head, kNone);
  expect_consistent(ring.segment());
}
INSTANTIATE_TEST_SUITE_P(Recovery, HalfCollected,
                         ::testing::Combine(::testing::Values(Found::in_stack, Found::in_note,
                                                              Found::in_both),
                                            ::testing::Range(0U, 5U)));

TEST(Recovery, NewReturnsOnTopOfAHalfCollectedStackAreFreedToo) {
  const BareRing ring;
  const auto other = ring.join(Role::kConsumer);
  put_stack(ring, other->self(), 2);
  ring.put(7, State::kAbandoned, other->self(), 40 * kKibi, 5 * kKibi);
  ring.header().collecting = 0;
  ring.header().returned_head = 7;
  ring.recover();
  EXPECT_EQ(ring.header().live_blocks, 0U);
  expect_consistent(ring.segment());
}

TEST(Recovery, CircularStackEnds) {
  const BareRing ring;
  put_stack(ring, ring.self(), 0);
  ring.descriptor(3).returned_next = 1;
  ring.header().returned_head = 0;
  ring.recover();
  EXPECT_EQ(ring.header().live_blocks, 0U);
  expect_consistent(ring.segment());
}

TEST(Recovery, ReturnedButNotYetOnTheStackStaysWithALivingOwner) {
  const BareRing ring;
  ring.put(2, State::kReturned, ring.self(), 0, 5 * kKibi, 1);
  ring.recover();
  EXPECT_EQ(ring.state(2), State::kReturned);
  EXPECT_EQ(ring.header().borrowed_blocks, 1U);
}

TEST(CollectReturned, GivesMemoryAndCountsBack) {
  const BareRing ring;
  put_stack(ring, ring.self(), 0);
  ring.recover();
  ring.header().returned_head = 0;
  EXPECT_EQ(ring.header().borrowed_blocks, 4U);
  EXPECT_TRUE(ring.attached->blocks().collect());
  EXPECT_FALSE(ring.attached->blocks().collect());
  EXPECT_EQ(ring.header().used_bytes, 0U);
  expect_consistent(ring.segment());
}

TEST(CollectReturned, SkipsWhatIsNotReturned) {
  const BareRing ring;
  put_stack(ring, ring.self(), 0);
  ring.put(1, State::kReady, 0, 8 * kKibi, 5 * kKibi, 3);
  ring.descriptor(1).returned_next = 2;
  ring.recover();
  ring.header().returned_head = 0;
  ring.attached->blocks().collect();
  EXPECT_EQ(ring.state(1), State::kReady);
  EXPECT_EQ(ring.header().live_blocks, 1U);
  expect_consistent(ring.segment());
}

// ---- derived state ------------------------------------------------------------------------------

TEST(Recovery, RebuildsEverythingDerivedFromRubbish) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 engine(seed);
  const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
  const BareRing ring(64 * kKibi, 16);
  for (std::uint32_t index = 0; index < 6; ++index) {
    const State state = index % 2 == 0 ? State::kReady : State::kBorrowed;
    ring.put(index, state, index % 2 == 0 ? 0 : ring.self(), index * 9 * kKibi, 5 * kKibi,
             20 - index);
  }
  Header& header = ring.header();
  for (std::uint32_t& bin : header.bins) bin = random();
  for (std::uint64_t& word : header.bin_words) word = random();
  header.queue_head = header.queue_tail = header.spare_head = random();
  header.address_head = header.address_tail = random();
  header.queued = header.live_blocks = header.borrowed_blocks = random();
  header.queued_bytes = header.used_bytes = header.borrowed_bytes = random();
  header.bin_summary = random();
  header.priority = make_owner(77, 3);
  for (std::uint32_t index = 0; index < ring.geometry.descriptor_count; ++index) {
    Descriptor& descriptor = ring.descriptor(index);
    descriptor.link_next = descriptor.link_previous = random();
    descriptor.address_next = descriptor.address_previous = random();
  }
  const RecoveryReport report = ring.recover();
  EXPECT_FALSE(report.damaged);
  EXPECT_EQ(header.queue_head, 4U);
  EXPECT_EQ(header.queued, 3U);
  EXPECT_EQ(header.priority, 0U);
  EXPECT_EQ(header.next_sequence, 21U);
  expect_consistent(ring.segment());
}

TEST(Recovery, FindsHolesThatWereLost) {
  const BareRing ring;
  ring.put(0, State::kReady, 0, 16 * kKibi, 5 * kKibi, 1);
  Allocator allocator(ring.segment());
  allocator.reset();  // As if killed while taking the lists apart.
  EXPECT_EQ(allocator.allocate(64), kNone);
  ring.recover();
  EXPECT_NE(allocator.allocate(16 * kKibi), kNone);
}

TEST(Recovery, PublishKilledBeforeNextSequence) {
  const BareRing ring;
  ring.header().next_sequence = 5;
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 5);
  ring.recover();
  EXPECT_EQ(ring.header().next_sequence, 6U);
  expect_consistent(ring.segment());
}

TEST(Recovery, IsIdempotent) {
  const BareRing ring;
  ring.put(0, State::kBorrowed, ring.dead_owner(Role::kConsumer), 0, 5 * kKibi, 1);
  ring.put(1, State::kReady, 0, 8 * kKibi, 5 * kKibi, 2);
  ring.recover();
  const std::uint64_t lost = ring.header().lost;
  const RecoveryReport again = ring.recover();
  EXPECT_EQ(again.deaths + again.lost_messages, 0U);
  EXPECT_EQ(ring.header().lost, lost);
  expect_consistent(ring.segment());
}

TEST(Recovery, StatesWithoutAMeaningAreQuarantined) {
  const BareRing ring;
  for (std::uint32_t state = kStateCount; state < 16; ++state) {
    ring.put(1, static_cast<State>(state), ring.self(), 0, 100, 1);
    ring.recover();
    EXPECT_EQ(ring.state(1), State::kQuarantined) << state;
  }
}

}  // namespace
}  // namespace ipc0cp::testing
