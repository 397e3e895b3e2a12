// SPDX-License-Identifier: Apache-2.0
// Subscribers: each gets every message, beside workers and on broadcast rings.
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "subscribers.hpp"

namespace ipc0cp::testing {
namespace {

/// By how a message of this size travels: in the lock, copied out, viewed.
class Subscriber : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Sizes, Subscriber, ::testing::Values(64, 3000, 9000));

TEST_P(Subscriber, GetsEveryMessageBesideWorkers) {
  Pair pair;
  auto first = pair.another_consumer(subscribing());
  auto second = pair.another_consumer(subscribing());
  auto worker = pair.another_consumer();
  for (unsigned number = 0; number < 20; ++number) pair.push(GetParam(), number);
  for (unsigned number = 0; number < 20; ++number) expect_next(first, GetParam(), number);
  for (unsigned number = 0; number < 20; ++number) {
    expect_next(number % 2 == 0 ? pair.consumer : worker, GetParam(), number);
  }
  for (unsigned number = 0; number < 20; ++number) expect_next(second, GetParam(), number);
  expect_nothing(first);
  expect_nothing(second);
  EXPECT_EQ(first.missed(), 0U);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, OfABroadcastRingGetsEveryMessage) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting(3));
  std::vector<SharedRingBufferConsumer> readers;
  for (int reader = 0; reader < 3; ++reader) readers.emplace_back(name.get(), 0, subscribing());
  for (unsigned number = 0; number < 20; ++number) {
    ASSERT_TRUE(producer.push_raw({}, bytes_of(GetParam(), number), 5s));
  }
  EXPECT_EQ(producer.stats().messages, 20U);
  EXPECT_EQ(producer.stats().active_subscribers, 3U);
  for (unsigned number = 0; number < 7; ++number) expect_next(readers[1], GetParam(), number);
  EXPECT_EQ(producer.stats().messages, 13U) << "of the foremost";
  EXPECT_EQ(producer.stats().most_unread, 20U) << "of the furthest behind";
  expect_consistent(readers[0].channel().ring().segment());
  for (unsigned number = 7; number < 20; ++number) expect_next(readers[1], GetParam(), number);
  for (unsigned number = 0; number < 20; ++number) {
    expect_next(readers[0], GetParam(), number);
    expect_next(readers[2], GetParam(), number);
  }
  EXPECT_EQ(producer.stats().used_bytes, 0U);
  EXPECT_EQ(producer.stats().popped, 0U) << "no number says it";
  producer.close();
  for (auto& reader : readers) EXPECT_FALSE(reader.pop_raw(5s).has_value());
  expect_consistent(readers[0].channel().ring().segment());
}

TEST_P(Subscriber, GetsWhatIsPublishedAfterItHasJoined) {
  Pair pair;
  pair.push(GetParam(), 0);
  Loan loan = pair.producer.loan(GetParam());
  auto late = pair.another_consumer(subscribing());
  pair.push(GetParam(), 1);
  std::ranges::copy(bytes_of(GetParam(), 2), loan.bytes().begin());
  ASSERT_TRUE(loan.publish());
  expect_next(late, GetParam(), 1);
  expect_next(late, GetParam(), 2);
  for (unsigned number = 0; number < 3; ++number) pair.expect_pop(GetParam(), number);
  expect_nothing(late);
  static_cast<void>(pair.consumer.stats());
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, KeepsRoomUntilItHasReadAndGivesItBackAsItLeaves) {
  ProducerOptions options;
  options.max_messages = 8;
  options.blocking = false;
  Pair pair(kMebi, options);
  auto slow = pair.another_consumer(subscribing());
  for (unsigned number = 0; number < 8; ++number) ASSERT_TRUE(pair.push(GetParam(), number));
  for (unsigned number = 0; number < 8; ++number) pair.expect_pop(GetParam(), number);
  EXPECT_FALSE(pair.push(GetParam(), 8)) << "unread by the subscriber";
  expect_next(slow, GetParam(), 0);
  EXPECT_TRUE(pair.push(GetParam(), 8));
  EXPECT_FALSE(pair.push(GetParam(), 9));
  slow.close();
  for (unsigned number = 9; number < 16; ++number) EXPECT_TRUE(pair.push(GetParam(), number));
  for (unsigned number = 8; number < 16; ++number) pair.expect_pop(GetParam(), number);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, ThatWasKilledKeepsNothingFromOthers) {
  Pair pair;
  auto living = pair.another_consumer(subscribing());
  run_and_die([&] {
    auto doomed = pair.another_consumer(subscribing());
    SharedRingBufferProducer producer(pair.name.get(), 0);
    for (unsigned number = 0; number < 5; ++number) {
      static_cast<void>(producer.push_raw({}, bytes_of(GetParam(), number), 5s));
    }
    const auto one = doomed.pop_raw(5s);
    const auto two = doomed.pop_raw(5s);
    die();
  });
  for (unsigned number = 0; number < 5; ++number) {
    expect_next(living, GetParam(), number);
    pair.expect_pop(GetParam(), number);
  }
  const RingStats stats = pair.consumer.stats();
  EXPECT_EQ(stats.used_bytes, 0U);
  EXPECT_EQ(stats.lost, 0U) << "a dead subscriber loses nothing for others";
  EXPECT_EQ(stats.active_subscribers, 1U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, StillGetsWhatADeadWorkerHadInItsHands) {
  Pair pair;
  auto living = pair.another_consumer(subscribing());
  run_and_die([&] {
    auto doomed = pair.another_consumer();
    SharedRingBufferProducer producer(pair.name.get(), 0);
    static_cast<void>(producer.push_raw({}, bytes_of(GetParam(), 1), 5s));
    const auto one = doomed.pop_raw(5s);
    die();
  });
  expect_next(living, GetParam(), 1);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, FinishesInAnyOrderWithWorkers) {
  Pair pair(8 * kMebi);
  auto reader = pair.another_consumer(subscribing());
  std::vector<Message> of_worker;
  std::vector<Message> of_reader;
  for (unsigned number = 0; number < 12; ++number) pair.push(GetParam(), number);
  for (unsigned number = 0; number < 12; ++number) {
    of_worker.push_back(*pair.consumer.pop_raw(5s));
    of_reader.push_back(*reader.pop_raw(5s));
  }
  for (unsigned number = 0; number < 12; ++number) {
    auto& one = number % 2 == 0 ? of_worker : of_reader;
    auto& other = number % 2 == 0 ? of_reader : of_worker;
    one[number].release();
    EXPECT_TRUE(equal(other[number].payload(), bytes_of(GetParam(), number)));
    other[number].release();
  }
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, KeepsItsViewsPastItsEnd) {
  Pair pair;
  auto reader = std::make_unique<SharedRingBufferConsumer>(pair.another_consumer(subscribing()));
  pair.push(GetParam(), 1);
  pair.push(GetParam(), 2);
  pair.expect_pop(GetParam(), 1);
  pair.expect_pop(GetParam(), 2);
  Message kept = *reader->pop_raw(5s);
  reader.reset();
  pair.push(GetParam(), 3);
  pair.expect_pop(GetParam(), 3);
  EXPECT_TRUE(equal(kept.payload(), bytes_of(GetParam(), 1)));
  auto next = pair.another_consumer(subscribing());
  EXPECT_TRUE(equal(kept.payload(), bytes_of(GetParam(), 1)));
  kept.release();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, SeesTheEndOnceItHasReadEverything) {
  Pair pair;
  auto reader = pair.another_consumer(subscribing());
  pair.push(GetParam(), 1);
  pair.producer.close();
  expect_next(reader, GetParam(), 1);
  EXPECT_FALSE(reader.pop_raw(5s).has_value()) << "though the queue is not empty";
  pair.expect_pop(GetParam(), 1);
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
}

TEST_P(Subscriber, TakesTheLatestAndMissesTheRest) {
  Pair pair;
  auto reader = pair.another_consumer(subscribing());
  for (unsigned number = 0; number < 100; ++number) pair.push(GetParam(), number);
  const auto latest = reader.pop_latest_raw(5s);
  EXPECT_TRUE(equal(latest->payload(), bytes_of(GetParam(), 99)));
  EXPECT_EQ(reader.missed(), 99U);
  expect_nothing(reader);
  for (unsigned number = 0; number < 100; ++number) pair.expect_pop(GetParam(), number);
  EXPECT_EQ(pair.consumer.stats().overflowed, 0U) << "of the queue";
}

TEST_P(Subscriber, IsNoConcernOfAWorkerThatTakesTheLatest) {
  Pair pair;
  auto reader = pair.another_consumer(subscribing());
  for (unsigned number = 0; number < 10; ++number) pair.push(GetParam(), number);
  const auto latest = pair.consumer.pop_latest_raw(5s);
  EXPECT_TRUE(equal(latest->payload(), bytes_of(GetParam(), 9)));
  for (unsigned number = 0; number < 10; ++number) expect_next(reader, GetParam(), number);
  EXPECT_EQ(reader.missed(), 0U);
  static_cast<void>(pair.consumer.stats());
  expect_consistent(pair.segment());
}

TEST_P(Subscriber, PopsInBatchesAndPeeks) {
  Pair pair;
  auto reader = pair.another_consumer(subscribing());
  for (unsigned number = 0; number < 10; ++number) pair.push(GetParam(), number);
  EXPECT_EQ(reader.peek(5s)->payload_bytes, GetParam());
  EXPECT_EQ(reader.peek(5s)->queued, 10U);
  const auto some = reader.pop_many_raw(4, 5s);
  ASSERT_EQ(some.size(), 4U);
  for (unsigned number = 0; number < 4; ++number) {
    EXPECT_TRUE(equal(some[number].payload(), bytes_of(GetParam(), number)));
  }
  const auto rest = reader.pop_many_raw(100, 5s);
  EXPECT_EQ(rest.size(), 6U);
  for (unsigned number = 0; number < 10; ++number) pair.expect_pop(GetParam(), number);
}

// ---- rules
// ----------------------------------------------------------------------------------------

TEST(Subscribers, AreWokenAllByOnePush) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting(4));
  std::vector<std::thread> threads;
  std::atomic<unsigned> sum{0};
  for (int reader = 0; reader < 4; ++reader) {
    threads.emplace_back([&] {
      SharedRingBufferConsumer consumer(name.get(), 0, subscribing());
      while (const auto message = consumer.pop_raw(20s)) {
        sum += std::to_integer<unsigned>(message->payload()[0]);
      }
    });
  }
  for (unsigned number = 1; number <= 50; ++number) {
    const std::vector payload(16, static_cast<std::byte>(number));
    ASSERT_TRUE(producer.push_raw({}, payload, 20s));
    if (number % 10 == 0) std::this_thread::sleep_for(5ms);  // Until they sleep.
  }
  producer.close();
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sum, 4U * 50U * 51U / 2);
}

TEST(Subscribers, AFirstPushWaitsForAllThatAreExpected) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting(2));
  SharedRingBufferConsumer one(name.get(), 0, subscribing());
  const auto payload = bytes_of(64);
  const std::string refused =
      expect_code(ErrorCode::no_consumers, [&] { producer.try_push_raw({}, payload); });
  EXPECT_NE(refused.find("1 of 2 expected consumers"), std::string::npos) << refused;
  SharedRingBufferConsumer two(name.get(), 0, subscribing());
  EXPECT_TRUE(producer.try_push_raw({}, payload));
  two.close();
  EXPECT_TRUE(producer.try_push_raw({}, payload)) << "once";
}

TEST(Subscribers, OfABroadcastRingAreWhomAPushWaitsFor) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting());
  ConsumerOptions options = subscribing();
  options.auto_unlink = false;
  SharedRingBufferConsumer reader(name.get(), 0, options);
  Loan loan = producer.loan(5000);
  reader.close();
  expect_code(ErrorCode::no_consumers, [&] { loan.publish(); });
  ASSERT_TRUE(loan.active());
  SharedRingBufferConsumer next(name.get(), 0, options);
  EXPECT_TRUE(loan.publish()) << "the loan is still there";
  EXPECT_EQ(next.pop_raw(5s)->payload().size(), 5000U);
}

TEST(Subscribers, AloneDoNotMakeAWorkQueueBeRead) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  SharedRingBufferConsumer reader(name.get(), 0, subscribing());
  const auto payload = bytes_of(64);
  expect_code(ErrorCode::no_consumers, [&] { producer.try_push_raw({}, payload); });
}

TEST(Subscribers, KeepARingAliveLikeWorkers) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  SharedRingBufferConsumer worker(name.get(), 0);
  SharedRingBufferConsumer reader(name.get(), 0, subscribing());
  worker.close();
  EXPECT_TRUE(name.exists());
  reader.close();
  EXPECT_FALSE(name.exists()) << "the last one of either kind";
}

TEST(Subscribers, ThereAreFortyAtMost) {
  Pair pair;
  std::vector<SharedRingBufferConsumer> readers;
  for (std::uint32_t number = 0; number < kMaxSubscribers; ++number) {
    readers.push_back(pair.another_consumer(subscribing()));
  }
  const std::string text =
      expect_code(ErrorCode::too_many_participants, [&] { pair.another_consumer(subscribing()); });
  EXPECT_NE(text.find("40"), std::string::npos) << text;
  pair.push(64, 1);
  for (auto& reader : readers) expect_next(reader, 64, 1);
  readers.pop_back();
  readers.push_back(pair.another_consumer(subscribing()));
  static_cast<void>(pair.consumer.stats());
  expect_consistent(pair.segment());
}

TEST(Subscribers, AWorkerIsToldThatItsRingIsABroadcastRing) {
  const RingName name;
  SharedRingBufferConsumer early(name.get(), kMebi);
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting());
  for (int call = 0; call < 2; ++call) {
    const std::string text =
        expect_code(ErrorCode::option_mismatch, [&] { static_cast<void>(early.pop_raw(5s)); });
    EXPECT_NE(text.find("subscribe=True"), std::string::npos) << text;
  }
  expect_code(ErrorCode::option_mismatch, [&] { SharedRingBufferConsumer late(name.get(), 0); });
  expect_code(ErrorCode::option_mismatch, [&] { SharedRingBufferProducer other(name.get(), 0); });
}

TEST(Subscribers, ThatLeaveABroadcastRingLeaveNothingThatNobodyReads) {
  for (int round = 0; round < 20; ++round) {
    const RingName name;
    SharedRingBufferProducer producer(name.get(), kMebi, broadcasting());
    ConsumerOptions options = subscribing();
    options.auto_unlink = false;
    SharedRingBufferConsumer reader(name.get(), 0, options);
    for (unsigned number = 0; number < 500; ++number) {
      ASSERT_TRUE(producer.try_push_raw({}, bytes_of(64, number)));
    }
    std::thread leaving([&] { reader.close(); });
    ErrorCode outcome = ErrorCode::ok;
    while (outcome == ErrorCode::ok || outcome == ErrorCode::buffer_full) {
      producer.try_push_raw({}, bytes_of(64), outcome);
    }
    EXPECT_EQ(outcome, ErrorCode::no_consumers);
    leaving.join();
    EXPECT_EQ(producer.stats().used_bytes, 0U);
    expect_consistent(producer.channel().ring().segment());
  }
}

TEST(Subscribers, CostARingWithoutThemNoMemory) {
  Pair pair;
  EXPECT_FALSE(pair.segment().has_records());
  auto reader = pair.another_consumer(subscribing());
  EXPECT_TRUE(pair.segment().has_records());
}

TEST(Subscribers, OnARingThatRedeliversFinishNothingForOthers) {
  ProducerOptions options;
  options.redeliver = true;
  Pair pair(kMebi, options);
  auto reader = pair.another_consumer(subscribing());
  pair.push(64, 1);
  pair.push(9000, 2);
  expect_next(reader, 64, 1);
  expect_next(reader, 9000, 2);
  reader.done();
  reader.requeue();
  run_and_die([&] {
    auto doomed = pair.another_consumer();
    const auto one = doomed.pop_raw(20s);
    die();
  });
  EXPECT_EQ(pair.consumer.stats().active_consumers, 1U) << "its death is noticed";
  pair.expect_pop(64, 1);
  pair.expect_pop(9000, 2);
  expect_nothing(reader);
  pair.consumer.done();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

}  // namespace
}  // namespace ipc0cp::testing
