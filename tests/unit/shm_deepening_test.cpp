// SPDX-License-Identifier: Apache-2.0
// Descriptors get memory as the ring deepens, and are looked at only where they have it.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>

#include "shm/snapshot.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::uint32_t kDeep = 3000;

ProducerOptions deep(bool reserve = false) {
  ProducerOptions options;
  options.max_messages = kDeep;
  options.reserve = reserve;
  return options;
}

std::uint64_t backed_bytes(const std::string& path) {
  struct stat status {};
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

TEST(Deepening, HandlesThatWereThereBeforeGetEverything) {
  Pair pair(kMebi, deep());
  auto second = pair.another_producer();
  auto late = pair.another_consumer();
  ASSERT_EQ(pair.segment().descriptor_mark(), kDescriptorsAtATime);
  for (int round = 0; round < 2; ++round) {
    for (unsigned number = 0; number < kDeep; ++number) {
      auto& producer = number % 3 == 0 ? second : pair.producer;
      ASSERT_TRUE(producer.push_raw({}, bytes_of(number % 40, number), 0ms)) << number;
    }
    EXPECT_FALSE(pair.push(1, 1, 0ms)) << "as deep as it was made";
    expect_consistent(pair.segment());
    EXPECT_EQ(late.stats().messages, kDeep);
    for (unsigned number = 0; number < kDeep; ++number) pair.expect_pop(number % 40, number);
    expect_consistent(pair.segment());
  }
  EXPECT_EQ(pair.segment().descriptor_mark(), pair.segment().geometry().relief_descriptor());
}

TEST(Deepening, AlsoByBatchesAndLoans) {
  Pair pair(4 * kMebi, deep());
  const auto payload = bytes_of(24, 1);
  const std::vector<RawMessage> batch(1000, RawMessage{"", payload});
  ASSERT_EQ(pair.producer.push_many_raw(batch, 5s), 1000U);
  for (unsigned number = 0; number < 1000; ++number) {
    Loan loan = pair.producer.loan(2000, 0ms);
    loan.publish();
  }
  expect_consistent(pair.segment());
  for (unsigned number = 0; number < 1000; ++number) pair.expect_pop(24, 1);
  EXPECT_EQ(pair.consumer.stats().messages, 1000U);
}

TEST(Deepening, ByManyAtOnce) {
  Pair pair(kMebi, deep());
  std::vector<std::jthread> threads;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      auto producer = pair.another_producer();
      for (unsigned number = 0; number < kDeep / 4; ++number) {
        ASSERT_TRUE(producer.push_raw({}, bytes_of(16, number), 10s));
      }
    });
  }
  threads.clear();
  expect_consistent(pair.segment());
  EXPECT_EQ(pair.consumer.stats().messages, kDeep);
}

TEST(Deepening, WhatHasNoMemoryIsNeverLookedAt) {
  Pair pair(kMebi, deep());
  ASSERT_TRUE(pair.push(100));
  const std::uint64_t before = backed_bytes(pair.name.path());
  {
    auto another = pair.another_consumer();
    static_cast<void>(shm::take_snapshot(pair.segment(), -1));
    pair.ring().blocks().keep_all();
    EXPECT_FALSE(pair.ring().blocks().others_have_borrowed());
    Recovery(pair.segment()).run(&pair.ring().participants());
    run_and_die([] { die(); });  // A fork looks for views.
  }
  EXPECT_EQ(backed_bytes(pair.name.path()), before);
  static_cast<void>(pair.segment().descriptor(kDescriptorsAtATime));
  EXPECT_EQ(pair.header().damaged, 1U) << "an index beyond the mark is damage";
  EXPECT_EQ(backed_bytes(pair.name.path()), before);
}

TEST(Deepening, ReserveTakesAllDescriptorsAtOnce) {
  const Pair pair(kMebi, deep(true));
  EXPECT_EQ(pair.segment().descriptor_mark(), kDeep + 8);
  const Geometry& geometry = pair.segment().geometry();
  EXPECT_GE(backed_bytes(pair.name.path()),
            geometry.arena_bytes() + geometry.offset_of_descriptor(kDeep + 9));
}

TEST(Deepening, RecoveryFindsTheSparesUpToTheMark) {
  const BareRing ring;
  const std::uint32_t all = ring.geometry.relief_descriptor();
  const auto spares = [&] {
    std::uint32_t count = 0;
    for (std::uint32_t index = ring.header().spare_head; index != kNone;
         index = ring.descriptor(index).link_next) {
      ++count;
    }
    return count;
  };
  // Before the mark moved, and after it, before the new ones were in the list.
  const std::uint32_t in_hole = 1;
  ring.header().descriptor_mark = 8;
  ring.recover();
  EXPECT_EQ(spares(), 8 - in_hole);
  expect_consistent(ring.segment());
  ring.header().descriptor_mark = all;
  ring.recover();
  EXPECT_EQ(spares(), all - in_hole);
  expect_consistent(ring.segment());
}

}  // namespace
}  // namespace ipc0cp::testing
