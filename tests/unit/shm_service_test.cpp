// SPDX-License-Identifier: Apache-2.0
// Participants that come early, late, or never go: opening with a time-out, the end of a stream for
// who missed it, rings that are kept.
#include <gtest/gtest.h>

#include <thread>

#include "captured_log.hpp"
#include "platform/clock.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::size_t kRing = 256 * kKibi;

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++found;
  }
  return found;
}

// ---- opening ------------------------------------------------------------------------------------

TEST(Opening, GivesUpInTimeAndNamesWhatIsSimilar) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kRing);
  ConsumerOptions options;
  options.open_timeout = 20ms;
  const std::string text = expect_code(
      ErrorCode::timeout, [&] { SharedRingBufferConsumer consumer(name.get() + "s", 0, options); });
  EXPECT_NE(text.find("does not exist"), std::string::npos) << text;
  EXPECT_NE(text.find("similar names: '" + name.get() + "'"), std::string::npos) << text;
}

TEST(Opening, SaysAfterFiveSecondsWhatItWaitsFor) {
  const RingName name;
  Log log;
  ConsumerOptions options;
  options.open_timeout = 5200ms;
  expect_code(ErrorCode::timeout,
              [&] { SharedRingBufferConsumer consumer(name.get(), 0, options); });
  EXPECT_EQ(count(log.text(), "blocked for 5 s, it does not exist"), 1U) << log.text();
}

TEST(Opening, CloseEndsAnAttachThatWaits) {
  const RingName name;
  ConsumerOptions options;
  options.auto_attach = false;
  SharedRingBufferConsumer consumer(name.get(), 0, options);
  std::thread attaching(
      [&] { expect_code(ErrorCode::closed, [&] { consumer.attach(Timeout::forever()); }); });
  consumer.close();
  attaching.join();
  SharedRingBufferProducer producer(name.get(), kRing);
  EXPECT_EQ(producer.stats().active_consumers, 0U);
}

// ---- the end of a stream ------------------------------------------------------------------------

TEST(StreamEnd, IsKeptForALateConsumerOfAProducerWithNothingToSend) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), kRing); }
  SharedRingBufferConsumer consumer(name.get(), kRing);
  EXPECT_FALSE(consumer.end().has_value());
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
  ASSERT_TRUE(consumer.end().has_value());
  EXPECT_FALSE(consumer.end()->died());
  consumer.close();
  EXPECT_FALSE(name.exists());
}

TEST(StreamEnd, IsKeptForAWorkerThatStartsAfterTheOthersHaveFinished) {
  const RingName name;
  ConsumerOptions options;
  options.auto_unlink = false;
  SharedRingBufferConsumer first(name.get(), kRing, options);
  {
    SharedRingBufferProducer producer(name.get(), kRing);
    producer.push_raw({}, bytes_of(100, 1));
  }
  EXPECT_TRUE(first.pop_raw(5s).has_value());
  EXPECT_FALSE(first.pop_raw(5s).has_value());
  first.close();
  SharedRingBufferConsumer late(name.get(), 0);
  EXPECT_FALSE(late.pop_raw(5s).has_value());
}

TEST(StreamEnd, DoesNotCountForAnotherSizeNorForWhoDiscards) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), kRing); }
  {
    SharedRingBufferConsumer other_size(name.get(), 2 * kRing);
    expect_code(ErrorCode::timeout, [&] { other_size.pop_raw(5ms); });
  }
  { SharedRingBufferProducer producer(name.get(), kRing); }
  ConsumerOptions options;
  options.stale = Stale::discard;
  SharedRingBufferConsumer consumer(name.get(), kRing, options);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
}

TEST(StreamEnd, IsForgottenAfterAMinute) {
  const RingName name;
  {
    SharedRingBufferConsumer consumer(name.get(), kRing);
    SharedRingBufferProducer producer(name.get(), kRing);
    producer.close();
    consumer.channel().ring().header().ended_ns = platform::now_ns() - kAnswerKeptNs;
    consumer.channel().ring().participants().drop_unclean();
  }
  SharedRingBufferConsumer consumer(name.get(), kRing);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
}

TEST(StreamEnd, ANewProducerBeginsAnew) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), kRing); }
  SharedRingBufferProducer producer(name.get(), kRing);
  SharedRingBufferConsumer consumer(name.get(), kRing);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
}

TEST(StreamEnd, SaysOnceHowManyProducersWereKilled) {
  const RingName name;
  Log log;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  { SharedRingBufferProducer clean(name.get(), kRing); }
  run_and_die([&] {
    SharedRingBufferProducer doomed(name.get(), kRing);
    doomed.push_raw({}, bytes_of(100, 1));
    die();
  });
  EXPECT_TRUE(consumer.pop_raw(5s).has_value());
  EXPECT_FALSE(consumer.end().has_value());
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
  ASSERT_TRUE(consumer.end().has_value());
  EXPECT_TRUE(consumer.end()->died());
  EXPECT_EQ(consumer.end()->killed_producers, 1U);
  EXPECT_EQ(count(log.text(), "1 producer(s) were killed"), 1U) << log.text();
}

TEST(StreamEnd, NeverComesByItself) {
  const RingName name;
  ConsumerOptions options;
  options.expected_producers = ConsumerOptions::kNeverEnds;
  SharedRingBufferConsumer consumer(name.get(), kRing, options);
  for (unsigned round = 0; round < 3; ++round) {
    {
      SharedRingBufferProducer producer(name.get(), kRing);
      producer.push_raw({}, bytes_of(100, round));
    }
    EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(100, round)));
    expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
  }
}

// ---- rings that are kept ------------------------------------------------------------------------

ProducerOptions keeping() {
  ProducerOptions options;
  options.keep = true;
  options.consumer_wait_timeout = 20ms;
  return options;
}

TEST(Keep, ConsumersComeAndGo) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kRing, keeping());
  for (unsigned round = 0; round < 3; ++round) {
    SharedRingBufferConsumer consumer(name.get(), kRing);
    EXPECT_TRUE(producer.push_raw({}, bytes_of(100, round), 5s));
    EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(100, round)));
  }
  EXPECT_TRUE(name.exists());
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(100, 1), 5s); });
  producer.close();
  EXPECT_FALSE(name.exists()) << "its last consumer would have removed it";
}

TEST(Keep, TheLastOfSeveralLetsGo) {
  const RingName name;
  SharedRingBufferProducer first(name.get(), kRing, keeping());
  SharedRingBufferProducer second(name.get(), kRing, keeping());
  SharedRingBufferProducer plain(name.get(), kRing);
  { SharedRingBufferConsumer consumer(name.get(), kRing); }
  first.close();
  EXPECT_TRUE(name.exists());
  second.close();
  EXPECT_FALSE(name.exists());
  expect_code(ErrorCode::no_consumers, [&] { plain.push_raw({}, bytes_of(100, 1), 5s); });
}

TEST(Keep, WithoutAConsumerYetTheRingStaysForIt) {
  const RingName name;
  { SharedRingBufferProducer producer(name.get(), kRing, keeping()); }
  EXPECT_TRUE(name.exists());
  SharedRingBufferConsumer consumer(name.get(), kRing);
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Keep, AConsumerThatIsThereRemovesTheRingAfterwards) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kRing, keeping());
  SharedRingBufferConsumer consumer(name.get(), kRing);
  producer.close();
  EXPECT_TRUE(name.exists());
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
  consumer.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keep, DiesWithItsProducer) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kRing, keeping());
    die();
  });
  consumer.close();
  EXPECT_FALSE(name.exists());
}

}  // namespace
}  // namespace ipc0cp::testing
