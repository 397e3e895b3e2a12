// SPDX-License-Identifier: Apache-2.0
// Damaged messages and scribbled control pages: an error or a time-out, never a crash or a hang.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string_view>
#include <vector>

#include "platform/clock.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

using shm::Descriptor;
using shm::Header;

// ---- one damaged message ------------------------------------------------------------------------

/// Damages the message at the head of the queue.
using Harm = void (*)(const Pair& pair, Descriptor& head);
struct HarmCase {
  const char* what;
  std::size_t bytes;
  Harm harm;
};

std::byte* payload_of(const Pair& pair, const Descriptor& block) {
  return pair.producer.channel().ring().segment().arena() + block.offset;
}

class DamagedMessage : public ::testing::TestWithParam<HarmCase> {};

TEST_P(DamagedMessage, IsReportedOnceAndTheNextOnesArrive) {
  const HarmCase& row = GetParam();
  SCOPED_TRACE(row.what);
  Pair pair;
  pair.push(row.bytes, 1);
  pair.push(row.bytes, 2);
  pair.push(row.bytes, 3);
  row.harm(pair, pair.segment().descriptor(pair.header().queue_head));
  expect_code(ErrorCode::corrupt_payload, [&] { pair.consumer.pop_raw(5s); });
  pair.expect_pop(row.bytes, 2);
  pair.expect_pop(row.bytes, 3);
  const RingStats stats = pair.consumer.stats();
  EXPECT_EQ(stats.dropped, 1U);
  EXPECT_EQ(stats.messages, 0U);
  EXPECT_EQ(stats.pushed, stats.popped + stats.dropped);
  EXPECT_EQ(stats.used_bytes, 0U);
  expect_consistent(pair.segment());
  EXPECT_TRUE(pair.push(row.bytes, 4));
  pair.expect_pop(row.bytes, 4);
}

void break_first_byte_of_red_zone(const Pair& pair, Descriptor& head) {
  payload_of(pair, head)[head.payload_bytes] ^= std::byte{1};
}
void break_last_byte_of_red_zone(const Pair& pair, Descriptor& head) {
  const shm::BlockPlan plan{head.payload_bytes, 0};
  payload_of(pair, head)[plan.metadata_offset() - 1] ^= std::byte{0x80};
}
void shrink_payload(const Pair&, Descriptor& head) { head.payload_bytes -= 1; }
void move_offset(const Pair&, Descriptor& head) { head.offset += 64; }
void offset_outside(const Pair&, Descriptor& head) { head.offset = std::uint64_t{1} << 50; }
void extent_zero(const Pair&, Descriptor& head) { head.extent_bytes = 0; }
void payload_endless(const Pair&, Descriptor& head) { head.payload_bytes = ~std::uint64_t{0}; }
void metadata_endless(const Pair&, Descriptor& head) { head.metadata_bytes = 0xFFFF'FFF0U; }
void above_the_mark(const Pair& pair, Descriptor& head) {
  // A read there would be SIGBUS on a full file system.
  head.offset = pair.segment().geometry().main_bytes - head.extent_bytes;
}
void not_ready(const Pair&, Descriptor& head) {
  head.state = shm::with_state(head.state, shm::State::kQuarantined);
}

INSTANTIATE_TEST_SUITE_P(
    Damage, DamagedMessage,
    ::testing::Values(HarmCase{"small: red zone begins wrong", 100, break_first_byte_of_red_zone},
                      HarmCase{"small: red zone ends wrong", 100, break_last_byte_of_red_zone},
                      HarmCase{"red zone begins wrong", 9000, break_first_byte_of_red_zone},
                      HarmCase{"red zone ends wrong", 9000, break_last_byte_of_red_zone},
                      HarmCase{"offset outside the arena", 9000, offset_outside},
                      HarmCase{"extent of zero", 9000, extent_zero},
                      HarmCase{"payload without end", 100, payload_endless},
                      HarmCase{"metadata without end", 9000, metadata_endless},
                      HarmCase{"above the reservation mark", 9000, above_the_mark}));

class DamagedFields : public ::testing::TestWithParam<HarmCase> {};

/// What makes one block disagree with its neighbours may cost more, but never the process.
TEST_P(DamagedFields, IsAnErrorAndNeverACrash) {
  const HarmCase& row = GetParam();
  SCOPED_TRACE(row.what);
  Pair pair;
  for (unsigned number = 0; number < 5; ++number) pair.push(row.bytes, number);
  row.harm(pair, pair.segment().descriptor(pair.header().queue_head));
  bool reported = false;
  for (int attempt = 0; attempt < 6; ++attempt) {
    try {
      static_cast<void>(pair.consumer.pop_raw(1ms));
    } catch (const Error& error) {
      reported |=
          error.code() == ErrorCode::corrupt_payload || error.code() == ErrorCode::corrupt_buffer;
    }
  }
  EXPECT_TRUE(reported);
}
INSTANTIATE_TEST_SUITE_P(Damage, DamagedFields,
                         ::testing::Values(HarmCase{"payload shrunk", 9000, shrink_payload},
                                           HarmCase{"small payload shrunk", 100, shrink_payload},
                                           HarmCase{"offset moved", 9000, move_offset},
                                           HarmCase{"state changed", 9000, not_ready}));

// ---- a write before a payload -------------------------------------------------------------------

/// No zone lies before a payload: what is at -1 belongs to the block below.
struct BeforeCase {
  const char* what;
  std::string_view metadata;  ///< Of the block below.
  std::size_t bytes;
  bool is_found;
};

class WriteBeforeALoan : public ::testing::TestWithParam<BeforeCase> {};

TEST_P(WriteBeforeALoan, IsFoundInTheBlockBelowOrHarmsNobody) {
  const BeforeCase& row = GetParam();
  SCOPED_TRACE(row.what);
  Pair pair;
  const std::vector<std::byte> below(row.bytes, std::byte{'a'});
  pair.producer.push_raw(row.metadata, below);
  const Descriptor& block = pair.segment().descriptor(pair.header().queue_head);
  Loan loan = pair.producer.loan(100);
  std::byte* payload = loan.bytes().data();
  ASSERT_EQ(payload, payload_of(pair, block) + block.extent_bytes) << "not side by side";
  std::fill_n(payload, 100, std::byte{7});
  *(payload - 1) ^= std::byte{0xff};
  EXPECT_TRUE(loan.publish());
  if (row.is_found) {
    expect_code(ErrorCode::corrupt_payload, [&] { pair.consumer.pop(5s); });
  } else {
    EXPECT_TRUE(equal(pair.consumer.pop_raw(5s)->payload(), below));
  }
  EXPECT_TRUE(equal(pair.consumer.pop_raw(5s)->payload(), std::vector(100, std::byte{7})));
  EXPECT_EQ(pair.consumer.stats().dropped, row.is_found ? 1U : 0U);
}

constexpr std::string_view kMetadataOf32Bytes = R"({"type":"text", "version":"1.0"})";
INSTANTIATE_TEST_SUITE_P(
    Damage, WriteBeforeALoan,
    ::testing::Values(BeforeCase{"the block below ends in its red zone", {}, 48, true},
                      BeforeCase{"a large one does", {}, 64 * 300 - 16, true},
                      BeforeCase{"it ends in its metadata", kMetadataOf32Bytes, 16, true},
                      BeforeCase{"a large one does", kMetadataOf32Bytes, 64 * 300 + 16, true},
                      BeforeCase{"it ends in padding, which nobody reads", {}, 10, false}));

// ---- scribbled index fields
// -----------------------------------------------------------------------

using Scribble = void (*)(Header& header, const shm::Segment& segment);

class Scribbled : public ::testing::TestWithParam<Scribble> {};

TEST_P(Scribbled, EndsInCorruptBufferOrGoesOnButNeverCrashes) {
  Pair pair;
  for (unsigned number = 0; number < 6; ++number) pair.push(number % 2 == 0 ? 500 : 9000, number);
  GetParam()(pair.header(), pair.segment());
  for (int attempt = 0; attempt < 20; ++attempt) {
    try {
      static_cast<void>(pair.producer.try_push_raw({}, bytes_of(attempt % 2 == 0 ? 700 : 12000)));
      static_cast<void>(pair.consumer.pop_raw(1ms));
    } catch (const Error& error) {
      const bool expected =
          error.code() == ErrorCode::corrupt_buffer || error.code() == ErrorCode::corrupt_payload ||
          error.code() == ErrorCode::timeout || error.code() == ErrorCode::no_consumers ||
          error.code() == ErrorCode::no_space;
      EXPECT_TRUE(expected) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Damage, Scribbled,
    ::testing::Values(
        [](Header& header, const shm::Segment&) { header.queue_head = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.queue_tail = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.spare_head = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.address_tail = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.address_head = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.returned_head = 1U << 30; },
        [](Header& header, const shm::Segment&) { header.used_bytes = ~std::uint64_t{0}; },
        [](Header& header, const shm::Segment&) { header.live_blocks = 0xFFFFU; },
        [](Header& header, const shm::Segment&) { header.main_mark = ~std::uint64_t{0}; },
        [](Header& header, const shm::Segment&) { header.main_mark = 64; },
        [](Header& header, const shm::Segment&) { header.slots_end = ~0U; },
        [](Header& header, const shm::Segment&) { header.priority = ~0U >> 1; },
        [](Header& header, const shm::Segment&) { header.bin_summary = ~std::uint64_t{0}; },
        [](Header& header, const shm::Segment&) {
          for (std::uint32_t& bin : header.bins) bin = 1U << 29;
          for (std::uint64_t& word : header.bin_words) word = ~std::uint64_t{0};
        },
        [](Header& header, const shm::Segment& segment) {
          segment.descriptor(header.queue_head).link_next = 1U << 30;
        },
        [](Header& header, const shm::Segment& segment) {
          segment.descriptor(header.queue_head).link_next = header.queue_head;
        },
        [](Header&, const shm::Segment& segment) {
          // Every hole claims to lie outside the arena.
          for (std::uint32_t index = 0; index < segment.geometry().max_messages; ++index) {
            Descriptor& descriptor = segment.descriptor(index);
            if (shm::state_of(descriptor.state) != shm::State::kFree) continue;
            descriptor.offset = std::uint64_t{1} << 40;
            descriptor.extent_bytes = std::uint64_t{1} << 30;
          }
        },
        [](Header& header, const shm::Segment& segment) {
          for (std::uint32_t index = 0; index < segment.geometry().max_messages; ++index) {
            segment.descriptor(index).address_next = header.queue_head;
            segment.descriptor(index).address_previous = 1U << 30;
          }
        }));

TEST(Damage, OverlapIsStickyAndRefusesEveryCall) {
  Pair pair;
  pair.push(9000, 1);
  pair.push(9000, 2);
  Descriptor& head = pair.segment().descriptor(pair.header().queue_head);
  const std::uint32_t second = head.link_next;
  pair.segment().descriptor(second).offset = head.offset;
  pair.segment().header().recovery_wanted = 1;
  ASSERT_EQ(pair.ring().lock(platform::kForever), ErrorCode::ok);
  pair.ring().recover();
  pair.ring().unlock();
  expect_code(ErrorCode::corrupt_buffer, [&] { pair.consumer.pop_raw(1ms); });
  expect_code(ErrorCode::corrupt_buffer, [&] { pair.push(10); });
  expect_code(ErrorCode::corrupt_buffer, [&] { static_cast<void>(pair.consumer.stats()); });
  expect_code(ErrorCode::corrupt_buffer, [&] { pair.consumer.pop_raw(1ms); });
}

/// Random bytes into the control pages but for the identity, again and again.
TEST(Damage, RandomScribblesNeverCrash) {
  const std::uint32_t seed = std::random_device{}();
  RecordProperty("seed", std::to_string(seed));
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    Pair pair(64 * kKibi);
    for (unsigned number = 0; number < 8; ++number) pair.push(number % 2 == 0 ? 300 : 6000, number);
    const auto& segment = pair.segment();
    auto* control = segment.control_mapping().data();
    const std::size_t first = segment.geometry().descriptors_offset;
    for (int scribble = 0; scribble < 4; ++scribble) {
      const bool in_header = random() % 2 == 0;
      // Behind the lock word: a lock that nobody owns only makes everything wait.
      const std::size_t place = in_header ? 132 + random() % (sizeof(Header) - 136)
                                          : first + random() % (sizeof(Descriptor) * 16);
      const std::uint32_t word = random() % 2 == 0 ? static_cast<std::uint32_t>(random())
                                                   : static_cast<std::uint32_t>(random() % 80);
      std::memcpy(control + place / 4 * 4, &word, sizeof word);
    }
    for (int attempt = 0; attempt < 12; ++attempt) {
      try {
        const auto bytes = static_cast<std::size_t>(random() % 9000);
        static_cast<void>(pair.producer.try_push_raw({}, bytes_of(bytes)));
        static_cast<void>(pair.consumer.try_pop_raw());
      } catch (const Error&) {
        continue;  // Any error will do; a crash or a hang will not.
      }
    }
  }
}

}  // namespace
}  // namespace ipc0cp::testing
