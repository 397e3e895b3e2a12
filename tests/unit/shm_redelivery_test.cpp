// SPDX-License-Identifier: Apache-2.0
// A ring with redeliver=true: a message whose consumer died comes again.
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

ProducerOptions redelivering() {
  ProducerOptions options;
  options.redeliver = true;
  return options;
}

/// A process that takes `count` messages, finishes the first `finished` and is killed; noticed.
void take_and_die(const Pair& pair, int count, int finished = 0) {
  run_and_die([&] {
    std::vector<Message> kept;
    // The next pop of a thread would finish what it had, so each has a handle of its own.
    std::vector<SharedRingBufferConsumer> handles;
    for (int number = 0; number < count; ++number) {
      handles.push_back(pair.another_consumer());
      kept.push_back(*handles.back().pop_raw(20s));
      if (number < finished) kept.back().done();
    }
    die();
  });
  EXPECT_EQ(pair.consumer.stats().active_consumers, 1U);
}

class Redelivery : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Redelivery, MessagesOfADeadConsumerComeAgainInTheirPlace) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  for (unsigned number = 0; number < 4; ++number) pair.push(bytes, number);
  take_and_die(pair, 2);
  for (unsigned number = 0; number < 4; ++number) {
    const auto message = pair.consumer.pop_raw(20s);
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(equal(message->payload(), bytes_of(bytes, number))) << number;
    EXPECT_EQ(message->deliveries(), number < 2 ? 2U : 1U);
  }
  EXPECT_EQ(pair.consumer.stats().lost, 0U);
}

TEST_P(Redelivery, FinishedOnesDoNot) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  for (unsigned number = 0; number < 3; ++number) pair.push(bytes, number);
  take_and_die(pair, 2, 1);
  for (unsigned number = 1; number < 3; ++number) pair.expect_pop(bytes, number);
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

TEST_P(Redelivery, PoisonIsDroppedAfterThreeDeliveries) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  pair.push(bytes, 1);
  pair.push(bytes, 2);
  for (unsigned death = 0; death < shm::kMaxDeliveries; ++death) take_and_die(pair, 1);
  pair.expect_pop(bytes, 2);
  EXPECT_EQ(pair.consumer.stats().dropped, 1U);
}

TEST_P(Redelivery, NextPopFinishesAndTheBlockComesBack) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  for (unsigned number = 0; number < 300; ++number) {
    ASSERT_TRUE(pair.push(bytes, number, 20s));
    pair.expect_pop(bytes, number);
  }
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Redelivery, EndOfStreamWaitsForWhatOthersHold) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  pair.push(bytes, 1);
  auto other = pair.another_consumer();
  std::optional<Message> held = other.pop_raw(20s);
  pair.producer.close();
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  held->done();
  held.reset();
  EXPECT_FALSE(pair.consumer.pop_raw(20s).has_value());
}

/// Consumers that wait for the end of the stream sleep until somebody says that it may have come.
class SleepingPeer {
 public:
  explicit SleepingPeer(const Pair& pair)
      : word_(pair.header().data_event), announced_(pair.ring().data_event().announce()) {}
  [[nodiscard]] bool is_woken() const { return word_ != announced_; }

 private:
  std::atomic<std::uint32_t>& word_;
  std::uint32_t announced_;
};

TEST_P(Redelivery, FinishingWakesWhoWaitsForTheEnd) {
  Pair pair(kMebi, redelivering());
  pair.push(GetParam());
  std::optional<Message> held = pair.consumer.pop_raw(20s);
  const SleepingPeer peer(pair);
  held->done();
  EXPECT_TRUE(peer.is_woken()) << "also while it is still viewed";
}

TEST_P(Redelivery, DroppingWakesWhoWaitsForTheEnd) {
  Pair pair(kMebi, redelivering());
  pair.push(GetParam());
  for (unsigned delivery = 1; delivery < shm::kMaxDeliveries; ++delivery) {
    pair.consumer.pop_raw(20s)->requeue();
  }
  std::optional<Message> poison = pair.consumer.pop_raw(20s);
  const SleepingPeer peer(pair);
  poison->requeue();
  poison.reset();
  EXPECT_TRUE(peer.is_woken());
  EXPECT_EQ(pair.consumer.stats().dropped, 1U);
}

TEST_P(Redelivery, RequeuedMessageComesAgain) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  pair.push(bytes, 1);
  std::optional<Message> message = pair.consumer.pop_raw(20s);
  message->requeue();
  message.reset();
  message = pair.consumer.pop_raw(20s);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->deliveries(), 2U);
  EXPECT_TRUE(equal(message->payload(), bytes_of(bytes, 1)));
}

/// One thread per task: the system gives the id of one that has ended to the next.
TEST(RedeliveryOfDamage, WhatCannotBeDecodedIsCountedOnceAndDoesNotComeAgain) {
  Pair pair(kMebi, redelivering());
  const std::vector<std::byte> payload(10);
  pair.producer.push_raw(R"({"type":"ndarray","version":"1.0","dtype":"<f4","shape":[99]})",
                         payload);
  pair.push(10, 1);
  pair.push(10, 2);
  expect_code(ErrorCode::corrupt_payload, [&] { pair.consumer.pop(5s); });
  pair.consumer.requeue();
  RingStats stats = pair.consumer.stats();
  EXPECT_EQ(stats.messages, 2U);
  EXPECT_EQ(stats.dropped, 1U);
  EXPECT_EQ(stats.popped, 0U);
  pair.expect_pop(10, 1);
  pair.consumer.requeue();
  stats = pair.consumer.stats();
  EXPECT_EQ(stats.messages, 2U) << "what was handed out soundly comes again";
  EXPECT_EQ(stats.popped, 0U);
  pair.expect_pop(10, 1);
  pair.expect_pop(10, 2);
  stats = pair.consumer.stats();
  EXPECT_EQ(stats.pushed, stats.popped + stats.dropped);
}

TEST_P(Redelivery, WhatAThreadLeavesBehindIsNotFinishedByTheNextOne) {
  const std::size_t bytes = GetParam();
  Pair pair(kMebi, redelivering());
  for (unsigned number = 0; number < 3; ++number) pair.push(bytes, number);
  run_and_die([&] {
    auto consumer = pair.another_consumer();
    std::vector<Message> handed_on;
    std::vector<std::thread::id> ids;
    for (int task = 0; task < 3; ++task) {
      std::thread([&] {
        ids.push_back(std::this_thread::get_id());
        handed_on.push_back(*consumer.pop_raw(20s));
      }).join();
    }
    handed_on[1].done();  // By another thread than the one that popped it.
    if (ids[0] != ids[1] && ids[1] != ids[2]) std::fprintf(stderr, "no id came again\n");
    die();
  });
  pair.expect_pop(bytes, 0);
  pair.expect_pop(bytes, 2);
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  EXPECT_EQ(pair.consumer.stats().lost, 0U);
}

TEST_P(Redelivery, WhatAThreadLeavesBehindIsFinishedByClosing) {
  Pair pair(kMebi, redelivering());
  auto other = pair.another_consumer();
  pair.push(GetParam());
  std::thread([&] { other.pop_raw(20s); }).join();
  EXPECT_GT(pair.consumer.stats().used_bytes, 0U);
  other.close();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
}

INSTANTIATE_TEST_SUITE_P(Sizes, Redelivery, ::testing::Values(100, 2000, 20000));

}  // namespace
}  // namespace ipc0cp::testing
