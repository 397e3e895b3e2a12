// SPDX-License-Identifier: Apache-2.0
// Subscribers that let messages be given up for want of room, and those that do not.
#include <gtest/gtest.h>

#include <thread>
#include <utility>
#include <vector>

#include "captured_log.hpp"
#include "subscribers.hpp"

namespace ipc0cp::testing {
namespace {

constexpr unsigned kPlaces = 8;

ProducerOptions with_few_places(bool broadcast, bool blocking = false) {
  ProducerOptions options;
  options.max_messages = kPlaces;
  options.blocking = blocking;
  options.broadcast = broadcast;
  return options;
}

/// By how a message of this size travels: in the lock, copied out, viewed.
class SlowSubscriber : public ::testing::TestWithParam<std::size_t> {
 protected:
  [[nodiscard]] bool push(SharedRingBufferProducer& producer, unsigned number) const {
    return producer.push_raw({}, bytes_of(GetParam(), number));
  }
  void expect_message(SharedRingBufferConsumer& consumer, unsigned number) const {
    expect_next(consumer, GetParam(), number);
  }
};
INSTANTIATE_TEST_SUITE_P(Sizes, SlowSubscriber, ::testing::Values(64, 3000, 9000));

TEST_P(SlowSubscriber, MissesTheOldestForWantOfRoom) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true));
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  for (unsigned number = 0; number < 100; ++number) ASSERT_TRUE(push(producer, number)) << number;
  expect_consistent(producer.channel().ring().segment());
  for (unsigned number = 100 - kPlaces; number < 100; ++number) expect_message(slow, number);
  EXPECT_EQ(slow.missed(), 100U - kPlaces);
  expect_nothing(slow);
  EXPECT_EQ(producer.stats().used_bytes, 0U);
  expect_consistent(producer.channel().ring().segment());
}

TEST_P(SlowSubscriber, MissesNothingThatAnotherStillKeeps) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true));
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  SharedRingBufferConsumer careful(name.get(), 0, subscribing());
  for (unsigned number = 0; number < kPlaces; ++number) ASSERT_TRUE(push(producer, number));
  EXPECT_FALSE(push(producer, kPlaces)) << "the careful one has read nothing";
  for (unsigned number = 0; number < 3; ++number) expect_message(careful, number);
  for (unsigned number = kPlaces; number < kPlaces + 3; ++number) {
    EXPECT_TRUE(push(producer, number));
  }
  EXPECT_FALSE(push(producer, kPlaces + 3));
  for (unsigned number = 3; number < kPlaces + 3; ++number) {
    expect_message(slow, number);
    expect_message(careful, number);
  }
  EXPECT_EQ(slow.missed(), 3U);
  EXPECT_EQ(careful.missed(), 0U);
  EXPECT_EQ(producer.stats().used_bytes, 0U);
}

/// Also not by way of the relief block, after a foremost reader has viewed what is unread.
TEST_P(SlowSubscriber, KeepsMessagesUnreadUpToTheLimit) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true, true));
  SharedRingBufferConsumer careful(name.get(), 0, subscribing());
  SharedRingBufferConsumer fast(name.get(), 0, subscribing());
  for (unsigned number = 0; number < kPlaces; ++number) {
    ASSERT_TRUE(push(producer, number));
    expect_message(fast, number);
  }
  EXPECT_FALSE(producer.push_raw({}, bytes_of(GetParam(), kPlaces), 100ms));
  EXPECT_EQ(producer.stats().most_unread, kPlaces);
  expect_message(careful, 0);
  EXPECT_TRUE(producer.push_raw({}, bytes_of(GetParam(), kPlaces), 5s));
}

TEST_P(SlowSubscriber, BesideWorkersMissesOnlyWhatTheyHaveTaken) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(false));
  SharedRingBufferConsumer worker(name.get(), 0);
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  for (unsigned number = 0; number < kPlaces; ++number) ASSERT_TRUE(push(producer, number));
  EXPECT_FALSE(push(producer, kPlaces)) << "the queue is full";
  EXPECT_EQ(slow.missed(), 0U);
  for (unsigned number = 0; number < kPlaces; ++number) expect_message(worker, number);
  for (unsigned number = 0; number < 5; ++number) EXPECT_TRUE(push(producer, 100 + number));
  for (unsigned number = 5; number < kPlaces; ++number) expect_message(slow, number);
  EXPECT_EQ(slow.missed(), 5U);
  for (unsigned number = 0; number < 5; ++number) {
    expect_message(worker, 100 + number);
    expect_message(slow, 100 + number);
  }
  EXPECT_EQ(producer.stats().used_bytes, 0U);
  EXPECT_EQ(producer.stats().overflowed, 0U) << "of the queue";
  expect_consistent(producer.channel().ring().segment());
}

TEST_P(SlowSubscriber, OfALiveSourceShareTheSameFate) {
  const RingName name;
  ProducerOptions options = with_few_places(false);
  options.overflow = Overflow::drop_oldest;
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  SharedRingBufferConsumer worker(name.get(), 0);
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  for (unsigned number = 0; number < 100; ++number) ASSERT_TRUE(push(producer, number)) << number;
  for (unsigned number = 100 - kPlaces; number < 100; ++number) {
    expect_message(worker, number);
    expect_message(slow, number);
  }
  EXPECT_EQ(slow.missed(), 100U - kPlaces);
  EXPECT_EQ(producer.stats().overflowed, 100U - kPlaces);
  EXPECT_EQ(producer.stats().used_bytes, 0U);
  expect_consistent(producer.channel().ring().segment());
}

TEST_P(SlowSubscriber, ThatBlocksStopsALiveSource) {
  const RingName name;
  ProducerOptions options = with_few_places(false);
  options.overflow = Overflow::drop_oldest;
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  SharedRingBufferConsumer worker(name.get(), 0);
  SharedRingBufferConsumer careful(name.get(), 0, subscribing());
  for (unsigned number = 0; number < kPlaces; ++number) ASSERT_TRUE(push(producer, number));
  EXPECT_FALSE(push(producer, kPlaces));
  EXPECT_EQ(producer.stats().overflowed, 0U) << "nothing would become free";
  expect_message(careful, 0);
  EXPECT_TRUE(push(producer, kPlaces));
  EXPECT_EQ(producer.stats().overflowed, 1U);
}

TEST_P(SlowSubscriber, KeepsWhatItHasInItsHands) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true));
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  for (unsigned number = 0; number < 4; ++number) ASSERT_TRUE(push(producer, number));
  const Message first = *slow.pop_raw(5s);
  const Message second = *slow.pop_raw(5s);
  for (unsigned number = 4; number < 100; ++number) ASSERT_TRUE(push(producer, number)) << number;
  EXPECT_TRUE(equal(first.payload(), bytes_of(GetParam(), 0)));
  EXPECT_TRUE(equal(second.payload(), bytes_of(GetParam(), 1)));
  const auto next = slow.pop_raw(5s);
  EXPECT_GE(next->id(), 92U);
  EXPECT_EQ(slow.missed(), next->id() - 3);
}

TEST_P(SlowSubscriber, ThatIsStoppedSlowsNobody) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true, true));
  const pid_t child = fork();
  if (child == 0) {
    SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
    pause();
    _exit(0);
  }
  while (producer.stats().active_subscribers == 0) std::this_thread::sleep_for(1ms);
  kill(child, SIGSTOP);
  for (unsigned number = 0; number < 200; ++number) {
    EXPECT_TRUE(producer.push_raw({}, bytes_of(GetParam(), number), 20s)) << number;
  }
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(producer.stats().used_bytes, 0U) << "with it all its shares are gone";
  expect_consistent(producer.channel().ring().segment());
}

TEST(SlowSubscribers, OptionsThatMakeNoSenseAreRefused) {
  const RingName name;
  ConsumerOptions worker;
  worker.overflow = Overflow::drop_oldest;
  expect_code(ErrorCode::invalid_argument,
              [&] { SharedRingBufferConsumer consumer(name.get(), kMebi, worker); });
  expect_code(ErrorCode::invalid_argument, [&] {
    SharedRingBufferConsumer consumer(name.get(), kMebi, subscribing(Overflow::drop_newest));
  });
  ProducerOptions both = broadcasting();
  both.redeliver = true;
  expect_code(ErrorCode::invalid_argument,
              [&] { SharedRingBufferProducer producer(name.get(), kMebi, both); });
  EXPECT_FALSE(name.exists());
}

TEST(SlowSubscribers, SayOnceThatTheyMissSomething) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, with_few_places(true));
  SharedRingBufferConsumer slow(name.get(), 0, subscribing(Overflow::drop_oldest));
  const Log log;
  for (int round = 0; round < 2; ++round) {
    for (unsigned number = 0; number < kPlaces; ++number) producer.push_raw({}, bytes_of(64));
    EXPECT_TRUE(slow.pop_latest_raw(5s).has_value());
  }
  EXPECT_EQ(log.text(), "") << "pop_latest asks for that";
  for (int round = 0; round < 2; ++round) {
    for (unsigned number = 0; number < kPlaces + 3; ++number) producer.push_raw({}, bytes_of(64));
    EXPECT_EQ(slow.pop_many_raw(100, 5s).size(), kPlaces);
  }
  EXPECT_EQ(slow.missed(), 2 * (kPlaces - 1) + 2 * 3);
  const std::string& text = log.text();
  EXPECT_NE(text.find("has missed " + std::to_string(2 * (kPlaces - 1) + 3)), std::string::npos)
      << text;
  EXPECT_EQ(text.find("has missed"), text.rfind("has missed")) << text;
}

/// Every message is read or missed, whatever the sizes, and in order.
TEST(SlowSubscribers, ReadOrMissEachMessageOnce) {
  const RingName name;
  ProducerOptions options;
  options.broadcast = true;
  options.expected_consumers = 3;
  SharedRingBufferProducer producer(name.get(), 256 * kKibi, options);
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 3; ++reader) {
    threads.emplace_back([&, reader] {
      SharedRingBufferConsumer consumer(
          name.get(), 0, subscribing(reader == 0 ? Overflow::block : Overflow::drop_oldest));
      std::uint64_t read = 0;
      std::uint64_t last = 0;
      while (const auto message = consumer.pop_raw(20s)) {
        EXPECT_GT(message->id(), last);
        last = message->id();
        EXPECT_TRUE(equal(message->payload(),
                          bytes_of(message->payload().size(), static_cast<unsigned>(last))));
        read += 1;
        if (reader == 2 && read % 16 == 0) std::this_thread::sleep_for(1ms);
      }
      EXPECT_EQ(read + consumer.missed(), 3000U);
      if (reader == 0) {
        EXPECT_EQ(consumer.missed(), 0U);
      }
    });
  }
  for (unsigned number = 1; number <= 3000; ++number) {
    const std::size_t bytes = number % 7 == 0 ? 30'000 : number % 3 == 0 ? 2'000 : 64;
    ASSERT_TRUE(producer.push_raw({}, bytes_of(bytes, number), 20s)) << number;
  }
  producer.close();
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ipc0cp::testing
