// SPDX-License-Identifier: Apache-2.0
// The calls that say what happened instead of throwing it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "ipc0cp/objects.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRingBytes = 4096;

std::span<const std::byte> bytes_in(std::string_view text) {
  return std::as_bytes(std::span(text));
}

class Outcomes : public ::testing::Test {
 protected:
  std::string name_ = unique_name();
  SharedRingBufferConsumer consumer_{name_, kRingBytes};
  ErrorCode outcome_ = ErrorCode::system_error;
};

TEST_F(Outcomes, OfPopAndTryPop) {
  EXPECT_FALSE(consumer_.try_pop(outcome_));
  EXPECT_EQ(outcome_, ErrorCode::buffer_empty);
  EXPECT_FALSE(consumer_.pop(1ms, outcome_));
  EXPECT_EQ(outcome_, ErrorCode::timeout);
  EXPECT_FALSE(consumer_.pop_raw(Timeout::none(), outcome_));
  EXPECT_EQ(outcome_, ErrorCode::timeout) << "a blocking handle says time-out even for none";
  {
    SharedRingBufferProducer producer(name_, kRingBytes);
    EXPECT_TRUE(producer.push(TextData("one"), 1s, outcome_));
    EXPECT_EQ(outcome_, ErrorCode::ok);
    EXPECT_TRUE(producer.try_push(TextData("two"), outcome_));
    EXPECT_TRUE(producer.push_raw(kTextMetadata, bytes_in("\xff"), 1s, outcome_));
    EXPECT_TRUE(producer.try_push_raw(kTextMetadata, bytes_in("three"), outcome_));
  }
  const auto one = consumer_.pop(1s, outcome_);
  ASSERT_TRUE(one);
  EXPECT_EQ(outcome_, ErrorCode::ok);
  EXPECT_EQ(one->as<TextData>().text(), "one");
  EXPECT_EQ(consumer_.try_pop(outcome_)->as<TextData>().text(), "two");
  EXPECT_FALSE(consumer_.pop(1s, outcome_));
  EXPECT_EQ(outcome_, ErrorCode::corrupt_payload);
  EXPECT_EQ(consumer_.stats().dropped, 1U);
  EXPECT_EQ(consumer_.try_pop_raw(outcome_)->metadata(), kTextMetadata);
  EXPECT_FALSE(consumer_.pop(Timeout::forever(), outcome_));
  EXPECT_EQ(outcome_, ErrorCode::end_of_stream);
  consumer_.close();
  EXPECT_FALSE(consumer_.try_pop(outcome_));
  EXPECT_EQ(outcome_, ErrorCode::closed);
}

TEST_F(Outcomes, OfPushTryPushAndLoan) {
  SharedRingBufferProducer producer(name_, kRingBytes);
  const std::vector<std::byte> half(kRingBytes / 2);
  while (producer.try_push_raw(kBytesMetadata, half, outcome_)) {
  }
  EXPECT_EQ(outcome_, ErrorCode::buffer_full);
  EXPECT_FALSE(producer.push_raw(kBytesMetadata, half, 1ms, outcome_));
  EXPECT_EQ(outcome_, ErrorCode::timeout);
  EXPECT_FALSE(producer.loan(half.size(), 1ms, outcome_).active());
  EXPECT_EQ(outcome_, ErrorCode::timeout);
  const std::vector<std::byte> huge(kRingBytes + 1);
  EXPECT_FALSE(producer.try_push(BytesData(huge), outcome_));
  EXPECT_EQ(outcome_, ErrorCode::message_too_large);
  EXPECT_TRUE(consumer_.pop_raw(1s));
  Loan loan = producer.loan(16, 1s, outcome_);
  EXPECT_TRUE(loan.active());
  EXPECT_EQ(outcome_, ErrorCode::ok);
  loan.abandon();
  consumer_.close();
  EXPECT_FALSE(producer.try_push(TextData("nobody reads"), outcome_));
  EXPECT_EQ(outcome_, ErrorCode::no_consumers);
  producer.close();
  EXPECT_FALSE(producer.try_push(TextData("nobody writes"), outcome_));
  EXPECT_EQ(outcome_, ErrorCode::closed);
}

TEST_F(Outcomes, NotBlockingHandlesSayEmptyAndFull) {
  ProducerOptions producer_options;
  producer_options.blocking = false;
  SharedRingBufferProducer producer(name_, kRingBytes, producer_options);
  const std::vector<std::byte> half(kRingBytes / 2);
  while (producer.push_raw(kBytesMetadata, half, 1h, outcome_)) {
  }
  EXPECT_EQ(outcome_, ErrorCode::buffer_full);
  while (consumer_.try_pop_raw(outcome_)) {
  }
  EXPECT_EQ(outcome_, ErrorCode::buffer_empty);
}

std::atomic<bool> g_stop{false};

TEST_F(Outcomes, TheInterruptCheckEndsABlockedPop) {
  ConsumerOptions options;
  options.interrupt_check = [] { return g_stop.load(); };
  SharedRingBufferConsumer consumer(name_, kRingBytes, options);
  SharedRingBufferProducer producer(name_, kRingBytes);
  std::thread waiting([&] { EXPECT_FALSE(consumer.pop(Timeout::forever(), outcome_)); });
  while (producer.stats().consumer_waits == 0) std::this_thread::yield();
  g_stop = true;
  waiting.join();
  EXPECT_EQ(outcome_, ErrorCode::interrupted);
}

TEST_F(Outcomes, WhatABatchCouldNotDecodeIsAnOutcomeOfTheNextPop) {
  SharedRingBufferProducer producer(name_, kRingBytes);
  producer.push(TextData("one"));
  producer.push_raw(kTextMetadata, bytes_in("\xff"));
  producer.push(TextData("three"));
  EXPECT_EQ(consumer_.pop_many(10).size(), 1U);
  EXPECT_FALSE(consumer_.pop(1s, outcome_));
  EXPECT_EQ(outcome_, ErrorCode::corrupt_payload);
  EXPECT_EQ(consumer_.pop(1s, outcome_)->as<TextData>().text(), "three");
}

TEST_F(Outcomes, EveryCodeHasANameAndASentence) {
  EXPECT_EQ(to_string(ErrorCode::ok), "ok");
  EXPECT_EQ(to_string(ErrorCode::system_error), "system_error");
  EXPECT_EQ(to_string(static_cast<ErrorCode>(255)), "system_error");
  EXPECT_EQ(explain(ErrorCode::size_mismatch), "The existing ring has another size.");
}

/// On a plain ring views go back and copies are lost; with redelivery everything goes back.
class BatchesThatAreClosed : public ::testing::TestWithParam<std::pair<bool, std::size_t>> {
 protected:
  static ProducerOptions options() {
    ProducerOptions options;
    options.redeliver = GetParam().first;
    return options;
  }

  static constexpr std::size_t kBytes = 1 << 20;
  const std::string name = unique_name();
  SharedRingBufferProducer producer{name, kBytes, options()};
  SharedRingBufferConsumer one{name, kBytes};
  SharedRingBufferConsumer other{name, kBytes};
};

TEST_P(BatchesThatAreClosed, GiveBackWhatTheyDidNotHandOut) {
  const auto [redeliver, payload_bytes] = GetParam();
  producer.push(TextData("one"));
  producer.push_raw(kTextMetadata, bytes_in("\xff"));
  producer.push_raw(kBytesMetadata, std::vector<std::byte>(payload_bytes));
  EXPECT_EQ(one.pop_many(10).size(), 1U);
  one.close();
  EXPECT_THROW(one.pop(Timeout::none()), Error);
  const bool goes_back = redeliver || payload_bytes > 4096;
  ErrorCode outcome{};
  const auto message = other.try_pop_raw(outcome);
  EXPECT_EQ(message.has_value(), goes_back);
  EXPECT_EQ(message ? message->deliveries() : 1U, 1U);
  EXPECT_EQ(other.stats().lost, goes_back ? 0U : 1U);
  EXPECT_EQ(other.stats().dropped, 1U);
}

/// Another thread closes while a batch is being decoded.
TEST_P(BatchesThatAreClosed, GiveBackWhatIsPutBackAfterwards) {
  const std::size_t payload_bytes = GetParam().second;
  for (int number = 0; number < 3; ++number) {
    producer.push_raw(kBytesMetadata, std::vector<std::byte>(payload_bytes));
  }
  std::vector<Message> messages = one.pop_many_raw(10);
  ASSERT_EQ(messages.size(), 3U);
  one.close();
  one.put_back(nullptr, std::span(messages).subspan(1));
  messages.clear();
  ErrorCode outcome{};
  std::size_t back = 0;
  while (other.try_pop_raw(outcome)) back += 1;
  EXPECT_EQ(back, payload_bytes > 4096 ? 2U : 0U) << "close() has finished copies";
  EXPECT_EQ(outcome, ErrorCode::buffer_empty);
  EXPECT_EQ(other.stats().used_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(AllKinds, BatchesThatAreClosed,
                         ::testing::Values(std::pair{false, std::size_t{16}},
                                           std::pair{false, std::size_t{65536}},
                                           std::pair{true, std::size_t{16}},
                                           std::pair{true, std::size_t{65536}}));

}  // namespace
}  // namespace ipc0cp::testing
