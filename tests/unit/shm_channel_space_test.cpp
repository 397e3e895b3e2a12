// SPDX-License-Identifier: Apache-2.0
// Space: loans, views, the relief block, growing, and what stays after close().
#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <thread>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

// ---- capacity -----------------------------------------------------------------------------------

TEST(Space, MessageAsLargeAsTheRing) {
  Pair pair(64 * kKibi);
  const std::string metadata = R"({"type":"x"})";
  for (unsigned round = 0; round < 20; ++round) {
    ASSERT_TRUE(pair.push(64 * kKibi, round));
    pair.expect_pop(64 * kKibi, round);
    ASSERT_TRUE(pair.producer.push_raw(metadata, bytes_of(64 * kKibi - metadata.size(), round)));
    pair.expect_pop(64 * kKibi - metadata.size(), round);
  }
}

class Fractions : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Fractions, KMessagesOfAKthFit) {
  const std::size_t k = GetParam();
  ProducerOptions options;
  options.max_messages = 1024;
  Pair pair(kMebi, options);
  for (int round = 0; round < 3; ++round) {
    for (unsigned number = 0; number < k; ++number) {
      ASSERT_TRUE(pair.push(kMebi / k, number, 0ms)) << number;
    }
    for (unsigned number = 0; number < k; ++number) pair.expect_pop(kMebi / k, number);
  }
  static_cast<void>(pair.producer.stats());
  expect_consistent(pair.segment());
}
INSTANTIATE_TEST_SUITE_P(Space, Fractions, ::testing::Values(1, 2, 3, 7, 16, 100, 255, 1024));

TEST(Space, ManySmallMessagesLeaveRoomForALargeOne) {
  ProducerOptions options;
  options.max_messages = 64;
  Pair pair(kMebi, options);
  // Small blocks of all sizes, more than there are spare descriptors.
  for (unsigned number = 0; number < 60; ++number) ASSERT_TRUE(pair.push(number * 15, number, 0ms));
  for (unsigned number = 0; number < 60; ++number) pair.expect_pop(number * 15, number);
  ASSERT_TRUE(pair.push(2000, 1, 0ms));
  EXPECT_TRUE(pair.push(kMebi - 4000, 2, 0ms)) << "the ring is almost empty";
}

TEST(Space, MemoryOfARingIsOnlyReservedWhenNeeded) {
  Pair pair(256 * kMebi);
  for (unsigned number = 0; number < 200; ++number) {
    pair.push(kMebi, number);
    pair.expect_pop(kMebi, number);
  }
  EXPECT_LT(pair.producer.stats().reserved_bytes, 16 * kMebi);
}

TEST(Space, ReserveTakesEverythingAtOnce) {
  ProducerOptions options;
  options.reserve = true;
  Pair pair(4 * kMebi, options);
  EXPECT_GE(pair.producer.stats().reserved_bytes, 8 * kMebi);
}

// ---- loans --------------------------------------------------------------------------------------

TEST(Loans, AbandonedRoomComesBack) {
  Pair pair(64 * kKibi);
  for (int round = 0; round < 50; ++round) {
    Loan loan = pair.producer.loan(60 * kKibi, 5s);
    if (round % 2 == 0) loan.abandon();
    EXPECT_EQ(loan.active(), round % 2 != 0);
  }
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  EXPECT_EQ(pair.consumer.stats().messages, 0U);
  EXPECT_EQ(pair.consumer.stats().pushed, 0U);
}

TEST(Loans, OverIsOver) {
  Pair pair;
  Loan loan = pair.producer.loan(5000);
  loan.publish();
  EXPECT_TRUE(loan.bytes().empty());
  expect_code(ErrorCode::closed, [&] { loan.publish(); });
  loan.abandon();
  EXPECT_EQ(pair.consumer.stats().messages, 1U);
}

TEST(Loans, MoveKeepsOneOwner) {
  Pair pair;
  Loan first = pair.producer.loan(5000);
  Loan second = std::move(first);
  EXPECT_FALSE(first.active());  // NOLINT: what a moved-from loan promises.
  second = pair.producer.loan(6000);
  second.publish();
  EXPECT_EQ(pair.consumer.pop_raw(5s)->payload().size(), 6000U);
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

TEST(Loans, MetadataBeyondItsRoomIsRefused) {
  Pair pair;
  Loan loan = pair.producer.loan(100, Timeout::forever(), 16);
  expect_code(ErrorCode::message_too_large, [&] { loan.publish(R"({"type":"longer"})"); });
  EXPECT_TRUE(loan.active());
  EXPECT_TRUE(loan.publish(R"({"type":"x"})"));
}

TEST(Loans, TimeOutNamesTheSize) {
  Pair pair(64 * kKibi);
  pair.push(64 * kKibi);
  const std::string text = expect_code(ErrorCode::timeout, [&] { pair.producer.loan(777, 2ms); });
  EXPECT_NE(text.find("777"), std::string::npos) << text;
}

/// Payload sizes of each remainder by 16, so that red zones of each length occur.
class Overrun : public ::testing::TestWithParam<std::size_t> {};

TEST_P(Overrun, EveryByteOfTheRedZoneIsWatched) {
  const std::size_t payload_bytes = GetParam();
  Pair pair;
  const std::size_t zone_bytes = shm::red_zone::size_of({payload_bytes, 0});
  ASSERT_GE(zone_bytes, 16U);
  for (std::size_t overrun = 1; overrun <= std::min<std::size_t>(zone_bytes, 31); ++overrun) {
    SCOPED_TRACE(overrun);
    Loan loan = pair.producer.loan(payload_bytes);
    // Only the last byte differs: the hardest case.
    std::byte* end = loan.bytes().data() + payload_bytes;
    end[overrun - 1] ^= std::byte{0x01};
    const std::string text =
        expect_code(ErrorCode::corrupt_payload, [&] { static_cast<void>(loan.publish()); });
    EXPECT_NE(text.find(std::to_string(payload_bytes)), std::string::npos) << text;
    EXPECT_FALSE(loan.active());
  }
  EXPECT_EQ(pair.consumer.stats().messages, 0U);
  pair.push(payload_bytes);
  pair.expect_pop(payload_bytes);
}
INSTANTIATE_TEST_SUITE_P(Space, Overrun, ::testing::Range<std::size_t>(5000, 5017));

// ---- views --------------------------------------------------------------------------------------

TEST(Views, LargePayloadsAreViewsSmallOnesAreCopies) {
  Pair pair;
  pair.push(4096);
  pair.push(4097);
  EXPECT_FALSE(pair.consumer.pop_raw(5s)->is_view());
  const auto view = pair.consumer.pop_raw(5s);
  EXPECT_TRUE(view->is_view());
  const std::byte* arena = pair.segment().arena();
  EXPECT_GE(view->payload().data(), arena);
  EXPECT_LT(view->payload().data(), arena + pair.segment().geometry().arena_bytes());
}

TEST(Views, ConsumerThatKeepsEverythingStallsNobody) {
  Pair pair(256 * kKibi);
  constexpr unsigned kMessages = 60;
  std::thread writer([&] {
    for (unsigned number = 0; number < kMessages; ++number) {
      EXPECT_TRUE(pair.push(40 * kKibi + number, number, 20s));
    }
  });
  std::vector<Message> kept;
  for (unsigned number = 0; number < kMessages; ++number) {
    std::optional<Message> message = pair.consumer.pop_raw(20s);
    ASSERT_TRUE(message.has_value());
    kept.push_back(std::move(*message));
  }
  writer.join();
  int views = 0;
  for (unsigned number = 0; number < kMessages; ++number) {
    EXPECT_TRUE(equal(kept[number].payload(), bytes_of(40 * kKibi + number, number))) << number;
    if (kept[number].is_view()) ++views;
  }
  EXPECT_GE(views, 2);
  EXPECT_LT(views, 6);
  kept.clear();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
}

TEST(Views, MaximalMessagesPassWhileOneIsKept) {
  Pair pair(256 * kKibi);
  pair.push(256 * kKibi, 99);
  const auto kept = pair.consumer.pop_raw(5s);
  for (unsigned number = 0; number < 5; ++number) {
    ASSERT_TRUE(pair.push(256 * kKibi, number, 20s)) << number;
    EXPECT_EQ(pair.consumer.stats().used_bytes, 512 * kKibi)
        << "what is kept, and the relief block";
    EXPECT_EQ(pair.consumer.stats().most_used_bytes, 512 * kKibi);
    const auto message = pair.consumer.pop_raw(5s);
    EXPECT_TRUE(equal(message->payload(), bytes_of(256 * kKibi, number)));
    EXPECT_FALSE(message->is_view()) << "the relief block must always drain";
  }
  EXPECT_TRUE(equal(kept->payload(), bytes_of(256 * kKibi, 99)));
}

TEST(Views, ReliefDoesNotMakeAFullQueueLonger) {
  for (const std::uint32_t most : {1U, 2U, 5U}) {
    ProducerOptions options;
    options.max_messages = most;
    Pair pair(kMebi, options);
    for (unsigned number = 0; number < most; ++number) ASSERT_TRUE(pair.push(5000, number, 0ms));
    // Long enough to get priority.
    EXPECT_FALSE(pair.push(5000, 99, 100ms)) << "max_messages " << most;
    EXPECT_EQ(pair.producer.stats().messages, most);
    // A view takes a descriptor, so the next one needs relief; the one after that is too many.
    const std::optional<Message> kept = pair.consumer.pop_raw(5s);
    ASSERT_TRUE(kept.has_value());
    ASSERT_TRUE(pair.push(5000, most, 5s));
    EXPECT_FALSE(pair.push(5000, 99, 100ms));
    EXPECT_EQ(pair.producer.stats().messages, most);
    for (unsigned number = 1; number <= most; ++number) pair.expect_pop(5000, number);
  }
}

TEST(Views, ReleaseInAnyOrderLeavesNoHole) {
  Pair pair;
  std::deque<Message> kept;
  for (unsigned number = 0; number < 400; ++number) {
    ASSERT_TRUE(pair.push(5000 + number * 7, number));
    kept.push_back(*pair.consumer.pop_raw(5s));
    if (number % 3 == 0) kept.erase(kept.begin() + static_cast<int>(number % kept.size()));
    if (kept.size() > 40) kept.pop_front();
  }
  kept.clear();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  expect_consistent(pair.segment());
  EXPECT_TRUE(pair.push(kMebi, 1, 0ms));
}

TEST(Views, ShareKeepsTheBlock) {
  Pair pair;
  pair.push(9000, 3);
  Payload payload = std::move(*pair.consumer.pop_raw(5s)).share();
  pair.push(9000, 4);
  pair.expect_pop(9000, 4);
  EXPECT_TRUE(equal(payload.bytes, bytes_of(9000, 3)));
  EXPECT_EQ(pair.consumer.stats().used_bytes, 9000U);
  payload = {};
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

// ---- closing with views and loans out -----------------------------------------------------------

TEST(Closing, ViewOutlivesItsConsumer) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), 64 * kKibi);
  SharedRingBufferConsumer other(name.get(), 64 * kKibi);
  std::optional<Message> view;
  {
    SharedRingBufferConsumer consumer(name.get(), 64 * kKibi);
    producer.push_raw({}, bytes_of(20000, 7));
    view = consumer.pop_raw(5s);
  }
  for (unsigned number = 0; number < 50; ++number) {
    ASSERT_TRUE(producer.push_raw({}, bytes_of(20000, number), 20s));
    ASSERT_TRUE(other.pop_raw(5s).has_value());
  }
  EXPECT_TRUE(equal(view->payload(), bytes_of(20000, 7)));
  EXPECT_EQ(other.stats().active_consumers, 1U);
  EXPECT_EQ(other.stats().used_bytes, 20000U);
  view.reset();
  EXPECT_EQ(other.stats().used_bytes, 0U);
}

TEST(Closing, LoanOutlivesItsProducerButCannotBePublished) {
  Pair pair;
  Loan loan;
  {
    auto producer = pair.another_producer();
    loan = producer.loan(9000);
  }
  std::memset(loan.bytes().data(), 1, 9000);
  pair.push(9000, 3);
  pair.expect_pop(9000, 3);
  expect_code(ErrorCode::closed, [&] { loan.publish(); });
  loan.abandon();
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
}

TEST(Closing, ViewOutlivesTheWholeRing) {
  std::optional<Message> view;
  {
    Pair pair;
    pair.push(9000, 3);
    view = pair.consumer.pop_raw(5s);
  }
  EXPECT_TRUE(equal(view->payload(), bytes_of(9000, 3)));
}

// ---- beside who grows the ring ------------------------------------------------------------------

/// How long a call that never waits looks for room of `bytes` before it says "full".
std::chrono::nanoseconds time_to_say_full(Pair& pair, std::size_t bytes) {
  const auto payload = bytes_of(bytes);
  const auto asked = std::chrono::steady_clock::now();
  EXPECT_FALSE(pair.producer.try_push_raw({}, payload));
  return std::chrono::steady_clock::now() - asked;
}

/// Somebody has a piece of memory reserved, and does not come to the end of it.
TEST(BesideGrowth, ACallThatNeverWaitsIsPatient) {
  Pair pair(16 * kMebi);
  pair.header().growing = 3;
  EXPECT_GE(time_to_say_full(pair, kMebi), 5ms);
  pair.header().growing = kNone;
  EXPECT_TRUE(pair.producer.try_push_raw({}, bytes_of(kMebi)));
}

TEST(BesideGrowth, AlsoIfItAddsDescriptorsItself) {
  ProducerOptions options;
  options.max_messages = 3000;
  Pair pair(16 * kMebi, options);
  while (!pair.ring().blocks().lacks_descriptors()) ASSERT_TRUE(pair.push(1, 1, 0ms));
  pair.header().growing = pair.segment().geometry().relief_descriptor();
  EXPECT_GE(time_to_say_full(pair, 8 * kMebi), 5ms) << "full, said at once";
  EXPECT_FALSE(pair.ring().blocks().lacks_descriptors());
  pair.header().growing = kNone;
  EXPECT_TRUE(pair.producer.try_push_raw({}, bytes_of(8 * kMebi)));
}

/// Somebody died with the piece in his hands, just after the last look for the dead.
TEST(BesideGrowth, ACallThatNeverWaitsNoticesADeath) {
  Pair pair(16 * kMebi);
  run_and_die([&] {
    auto doomed = pair.another_producer();
    AttachedRing& ring = doomed.channel().ring();
    PushRequest request;
    EXPECT_EQ(ring.lock(platform::kForever), ErrorCode::ok);
    EXPECT_TRUE(ring.blocks().loan_wilderness(request, pair.header().main_mark, kMebi));
    EXPECT_EQ(ring.unlock(), ErrorCode::ok);
    die();
  });
  ASSERT_NE(pair.header().growing, kNone);
  pair.header().last_sweep_ns = platform::now_ns();
  EXPECT_TRUE(pair.producer.try_push_raw({}, bytes_of(kMebi)));
}

TEST(Closing, DuringGrowthLeavesTheRingAbleToGrow) {
  Pair pair(512 * kMebi);
  auto doomed = pair.another_producer();
  const std::vector<std::byte> large(200 * kMebi);
  std::thread writer([&] {
    try {
      doomed.push_raw({}, large);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::closed);
    }
  });
  const shm::Header& header = pair.header();
  while (header.growing == shm::kNone && header.queued == 0) std::this_thread::yield();
  doomed.close();
  writer.join();
  // Whoever was faster: the ring must still grow beyond what is reserved now.
  const std::size_t reserved = pair.producer.stats().reserved_bytes;
  const std::size_t more = std::min(reserved + 8 * kMebi, 300 * kMebi);
  EXPECT_TRUE(
      pair.producer.push_raw({}, std::span(large).first(std::min(more, large.size())), 20s));
}

}  // namespace
}  // namespace ipc0cp::testing
