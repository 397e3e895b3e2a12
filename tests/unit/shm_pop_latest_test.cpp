// SPDX-License-Identifier: Apache-2.0
// pop_latest: the newest message, and what becomes of the others.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

void expect_latest(Pair& pair, std::size_t bytes, unsigned seed) {
  const std::optional<Message> message = pair.consumer.pop_latest_raw(5s);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(equal(message->payload(), bytes_of(bytes, seed)));
}

class PopLatest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(PopLatest, TakesTheNewestAndCountsTheOthers) {
  const std::size_t bytes = GetParam();
  for (const unsigned count : {1U, 2U, 64U, 65U, 66U, 200U}) {
    Pair pair(8 * kMebi);
    for (unsigned number = 0; number < count; ++number) ASSERT_TRUE(pair.push(bytes, number));
    expect_latest(pair, bytes, count - 1);
    const RingStats stats = pair.consumer.stats();
    EXPECT_EQ(stats.overflowed, count - 1);
    EXPECT_EQ(stats.popped, 1U);
    EXPECT_EQ(stats.messages, 0U);
    EXPECT_EQ(stats.used_bytes, 0U);
    expect_consistent(pair.segment());
  }
}
INSTANTIATE_TEST_SUITE_P(Pop, PopLatest, ::testing::Values(100, 4000, 6000));

TEST(PopLatestWaits, LikePop) {
  Pair pair;
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_latest_raw(1ms); });
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_latest_raw(0ms); });
  std::thread writer([&] {
    std::this_thread::sleep_for(20ms);
    pair.push(100, 7);
  });
  expect_latest(pair, 100, 7);
  writer.join();
  pair.push(100, 8);
  pair.push(100, 9);
  pair.producer.close();
  expect_latest(pair, 100, 9);
  EXPECT_FALSE(pair.consumer.pop_latest_raw(5s).has_value()) << "the end of the stream";
  pair.consumer.close();
  expect_code(ErrorCode::closed, [&] { pair.consumer.pop_latest_raw(1ms); });
}

TEST(PopLatestWaits, NotIfTheHandleNeverDoes) {
  ConsumerOptions options;
  options.blocking = false;
  Pair pair(kMebi, {}, options);
  expect_code(ErrorCode::buffer_empty, [&] { pair.consumer.pop_latest_raw(); });
}

TEST(PopLatestWakes, WhoWaitsForRoom) {
  Pair pair(64 * kKibi);
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number));
  std::thread writer([&] { EXPECT_TRUE(pair.push(48 * kKibi, 9, 30s)); });
  while (pair.producer.stats().producer_waits == 0) std::this_thread::yield();
  const std::optional<Message> latest = pair.consumer.pop_latest_raw(5s);
  writer.join();
  EXPECT_GE(latest->id(), 4U);
}

/// A view that is held stays, and so do messages that others have taken.
TEST(PopLatestLeaves, WhatIsInSomebodysHands) {
  Pair pair;
  auto other = pair.another_consumer();
  pair.push(6000, 1);
  const auto held = other.pop_raw(5s);
  for (unsigned number = 2; number < 9; ++number) pair.push(6000, number);
  expect_latest(pair, 6000, 8);
  EXPECT_TRUE(equal(held->payload(), bytes_of(6000, 1)));
  EXPECT_EQ(pair.consumer.stats().overflowed, 6U);
}

TEST(PopLatestRedelivers, TheNewestOnly) {
  ProducerOptions options;
  options.redeliver = true;
  Pair pair(kMebi, options);
  for (unsigned number = 0; number < 5; ++number) pair.push(100, number);
  run_and_die([&] {
    auto doomed = pair.another_consumer();
    const auto latest = doomed.pop_latest_raw(20s);
    die();
  });
  EXPECT_EQ(pair.consumer.stats().overflowed, 4U);
  expect_latest(pair, 100, 4);
}

TEST(PopLatestDecodes, ObjectsToo) {
  Pair pair;
  for (const char* text : {"old", "older", "new"}) pair.producer.push(TextData(text));
  const auto object = pair.consumer.pop_latest(5s);
  EXPECT_EQ(object->as<TextData>().text(), "new");
}

/// What a pop_many took and could not hand out is older than the queue.
TEST(PopLatestAfterABatch, WhatWasPutBackGoesFirst) {
  Pair pair;
  for (unsigned number = 0; number < 5; ++number) pair.push(100, number);
  std::vector<Message> taken = pair.consumer.pop_many_raw(5);
  pair.consumer.put_back(nullptr, std::span(taken).subspan(1));
  expect_latest(pair, 100, 4);
  EXPECT_EQ(pair.consumer.stats().overflowed, 3U);
  taken.clear();
  for (unsigned number = 5; number < 10; ++number) pair.push(100, number);
  taken = pair.consumer.pop_many_raw(3);
  pair.consumer.put_back(nullptr, taken);
  expect_latest(pair, 100, 9);
  EXPECT_EQ(pair.consumer.stats().overflowed, 3U + 3U + 1U);
}

TEST(PopLatestBesideADamagedMessage, TheOthersAreFound) {
  Pair pair;
  for (unsigned number = 0; number < 5; ++number) pair.push(100, number);
  pair.segment().descriptor(pair.header().queue_head).payload_bytes = ~std::uint64_t{0};
  const std::optional<Message> message = pair.consumer.pop_latest_raw(5s);
  ASSERT_TRUE(message.has_value());
  EXPECT_GT(message->id(), 1U);
  EXPECT_EQ(pair.consumer.stats().dropped, 1U);
}

}  // namespace
}  // namespace ipc0cp::testing
