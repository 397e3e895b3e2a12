// SPDX-License-Identifier: Apache-2.0
// The words of the layout, the red zone, geometry, time-outs and names: no ring needed.
#include "shm/layout.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "ipc0cp/timeout.hpp"
#include "platform/clock.hpp"
#include "platform/ring_directory.hpp"
#include "shm/publish_time.hpp"
#include "shm/red_zone.hpp"
#include "shm/ring_name.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm {
namespace {

TEST(Words, StateWordHoldsItsParts) {
  for (const State state :
       {State::kFree, State::kLoaned, State::kReady, State::kBorrowed, State::kAbandoned,
        State::kReturned, State::kKept, State::kQuarantined}) {
    for (const Owner owner : {0U, make_owner(1, 1), make_owner(1023, kIncarnationMask)}) {
      for (const std::uint32_t deliveries : {0U, 3U, kDeliveriesMask}) {
        for (const std::uint32_t generation : {0U, 1U, 0xFF'FFFFU}) {
          const StateWord word = make_state(state, owner, deliveries, generation);
          EXPECT_EQ(state_of(word), state);
          EXPECT_EQ(owner_of(word), owner);
          EXPECT_EQ(deliveries_of(word), deliveries);
          EXPECT_EQ(generation_of(word), generation);
        }
      }
    }
  }
}

/// Those of the worked example in docs/shm_format.md.
TEST(Words, StateWordsOfVersion2) {
  EXPECT_EQ(kLayoutVersion, 2U);
  EXPECT_EQ(make_state(State::kLoaned, make_owner(2, 1), 0, 1), 0x1008000020000001U);
  EXPECT_EQ(make_state(State::kReady, 0, 0, 1), 0x2000000000000001U);
  EXPECT_EQ(make_state(State::kBorrowed, make_owner(1, 1), 1, 1), 0x3004000021000001U);
  EXPECT_EQ(make_state(State::kReturned, make_owner(1, 1), 1, 1), 0x5004000021000001U);
  const StateWord everything = make_state(State::kQuarantined, make_owner(1023, kIncarnationMask),
                                          kDeliveriesMask, 0xFF'FFFFU);
  EXPECT_EQ(everything, 0x7FFF'FFFF'EFFF'FFFFU) << "one bit is room";
}

/// Another program of this version finds everything here.
TEST(Layout, OffsetsOfVersion2) {
  EXPECT_EQ(sizeof(Header), 3904U);
  EXPECT_EQ(offsetof(Header, required_features), 112U);
  EXPECT_EQ(offsetof(Header, records_offset), 120U);
  EXPECT_EQ(offsetof(Header, lock), 128U);
  EXPECT_EQ(offsetof(Header, next_sequence), 144U);
  EXPECT_EQ(offsetof(Header, queued), 192U);
  EXPECT_EQ(offsetof(Header, pushed_bytes), 216U);
  EXPECT_EQ(offsetof(Header, joined_left), 448U);
  EXPECT_EQ(offsetof(Header, redo), 512U);
  EXPECT_EQ(offsetof(Header, repaired_deaths), 544U);
  EXPECT_EQ(offsetof(Header, overflowed), 552U);
  EXPECT_EQ(offsetof(Header, refused), 560U);
  EXPECT_EQ(offsetof(Header, last_sweep_ns), 640U);
  EXPECT_EQ(offsetof(Header, quick), 704U);
  EXPECT_EQ(offsetof(Header, share_event), 3520U);
  EXPECT_EQ(offsetof(Slot, messages), 80U);
  EXPECT_EQ(offsetof(Slot, bytes), 104U);
  EXPECT_EQ(offsetof(Slot, cursor), 112U);
  EXPECT_EQ(offsetof(Slot, waits_for), 120U);
  const Geometry geometry = Geometry::of(1 << 20, 8192);
  EXPECT_EQ(geometry.descriptors_offset, 4096U + 1024U * 128U);
  EXPECT_EQ(geometry.records_offset, 720'896U);
  EXPECT_EQ(geometry.arena_offset, 983'040U);
}

TEST(Words, PublishTimesAreOddAndNeverInTheFuture) {
  constexpr std::int64_t kUnit = std::int64_t{1} << PublishTime::kUnitShift;
  for (const std::int64_t now :
       {std::int64_t{0}, kUnit, 5 * kUnit, (std::int64_t{1} << 52) - 1, std::int64_t{1} << 52}) {
    EXPECT_EQ(PublishTime::of(now) % 2, 1U);
    for (const std::int64_t age : {std::int64_t{0}, kUnit, 1000 * kUnit}) {
      const std::int64_t then = PublishTime::to_ns(PublishTime::of(now), now + age);
      EXPECT_LE(then, now + age);
      EXPECT_NEAR(static_cast<double>(then), static_cast<double>(now), 2.0 * kUnit);
    }
  }
  constexpr std::int64_t kDay = 24 * 3600 * platform::kSecond;
  EXPECT_LT(PublishTime::to_ns(PublishTime::of(kDay), 27 * kDay), 2 * kDay);
  EXPECT_EQ(PublishTime::to_ns(PublishTime::of(kDay), 28 * kDay), 28 * kDay) << "half is future";
  EXPECT_EQ(PublishTime::to_ns(0, kUnit), 0);
  EXPECT_EQ(PublishTime::to_ns(kNone - 1, kUnit), 0) << "an even mark of a list is no time";
}

TEST(Words, AnotherStateKeepsTheRest) {
  const StateWord word = make_state(State::kBorrowed, make_owner(7, 9), 2, 77);
  const StateWord other = with_state(word, State::kReturned);
  EXPECT_EQ(other, make_state(State::kReturned, make_owner(7, 9), 2, 77));
}

TEST(Words, GenerationWrapsWithoutTouchingItsNeighbours) {
  const StateWord word = make_state(State::kLoaned, make_owner(3, 4), 5, 0x100'0000U);
  EXPECT_EQ(generation_of(word), 0U);
  EXPECT_EQ(deliveries_of(word), 5U);
}

TEST(Words, OwnerAndLockFlagShareAWord) {
  const Owner largest = make_owner(1023, kIncarnationMask);
  EXPECT_EQ(largest & kLockWaiters, 0U);
  EXPECT_EQ(slot_of(largest), 1023U);
  EXPECT_EQ(incarnation_of(largest), kIncarnationMask);
  EXPECT_NE(make_owner(1, 1), 0U);
}

TEST(Words, SlotWordHoldsItsParts) {
  const std::uint64_t word = make_slot_word(kIncarnationMask, Role::kLingering);
  EXPECT_EQ(role_of(word), Role::kLingering);
  EXPECT_EQ(incarnation_of_slot(word), kIncarnationMask);
}

TEST(Words, JoinedAndLeftCountApart) {
  const std::uint64_t word = 3 * kOneJoined + 2;
  EXPECT_EQ(joined_of(word), 3U);
  EXPECT_EQ(left_of(word), 2U);
}

// ---- geometry and blocks ------------------------------------------------------------------------

TEST(Geometry, PartsFollowEachOtherAndHoldWhatTheyMust) {
  for (const std::uint64_t total : {kMinTotalDataBytes, std::size_t{1} << 20, kMaxTotalDataBytes}) {
    for (const std::uint32_t messages : {1U, 64U, kMaxMaxMessages}) {
      const Geometry geometry = Geometry::of(total, messages);
      EXPECT_GE(geometry.slots_offset, sizeof(Header));
      EXPECT_GE(geometry.descriptors_offset, geometry.slots_offset + kSlotCount * sizeof(Slot));
      EXPECT_GE(geometry.arena_offset,
                geometry.descriptors_offset + geometry.descriptor_count * sizeof(Descriptor));
      EXPECT_EQ(geometry.arena_offset % kGranuleBytes, 0U);
      EXPECT_EQ(geometry.main_bytes % kGranuleBytes, 0U);
      EXPECT_GT(geometry.descriptor_count, messages);
      EXPECT_GE(geometry.relief_bytes, total);
      EXPECT_EQ(geometry.file_bytes, geometry.arena_offset + geometry.arena_bytes());
      EXPECT_LT(geometry.file_bytes, kTokenByte * 1024);
    }
  }
}

/// The documented limit is one that a process can map: its address space is the scarce thing.
TEST(Geometry, LargestRingCanBeMapped) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer takes most of the address space";
#endif
  const Geometry geometry = Geometry::of(kMaxTotalDataBytes, 64);
  platform::File file;
  ASSERT_EQ(platform::open_unnamed(0600, file), 0);
  ASSERT_EQ(platform::set_size(file, geometry.file_bytes), 0);
  for (const bool arena_writable : {true, false}) {
    Segment segment;
    EXPECT_EQ(segment.map(file, geometry, arena_writable), 0);
  }
  const Geometry half = Geometry::of(kMaxTotalDataBytes / 2, 64);
  Segment first;
  Segment second;
  EXPECT_EQ(first.map(file, half, true), 0);
  EXPECT_EQ(second.map(file, half, false), 0) << "two handles of one process";
}

TEST(BlockPlan, RedZoneIsNeverShorterThanSixteenBytes) {
  for (std::uint64_t payload = 0; payload < 300; ++payload) {
    const BlockPlan plan{payload, 20};
    const std::size_t zone = red_zone::size_of(plan);
    EXPECT_GE(zone, 16U);
    EXPECT_LE(zone, 79U);
    EXPECT_EQ(plan.block_bytes() % kBlockAlignment, 0U);
    EXPECT_GE(plan.block_bytes(), payload + zone + 20);
  }
}

TEST(RedZone, EveryChangedBitIsFound) {
  for (std::uint64_t payload : {0U, 1U, 15U, 16U, 17U, 100U}) {
    const BlockPlan plan{payload, 0};
    std::vector<std::byte> block(plan.block_bytes() + 64);
    red_zone::write(block.data(), plan, 5, 6);
    ASSERT_TRUE(red_zone::intact(block.data(), plan, 5, 6));
    for (std::size_t byte = payload; byte < payload + red_zone::size_of(plan); ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        block[byte] ^= std::byte(1U << bit);
        EXPECT_FALSE(red_zone::intact(block.data(), plan, 5, 6)) << byte;
        block[byte] ^= std::byte(1U << bit);
      }
    }
  }
}

TEST(RedZone, DependsOnBlockAndGeneration) {
  const BlockPlan plan{64, 0};
  std::vector<std::byte> block(plan.block_bytes());
  red_zone::write(block.data(), plan, 5, 6);
  EXPECT_FALSE(red_zone::intact(block.data(), plan, 5, 7));
  EXPECT_FALSE(red_zone::intact(block.data(), plan, 4, 6));
}

TEST(RedZone, UntouchedMemoryNeverPasses) {
  const BlockPlan plan{64, 0};
  for (const int filling : {0x00, 0xFF}) {
    const std::vector<std::byte> block(plan.block_bytes(), std::byte(filling));
    for (std::uint32_t generation = 0; generation < 2000; ++generation) {
      EXPECT_FALSE(red_zone::intact(block.data(), plan, generation % 50, generation));
    }
  }
}

// ---- time-outs ----------------------------------------------------------------------------------

using namespace std::chrono_literals;  // NOLINT: time-outs read as 5ms.

TEST(TimeoutTest, SaturatesInsteadOfOverflowing) {
  EXPECT_TRUE(Timeout(std::chrono::hours::max()).is_forever());
  EXPECT_TRUE(Timeout(std::chrono::nanoseconds::max()).is_forever());
  EXPECT_TRUE(Timeout(std::chrono::duration<double>(INFINITY)).is_forever());
  EXPECT_TRUE(Timeout(std::chrono::duration<double>(1e300)).is_forever());
  EXPECT_TRUE(Timeout().is_forever());
}

TEST(TimeoutTest, KeepsOrdinaryValues) {
  EXPECT_EQ(Timeout(5ms).nanoseconds(), 5'000'000);
  EXPECT_EQ(Timeout(0s).nanoseconds(), 0);
  EXPECT_EQ(Timeout(std::chrono::duration<double>(0.25)).nanoseconds(), 250'000'000);
  EXPECT_EQ(Timeout::none().nanoseconds(), 0);
}

TEST(TimeoutTest, RefusesNegativeAndNaN) {
  EXPECT_THROW(Timeout(-1ns), Error);
  EXPECT_THROW(Timeout(std::chrono::duration<double>(-0.001)), Error);
  EXPECT_THROW(Timeout(std::chrono::duration<double>(NAN)), Error);
  EXPECT_THROW(Timeout(std::chrono::duration<double>(-INFINITY)), Error);
}

TEST(Deadlines, SaturateToo) {
  EXPECT_EQ(platform::deadline_after(platform::kForever), platform::kForever);
  EXPECT_EQ(platform::deadline_after(platform::kForever - 1), platform::kForever);
  EXPECT_GE(platform::deadline_after(0), platform::now_ns() - platform::kSecond);
}

// ---- names --------------------------------------------------------------------------------------

TEST(Names, AllowedOnesPass) {
  EXPECT_EQ(checked_name("a"), "a");
  EXPECT_EQ(checked_name("/a"), "a");
  EXPECT_EQ(checked_name("A.z_0-9"), "A.z_0-9");
  EXPECT_EQ(checked_name(std::string(kMaxNameLength, 'x')).size(), kMaxNameLength);
  EXPECT_EQ(path_of("a"), platform::ring_directory() + "/ipc0cp.a");
}

TEST(Names, OthersAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("/"), std::string("//a"), std::string("a/b"), std::string("a b"),
        std::string("\xC3\xA4"), std::string("a\0b", 3), std::string("a\n"),
        std::string(kMaxNameLength + 1, 'x')}) {
    EXPECT_THROW(checked_name(name), Error) << name;
  }
}

}  // namespace
}  // namespace ipc0cp::shm
