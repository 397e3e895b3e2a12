// SPDX-License-Identifier: Apache-2.0
// recover() and space: growing, the relief block, and blocks that cannot be.
#include <gtest/gtest.h>

#include "shm_invariants.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::uint64_t kKibi = 1024;

// ---- growth -------------------------------------------------------------------------------------

TEST(RecoveryOfSpace, ForgetsTheWildernessOfADeadGrower) {
  const BareRing ring(64 * kKibi, 16, 0, false);
  ring.header().main_mark = 64 * kKibi;
  Descriptor& block = ring.put(0, State::kLoaned, ring.dead_owner(), 64 * kKibi, 0);
  block.extent_bytes = ring.geometry.main_bytes - 64 * kKibi;
  ring.header().growing = 0;
  ring.recover();
  EXPECT_EQ(ring.header().growing, kNone);
  EXPECT_EQ(ring.state(0), State::kFree);
  EXPECT_EQ(ring.attached->blocks().tail_hole_bytes(), 64 * kKibi);
  expect_consistent(ring.segment());
}

TEST(RecoveryOfSpace, KeepsTheWildernessOfALivingGrower) {
  const BareRing ring(64 * kKibi, 16, 0, false);
  ring.header().main_mark = 64 * kKibi;
  Descriptor& block = ring.put(0, State::kLoaned, ring.self(), 64 * kKibi, 0);
  block.extent_bytes = ring.geometry.main_bytes - 64 * kKibi;
  ring.recover();
  EXPECT_EQ(ring.header().growing, 0U);
  EXPECT_EQ(ring.state(0), State::kLoaned);
  expect_consistent(ring.segment());
}

TEST(RecoveryOfSpace, MarkMovedButWildernessStillLoaned) {
  const BareRing ring(64 * kKibi, 16, 0, false);
  Descriptor& block = ring.put(0, State::kLoaned, ring.dead_owner(), 0, 0);
  block.extent_bytes = 64 * kKibi;
  ring.header().main_mark = 64 * kKibi;
  ring.header().growing = 0;
  ring.recover();
  EXPECT_EQ(ring.header().growing, kNone);
  EXPECT_EQ(ring.attached->blocks().tail_hole_bytes(), 64 * kKibi);
  expect_consistent(ring.segment());
}

// ---- impossible states
// ----------------------------------------------------------------------------

TEST(RecoveryOfSpace, OverlapOfLiveBlocksIsDamage) {
  const BareRing ring;
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 1);
  ring.put(1, State::kBorrowed, ring.self(), 4 * kKibi, 5 * kKibi, 2);
  EXPECT_TRUE(ring.recover().damaged);
  EXPECT_EQ(ring.header().damaged, 1U);
}

TEST(RecoveryOfSpace, TwoMessagesWithOneSequenceAreDamage) {
  const BareRing ring;
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 8);
  ring.put(1, State::kReady, 0, 8 * kKibi, 5 * kKibi, 8);
  EXPECT_TRUE(ring.recover().damaged);
}

using Damage = void (*)(Descriptor&, const BareRing&);
class Impossible : public ::testing::TestWithParam<Damage> {};

TEST_P(Impossible, DescriptorIsQuarantinedAndTheRestGoesOn) {
  const BareRing ring;
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 1);
  GetParam()(ring.put(1, State::kReady, 0, 8 * kKibi, 5 * kKibi, 2), ring);
  ring.put(2, State::kReady, 0, 16 * kKibi, 5 * kKibi, 3);
  const RecoveryReport report = ring.recover();
  EXPECT_EQ(report.quarantined, 1U);
  EXPECT_FALSE(report.damaged);
  EXPECT_EQ(ring.header().quarantined, 1U);
  EXPECT_EQ(ring.state(1), State::kQuarantined);
  EXPECT_EQ(ring.header().queued, 2U);
  expect_consistent(ring.segment());
  EXPECT_EQ(ring.recover().quarantined, 0U);
}
INSTANTIATE_TEST_SUITE_P(
    RecoveryOfSpace, Impossible,
    ::testing::Values(
        [](Descriptor& block, const BareRing&) { block.offset = 3; },
        [](Descriptor& block, const BareRing&) { block.offset = ~std::uint64_t{63}; },
        [](Descriptor& block, const BareRing& ring) { block.offset = ring.geometry.main_bytes; },
        [](Descriptor& block, const BareRing&) { block.extent_bytes = 0; },
        [](Descriptor& block, const BareRing&) { block.extent_bytes += 8; },
        [](Descriptor& block, const BareRing&) { block.extent_bytes = ~std::uint64_t{63}; },
        [](Descriptor& block, const BareRing&) { block.payload_bytes = ~std::uint64_t{0}; },
        [](Descriptor& block, const BareRing&) { block.payload_bytes = block.extent_bytes; },
        [](Descriptor& block, const BareRing&) { block.metadata_bytes = kNone; },
        [](Descriptor& block, const BareRing& ring) {
          // Above the mark, where a read could be SIGBUS.
          ring.header().main_mark = ring.geometry.main_bytes - kGranuleBytes;
          block.offset = ring.geometry.main_bytes - block.extent_bytes;
        }));

TEST(RecoveryOfSpace, ReliefBlockOfTheDeadIsFreeAgain) {
  const BareRing ring;
  const std::uint32_t relief = ring.geometry.relief_descriptor();
  ring.put(relief, State::kLoaned, ring.dead_owner(), ring.geometry.main_bytes, 5 * kKibi);
  ring.recover();
  EXPECT_EQ(ring.state(relief), State::kFree);
  EXPECT_EQ(ring.descriptor(relief).extent_bytes, ring.geometry.relief_bytes);
  expect_consistent(ring.segment());
}

TEST(RecoveryOfSpace, QueuedReliefBlockStaysInOrder) {
  const BareRing ring;
  const std::uint32_t relief = ring.geometry.relief_descriptor();
  ring.put(relief, State::kReady, 0, ring.geometry.main_bytes, 5 * kKibi, 1);
  ring.put(0, State::kReady, 0, 0, 5 * kKibi, 2);
  ring.recover();
  EXPECT_EQ(ring.header().queue_head, relief);
  EXPECT_EQ(ring.header().live_blocks, 1U);
  expect_consistent(ring.segment());
}

}  // namespace
}  // namespace ipc0cp::testing
