// SPDX-License-Identifier: Apache-2.0
// Live sources: producers that give up old messages, or the new one, instead of waiting.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

ProducerOptions dropping_oldest(std::uint32_t depth = 0) {
  ProducerOptions options;
  options.overflow = Overflow::drop_oldest;
  options.depth = depth;
  return options;
}

ProducerOptions dropping_newest() {
  ProducerOptions options;
  options.overflow = Overflow::drop_newest;
  return options;
}

void expect_counts(const Pair& pair, std::uint64_t overflowed, std::uint64_t popped) {
  const RingStats stats = pair.consumer.stats();
  EXPECT_EQ(stats.overflowed, overflowed);
  EXPECT_EQ(stats.popped, popped);
  EXPECT_EQ(stats.dropped, 0U);
  EXPECT_EQ(stats.lost, 0U);
  expect_consistent(pair.segment());
}

// ---- drop_oldest --------------------------------------------------------------------------------

TEST(DropOldest, TheOldestGoesWhenTheBytesAreUsedUp) {
  Pair pair(64 * kKibi, dropping_oldest());
  for (unsigned number = 0; number < 10; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number, 0ms));
  for (unsigned number = 6; number < 10; ++number) pair.expect_pop(16 * kKibi, number);
  expect_counts(pair, 6, 4);
}

TEST(DropOldest, TheOldestGoesWhenTheMessagesAreUsedUp) {
  ProducerOptions options = dropping_oldest();
  options.max_messages = 3;
  Pair pair(64 * kKibi, options);
  for (unsigned number = 0; number < 10; ++number) ASSERT_TRUE(pair.push(100, number, 0ms));
  for (unsigned number = 7; number < 10; ++number) pair.expect_pop(100, number);
  expect_counts(pair, 7, 3);
}

TEST(DropOldest, NothingGoesWhileTheRingCanGrow) {
  Pair pair(16 * kMebi, dropping_oldest());
  for (unsigned number = 0; number < 16; ++number) ASSERT_TRUE(pair.push(kMebi, number, 0ms));
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  ASSERT_TRUE(pair.push(kMebi, 16, 0ms));
  EXPECT_EQ(pair.producer.stats().overflowed, 1U);
}

TEST(DropOldest, NothingGoesThatConsumersHaveOnlyToBeCollected) {
  Pair pair(64 * kKibi, dropping_oldest());
  for (unsigned round = 0; round < 10; ++round) {
    for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number, 0ms));
    for (unsigned number = 0; number < 4; ++number) pair.expect_pop(16 * kKibi, number);
  }
  expect_counts(pair, 0, 40);
}

/// One hold gives up 64; a call that never waits does not end there.
TEST(DropOldest, ALargeMessageTakesThePlaceOfManySmallOnes) {
  ProducerOptions options = dropping_oldest();
  options.max_messages = 1000;
  Pair pair(kMebi, options);
  for (unsigned number = 0; number < 1000; ++number) ASSERT_TRUE(pair.push(1000, number, 0ms));
  ASSERT_TRUE(pair.push(kMebi, 5, 0ms));
  pair.expect_pop(kMebi, 5);
  expect_counts(pair, 1000, 1);
}

TEST(DropOldest, WhatConsumersHoldStaysAndNothingGoesForNothing) {
  Pair pair(64 * kKibi, dropping_oldest());
  ASSERT_TRUE(pair.push(40 * kKibi, 1));
  const std::optional<Message> view = pair.consumer.pop_raw(5s);
  ASSERT_TRUE(pair.push(10 * kKibi, 2, 0ms));
  EXPECT_FALSE(pair.push(60 * kKibi, 3, 0ms)) << "the view has the room";
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  // Who may wait gets the relief block, as any other producer.
  EXPECT_TRUE(pair.push(60 * kKibi, 4, 20s));
  EXPECT_TRUE(equal(view->payload(), bytes_of(40 * kKibi, 1)));
  pair.expect_pop(10 * kKibi, 2);
  pair.expect_pop(60 * kKibi, 4);
  expect_counts(pair, 0, 3);
}

TEST(DropOldest, LoansAreWaitedFor) {
  Pair pair(64 * kKibi, dropping_oldest());
  Loan loan = pair.producer.loan(40 * kKibi);
  ASSERT_TRUE(pair.push(10 * kKibi, 2, 0ms));
  EXPECT_FALSE(pair.push(60 * kKibi, 3, 0ms));
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  loan.abandon();
  EXPECT_TRUE(pair.push(60 * kKibi, 4, 0ms));
  pair.expect_pop(60 * kKibi, 4);
  expect_counts(pair, 1, 1);
}

/// Views lie in between, so that an empty queue would not be enough either.
TEST(DropOldest, AFragmentedRingIsNotEmptiedForNothing) {
  Pair pair(kMebi, dropping_oldest());
  constexpr std::size_t kBytes = 8 * kKibi;
  for (unsigned number = 0; number < 120; ++number) ASSERT_TRUE(pair.push(kBytes, number, 0ms));
  std::vector<Message> views;
  for (unsigned number = 0; number < 120; ++number) {
    std::optional<Message> message = pair.consumer.pop_raw(5s);
    if (number % 30 == 15) views.push_back(std::move(*message));
  }
  for (unsigned number = 0; number < 50; ++number) ASSERT_TRUE(pair.push(kBytes, number, 0ms));
  ASSERT_FALSE(pair.push(700 * kKibi, 1, 0ms));
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  EXPECT_TRUE(pair.push(700 * kKibi, 1, 20s)) << "through the relief block";
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  // Without the views it fits where the oldest were.
  views.clear();
  ASSERT_TRUE(pair.push(700 * kKibi, 2, 0ms));
  EXPECT_GT(pair.producer.stats().overflowed, 0U);
  expect_consistent(pair.segment());
}

TEST(DropOldest, WhoGrowsTheRingIsWaitedFor) {
  Pair pair(16 * kMebi, dropping_oldest());
  ASSERT_TRUE(pair.push(1000, 1, 0ms));
  pair.header().growing = 3;
  // It is patient for 5 ms; a thread that gets no processor for 20 ms has priority by then, and
  // finds room in the relief block.
  static_cast<void>(pair.push(kMebi, 2, 0ms));
  EXPECT_EQ(pair.producer.stats().overflowed, 0U);
  pair.header().growing = kNone;
  EXPECT_TRUE(pair.push(kMebi, 3, 0ms));
  pair.expect_pop(1000, 1);
  expect_counts(pair, 0, 1);
}

TEST(DropOldest, AFirstConsumerIsWaitedFor) {
  const RingName name;
  ProducerOptions options = dropping_oldest();
  options.keep = true;
  options.consumer_wait_timeout = 10ms;
  SharedRingBufferProducer producer(name.get(), 64 * kKibi, options);
  {
    SharedRingBufferConsumer consumer(name.get(), 0);
    for (int count = 0; count < 4; ++count) producer.push_raw({}, bytes_of(16 * kKibi));
  }
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(16 * kKibi)); });
  EXPECT_EQ(producer.stats().overflowed, 0U);
  EXPECT_EQ(producer.stats().messages, 4U);
}

/// The want of a producer that waits is made room for, besides one's own.
TEST(DropOldest, WhoHasPriorityGetsItsRoom) {
  Pair pair(64 * kKibi);
  auto live = pair.another_producer(dropping_oldest());
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number));
  std::atomic<bool> is_served{false};
  std::thread waiter([&] {
    EXPECT_TRUE(pair.push(40 * kKibi, 7, 30s));
    is_served = true;
  });
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!is_served && std::chrono::steady_clock::now() < end) {
    live.push_raw({}, bytes_of(8 * kKibi), 1s);
    std::this_thread::yield();
  }
  waiter.join();
  EXPECT_GT(live.stats().overflowed, 0U);
  EXPECT_EQ(live.stats().popped, 0U);
}

TEST(DropOldest, AMessageThatCameBackIsTheOldest) {
  ProducerOptions options = dropping_oldest();
  options.redeliver = true;
  Pair pair(64 * kKibi, options);
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number, 0ms));
  run_and_die([&] {
    auto doomed = pair.another_consumer();
    const auto first = doomed.pop_raw(20s);
    die();
  });
  EXPECT_EQ(pair.consumer.stats().messages, 4U);
  ASSERT_TRUE(pair.push(16 * kKibi, 4, 0ms));
  for (unsigned number = 1; number < 5; ++number) pair.expect_pop(16 * kKibi, number);
  EXPECT_EQ(pair.consumer.stats().overflowed, 1U);
}

TEST(DropOldest, EveryWayToPushDoesIt) {
  ProducerOptions options = dropping_oldest();
  options.max_messages = 4;
  Pair pair(kMebi, options);
  const std::vector<std::byte> small = bytes_of(100);
  const std::vector<std::byte> large = bytes_of(5000);
  const std::vector<RawMessage> batch(10, RawMessage{{}, small});
  EXPECT_EQ(pair.producer.push_many_raw(batch, 0ms), 10U);
  EXPECT_EQ(pair.producer.stats().overflowed, 6U);
  EXPECT_TRUE(pair.producer.try_push_raw({}, large));
  Loan loan = pair.producer.loan(5000, 0ms);
  EXPECT_EQ(pair.producer.stats().messages, 3U) << "a loan takes its room when it is made";
  EXPECT_TRUE(loan.publish());
  EXPECT_EQ(pair.producer.push_rows({}, bytes_of(100 * 300), 300, 0ms), 300U);
  EXPECT_EQ(pair.producer.stats().messages, 4U);
  expect_consistent(pair.segment());
}

TEST(DropOldest, AnImpossibleHeadIsPutOutOfUse) {
  ProducerOptions options = dropping_oldest();
  options.max_messages = 4;
  Pair pair(64 * kKibi, options);
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(100, number, 0ms));
  pair.segment().descriptor(pair.header().queue_head).payload_bytes = ~std::uint64_t{0};
  EXPECT_TRUE(pair.push(100, 4, 5s));
  for (unsigned number = 1; number < 5; ++number) pair.expect_pop(100, number);
  EXPECT_EQ(pair.consumer.stats().dropped, 1U);
}

// ---- depth: the latest value --------------------------------------------------------------------

TEST(Depth, OnlyTheLatestValueStays) {
  for (const std::size_t bytes : {100U, 5000U}) {
    Pair pair(kMebi, dropping_oldest(1));
    for (unsigned number = 0; number < 500; ++number) {
      ASSERT_TRUE(pair.push(bytes, number, 0ms));
      ASSERT_EQ(pair.header().queued, 1U);
    }
    pair.expect_pop(bytes, 499);
    expect_counts(pair, 499, 1);
  }
}

TEST(Depth, CountsWhatIsUnread) {
  Pair pair(kMebi, dropping_oldest(3));
  for (unsigned number = 0; number < 10; ++number) pair.push(5000, number, 0ms);
  std::vector<Message> views;
  views.push_back(*pair.consumer.pop_raw(5s));
  for (unsigned number = 10; number < 20; ++number) pair.push(5000, number, 0ms);
  EXPECT_EQ(pair.consumer.stats().messages, 3U) << "what is viewed does not count";
  for (unsigned number = 17; number < 20; ++number) pair.expect_pop(5000, number);
  EXPECT_TRUE(equal(views.front().payload(), bytes_of(5000, 7)));
}

/// While the next value is written, and if it never comes, the one before is there.
TEST(Depth, AValueStaysUntilTheNextOneIsThere) {
  Pair pair(kMebi, dropping_oldest(1));
  pair.push(5000, 1);
  Loan loan = pair.producer.loan(5000);
  EXPECT_EQ(pair.header().queued, 1U);
  loan.abandon();
  EXPECT_EQ(pair.header().queued, 1U);
  run_and_die([&] {
    auto doomed = pair.another_producer(dropping_oldest(1));
    Loan never = doomed.loan(5000);
    die();
  });
  pair.expect_pop(5000, 1);
  expect_counts(pair, 0, 1);
}

TEST(Depth, TwoProducersLeaveOneValue) {
  Pair pair(kMebi, dropping_oldest(1));
  auto other = pair.another_producer(dropping_oldest(1));
  constexpr unsigned kEach = 3000;
  const auto run = [](SharedRingBufferProducer& producer) {
    for (unsigned number = 0; number < kEach; ++number) {
      ASSERT_TRUE(producer.push_raw({}, bytes_of(number % 2 == 0 ? 100 : 5000, number), 30s));
    }
  };
  std::thread second([&] { run(other); });
  std::uint64_t popped = 0;
  std::thread reader([&] {
    while (const auto message = pair.consumer.pop_raw(30s)) {
      if (message->payload().size() == 1) break;
      popped += 1;
    }
  });
  run(pair.producer);
  second.join();
  auto last = pair.another_producer();
  last.push_raw({}, bytes_of(1));
  reader.join();
  expect_counts(pair, 2 * kEach - popped, popped + 1);
}

/// A backlog goes 64 messages at a time, one publish after the other.
TEST(Depth, ABacklogOfOthersGoesInSteps) {
  Pair pair(kMebi);
  for (unsigned number = 0; number < 200; ++number) ASSERT_TRUE(pair.push(10, number));
  auto live = pair.another_producer(dropping_oldest(1));
  for (const unsigned left : {137U, 74U, 11U, 1U}) {
    live.push_raw({}, bytes_of(10, left));
    EXPECT_EQ(pair.header().queued, left);
  }
  pair.expect_pop(10, 1);
}

TEST(Depth, NeedsDropOldestAndALimit) {
  const RingName name;
  ProducerOptions options;
  options.depth = 5;
  const auto open = [&] { SharedRingBufferProducer(name.get(), kMebi, options); };
  std::string text = expect_code(ErrorCode::invalid_argument, open);
  EXPECT_NE(text.find("depth=5"), std::string::npos) << text;
  EXPECT_NE(text.find("drop_oldest"), std::string::npos) << text;
  options.overflow = Overflow::drop_oldest;
  options.depth = kMaxMaxMessages + 1;
  text = expect_code(ErrorCode::invalid_argument, open);
  EXPECT_NE(text.find(std::to_string(kMaxMaxMessages)), std::string::npos) << text;
  EXPECT_FALSE(name.exists());
}

// ---- drop_newest --------------------------------------------------------------------------------

TEST(DropNewest, TheNewOneIsTurnedAwayAtOnceAndCounted) {
  Pair pair(64 * kKibi, dropping_newest());
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number, 30s));
  EXPECT_FALSE(pair.producer.push_raw({}, bytes_of(16 * kKibi))) << "for ever is not waited either";
  ErrorCode outcome = ErrorCode::ok;
  EXPECT_FALSE(pair.producer.push_raw({}, bytes_of(16 * kKibi), Timeout::forever(), outcome));
  EXPECT_EQ(outcome, ErrorCode::buffer_full);
  EXPECT_FALSE(pair.producer.try_push_raw({}, bytes_of(16 * kKibi)));
  expect_code(ErrorCode::buffer_full, [&] { pair.producer.loan(16 * kKibi); });
  EXPECT_EQ(pair.producer.stats().refused, 4U);
  for (unsigned number = 0; number < 4; ++number) pair.expect_pop(16 * kKibi, number);
  EXPECT_TRUE(pair.push(16 * kKibi, 9, 30s));
  expect_counts(pair, 0, 4);
}

TEST(DropNewest, ABatchEndsAtTheFirstThatFindsNoRoom) {
  ProducerOptions options = dropping_newest();
  options.max_messages = 6;
  Pair pair(kMebi, options);
  const std::vector<std::byte> small = bytes_of(100);
  const std::vector<RawMessage> batch(10, RawMessage{{}, small});
  EXPECT_EQ(pair.producer.push_many_raw(batch), 6U);
  EXPECT_EQ(pair.producer.stats().refused, 1U);
}

TEST(DropNewest, AFirstConsumerIsWaitedFor) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), 64 * kKibi, dropping_newest());
  std::thread late([&] {
    std::this_thread::sleep_for(20ms);
    SharedRingBufferConsumer consumer(name.get(), 0);
    EXPECT_TRUE(consumer.pop_raw(30s).has_value());
  });
  EXPECT_TRUE(producer.push_raw({}, bytes_of(100)));
  late.join();
}

/// A blocking producer of the same ring waits as ever.
TEST(DropNewest, IsOfOneProducerAlone) {
  Pair pair(64 * kKibi);
  auto live = pair.another_producer(dropping_newest());
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(pair.push(16 * kKibi, number));
  EXPECT_FALSE(live.push_raw({}, bytes_of(16 * kKibi)));
  std::thread waiter([&] { EXPECT_TRUE(pair.push(16 * kKibi, 4, 30s)); });
  for (unsigned number = 0; number < 5; ++number) pair.expect_pop(16 * kKibi, number);
  waiter.join();
  EXPECT_EQ(live.stats().refused, 1U);
}

}  // namespace
}  // namespace ipc0cp::testing
