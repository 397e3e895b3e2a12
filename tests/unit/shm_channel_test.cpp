// SPDX-License-Identifier: Apache-2.0
// What the users of a ring are promised: the situations of the contract, order, loans, closing.
#include "shm/channel.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <utility>

#include "platform/liveness.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

ProducerOptions not_blocking() {
  ProducerOptions options;
  options.blocking = false;
  return options;
}

ProducerOptions with_max_messages(std::uint32_t count) {
  ProducerOptions options;
  options.max_messages = count;
  return options;
}

// ---- messages ---------------------------------------------------------------------------------

TEST(Channel, EverySizeArrivesUnchanged) {
  Pair pair;
  const std::string metadata = R"({"type":"x","version":"1.0"})";
  for (const std::size_t bytes : {0, 1, 63, 64, 65, 995, 996, 997, 1024, 1025, 4096, 4097, 70000}) {
    SCOPED_TRACE(bytes);
    const auto payload = bytes_of(bytes);
    ASSERT_TRUE(pair.producer.push_raw(metadata, payload));
    const auto message = pair.consumer.pop_raw(5s);
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(equal(message->payload(), payload));
    EXPECT_EQ(message->metadata(), metadata);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(message->payload().data()) % 64, 0U);
  }
  static_cast<void>(pair.consumer.stats());
  expect_consistent(pair.segment());
}

TEST(Channel, MessageWithoutMetadataIsBytes) {
  Pair pair;
  ASSERT_TRUE(pair.producer.push_raw({}, {}));
  const auto message = pair.consumer.pop_raw(5s);
  EXPECT_EQ(message->metadata(), R"({"type":"bytes","version":"1.0"})");
  EXPECT_EQ(message->payload().size(), 0U);
  EXPECT_TRUE(message->active());
}

TEST(Channel, OneFifoOverAllProducersAndSizes) {
  Pair pair;
  auto second = pair.another_producer();
  for (unsigned number = 0; number < 40; ++number) {
    auto& producer = number % 3 == 0 ? second : pair.producer;
    ASSERT_TRUE(producer.push_raw({}, bytes_of(number % 2 == 0 ? 64 : 9000, number)));
  }
  for (unsigned number = 0; number < 40; ++number) {
    pair.expect_pop(number % 2 == 0 ? 64 : 9000, number);
  }
}

TEST(Channel, LoanTakesItsPlaceWhenPublished) {
  Pair pair;
  Loan loan = pair.producer.loan(5000);
  std::memset(loan.bytes().data(), 1, 5000);
  pair.push(10, 2);
  ASSERT_TRUE(loan.publish());
  EXPECT_FALSE(loan.active());
  pair.expect_pop(10, 2);
  EXPECT_EQ(pair.consumer.pop_raw(5s)->payload()[4999], std::byte{1});
}

TEST(Channel, EachMessageReachesOneConsumer) {
  Pair pair;
  auto second = pair.another_consumer();
  pair.push(10, 1);
  pair.push(10, 2);
  pair.expect_pop(10, 1);
  EXPECT_TRUE(equal(second.pop_raw(5s)->payload(), bytes_of(10, 2)));
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
}

TEST(Channel, IdsGrowInTheOrderOfPublishing) {
  Pair pair;
  pair.push(1);
  pair.push(9000);
  const std::uint64_t first = pair.consumer.pop_raw(5s)->id();
  EXPECT_GT(pair.consumer.pop_raw(5s)->id(), first);
}

// ---- no room ----------------------------------------------------------------------------------

TEST(Channel, PushWithoutRoomIsFalseAndQueuesNothing) {
  Pair pair(64 * kKibi);
  ASSERT_TRUE(pair.push(60 * kKibi));
  EXPECT_FALSE(pair.push(8 * kKibi, 2, 5ms));
  EXPECT_FALSE(pair.push(8 * kKibi, 2, 0ms));
  EXPECT_FALSE(pair.producer.try_push_raw({}, bytes_of(8 * kKibi)));
  EXPECT_EQ(pair.consumer.stats().messages, 1U);
  pair.expect_pop(60 * kKibi);
  EXPECT_TRUE(pair.push(8 * kKibi, 2, 5s));
}

TEST(Channel, NonBlockingPushIgnoresItsTimeOut) {
  Pair pair(64 * kKibi, not_blocking());
  ASSERT_TRUE(pair.push(64 * kKibi, 1, Timeout::forever()));
  EXPECT_FALSE(pair.push(1, 1, Timeout::forever()));
}

TEST(Channel, MaxMessagesCountsAsNoRoom) {
  Pair pair(kMebi, with_max_messages(3));
  for (int count = 0; count < 3; ++count) ASSERT_TRUE(pair.push(1, 1, 0ms));
  EXPECT_FALSE(pair.push(1, 1, 0ms));
  pair.expect_pop(1);
  EXPECT_TRUE(pair.push(1, 1, 0ms));
}

TEST(Channel, BlockedPushGoesOnWhenRoomComes) {
  Pair pair(64 * kKibi);
  ASSERT_TRUE(pair.push(64 * kKibi, 1));
  std::thread reader([&] { pair.expect_pop(64 * kKibi, 1); });
  EXPECT_TRUE(pair.push(64 * kKibi, 2, 20s));
  reader.join();
  pair.expect_pop(64 * kKibi, 2);
}

TEST(Channel, TooLargeNamesSizeAndLimitAndQueuesNothing) {
  Pair pair(64 * kKibi);
  const std::string text =
      expect_code(ErrorCode::message_too_large, [&] { pair.push(64 * kKibi + 1); });
  EXPECT_NE(text.find("65537"), std::string::npos) << text;
  EXPECT_NE(text.find("65536"), std::string::npos) << text;
  expect_code(ErrorCode::message_too_large, [&] { pair.producer.loan(64 * kKibi + 1); });
  expect_code(ErrorCode::message_too_large,
              [&] { pair.producer.push_raw(R"({"type":"x"})", bytes_of(64 * kKibi)); });
  EXPECT_EQ(pair.consumer.stats().messages, 0U);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

// ---- consumers --------------------------------------------------------------------------------

TEST(Channel, WithoutConsumersPushWaitsAndThenSaysSo) {
  const RingName name;
  ProducerOptions options;
  options.consumer_wait_timeout = 20ms;
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  const std::string text =
      expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(10)); });
  EXPECT_NE(text.find("rm " + name.path()), std::string::npos) << text;
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(10), 1ms); });
  expect_code(ErrorCode::no_consumers, [&] { producer.try_push_raw({}, bytes_of(10)); });
  EXPECT_TRUE(name.exists()) << "the ring stays";
}

TEST(Channel, PushWaitsForAFirstConsumer) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  std::thread late([&] {
    SharedRingBufferConsumer consumer(name.get(), kMebi);
    EXPECT_TRUE(consumer.pop_raw(20s).has_value());
  });
  EXPECT_TRUE(producer.push_raw({}, bytes_of(10), 20s));
  late.join();
}

TEST(Channel, AfterTheLastConsumerPushFailsAtOnce) {
  Pair pair;
  pair.consumer.close();
  expect_code(ErrorCode::no_consumers, [&] { pair.producer.push_raw({}, bytes_of(10)); });
  EXPECT_FALSE(pair.name.exists());
}

TEST(Channel, PushDoesNotSleepWhenTheLastConsumerLeavesJustBefore) {
  static SharedRingBufferConsumer* reader = nullptr;
  ProducerOptions options;
  options.interrupt_check = [] {  // Called after the push found no room, before it sleeps.
    if (reader != nullptr) std::exchange(reader, nullptr)->close();
    return false;
  };
  Pair pair(64 * kKibi, options);
  ASSERT_TRUE(pair.push(64 * kKibi));
  reader = &pair.consumer;
  expect_code(ErrorCode::no_consumers, [&] { pair.push(64 * kKibi, 1, Timeout::forever()); });
  EXPECT_EQ(pair.producer.stats().producer_waits, 0U) << "the wake came before its announcement";
}

TEST(Channel, EmptyPopSaysWhy) {
  ConsumerOptions options;
  options.blocking = false;
  Pair pair(kMebi, {}, options);
  expect_code(ErrorCode::buffer_empty, [&] { pair.consumer.pop_raw(); });
  auto blocking = pair.another_consumer();
  expect_code(ErrorCode::timeout, [&] { blocking.pop_raw(0ms); });
  expect_code(ErrorCode::timeout, [&] { blocking.pop_raw(2ms); });
  expect_code(ErrorCode::buffer_empty, [&] { blocking.try_pop_raw(); });
}

TEST(Channel, EndOfStreamComesAfterTheLastMessageAndIsAskedAgain) {
  Pair pair;
  pair.push(10);
  pair.producer.close();
  pair.expect_pop(10);
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
  auto later = pair.another_producer();
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  later.push_raw({}, bytes_of(10));
  pair.expect_pop(10);
}

TEST(Channel, EndOfStreamWaitsForExpectedProducers) {
  ConsumerOptions options;
  options.expected_producers = 2;
  Pair pair(kMebi, {}, options);
  pair.producer.close();
  expect_code(ErrorCode::timeout, [&] { pair.consumer.pop_raw(1ms); });
  pair.another_producer().close();
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
}

TEST(Channel, KilledProducerCountsAsGone) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kMebi);
    producer.push_raw({}, bytes_of(10));
    die();
  });
  EXPECT_TRUE(consumer.pop_raw(20s).has_value());
  EXPECT_FALSE(consumer.pop_raw(20s).has_value());
  EXPECT_EQ(consumer.stats().repaired_deaths, 1U);
}

/// Others have counted it out already; a second time would be one too many for the end of stream.
TEST(Channel, ProducerThatLostItsTokenDoesNotLeaveAgain) {
  Pair pair;
  const shm::Participants& lost = pair.producer.channel().ring().participants();
  platform::unlock_byte(lost.token_file(), shm::kTokenByte + shm::slot_of(lost.self()));
  auto other = pair.another_producer();
  EXPECT_EQ(other.stats().active_producers, 1U);
  pair.producer.close();
  EXPECT_EQ(other.stats().active_producers, 1U);
  other.close();
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
}

TEST(Channel, PollingConsumerSeesTheDeathOfTheLastProducer) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kMebi);
    die();
  });
  int polls = 0;
  while (true) {
    try {
      ASSERT_FALSE(consumer.try_pop_raw().has_value());
      break;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ErrorCode::buffer_empty);
    }
    ASSERT_LT(++polls, 10) << "each poll is 25 ms after the last one";
    std::this_thread::sleep_for(25ms);
  }
}

TEST(Channel, PollingProducerGetsTheRoomOfADeadConsumer) {
  ProducerOptions options = with_max_messages(4);
  Pair pair(64 * kKibi, options);
  for (int count = 0; count < 4; ++count) ASSERT_TRUE(pair.push(8 * kKibi));
  run_and_die([&] {
    auto doomed = pair.another_consumer();
    std::vector<Message> kept;
    for (int count = 0; count < 4; ++count) kept.push_back(*doomed.pop_raw(5s));
    die();
  });
  int polls = 0;
  while (!pair.push(8 * kKibi, 1, 0ms)) {
    ASSERT_LT(++polls, 10) << "each poll is 25 ms after the last one";
    std::this_thread::sleep_for(25ms);
  }
  EXPECT_GT(pair.consumer.stats().lost, 0U);
}

// ---- statistics -------------------------------------------------------------------------------

TEST(Channel, StatsAddUp) {
  Pair pair;
  for (unsigned number = 0; number < 5; ++number) pair.push(2000, number);
  pair.expect_pop(2000, 0);
  const RingStats stats = pair.producer.stats();
  EXPECT_EQ(stats.active_producers, 1U);
  EXPECT_EQ(stats.active_consumers, 1U);
  EXPECT_EQ(stats.messages, 4U);
  EXPECT_EQ(stats.used_bytes, 8000U);
  EXPECT_EQ(stats.total_data_bytes, kMebi);
  EXPECT_EQ(stats.pushed, 5U);
  EXPECT_EQ(stats.popped, 1U);
  EXPECT_EQ(stats.dropped + stats.lost + stats.repaired_deaths, 0U);
  EXPECT_EQ(stats.most_messages, 5U);
  EXPECT_EQ(stats.most_used_bytes, 10000U);
}

TEST(Channel, StatsOfAClosedHandleAreItsError) {
  Pair pair;
  pair.producer.close();
  pair.consumer.close();
  expect_code(ErrorCode::closed, [&] { static_cast<void>(pair.producer.stats()); });
  expect_code(ErrorCode::closed, [&] { static_cast<void>(pair.consumer.stats()); });
}

TEST(Channel, InterruptCheckEndsBlockedCalls) {
  static std::atomic<bool> stop{false};
  stop = false;
  ProducerOptions producer_options;
  producer_options.interrupt_check = [] { return stop.load(); };
  ConsumerOptions consumer_options;
  consumer_options.interrupt_check = producer_options.interrupt_check;
  Pair pair(64 * kKibi, producer_options, consumer_options);
  std::thread stopper([] { stop = true; });
  expect_code(ErrorCode::interrupted, [&] { pair.consumer.pop_raw(); });
  stopper.join();
  ASSERT_TRUE(pair.push(64 * kKibi, 1, 5s));
  expect_code(ErrorCode::interrupted, [&] { pair.push(64 * kKibi, 1, Timeout::forever()); });
}

}  // namespace
}  // namespace ipc0cp::testing
