// SPDX-License-Identifier: Apache-2.0
// A handle that was moved from: its calls fail with `closed`, closing and destroying do nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "ipc0cp/objects.hpp"
#include "ipc0cp/stdio.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

const TextData kObject("text");

TEST(MovedFrom, Producer) {
  Pair pair;
  SharedRingBufferProducer moved = std::move(pair.producer);
  SharedRingBufferProducer& left = pair.producer;  // NOLINT: what is left is what this tests.
  const std::vector<std::byte> bytes = bytes_of(10);
  const RawMessage raw{{}, bytes};
  expect_code(ErrorCode::closed, [&] { left.push(kObject); });
  expect_code(ErrorCode::closed, [&] { left.try_push(kObject); });
  expect_code(ErrorCode::closed, [&] { left.push_raw({}, bytes); });
  expect_code(ErrorCode::closed, [&] { left.try_push_raw({}, bytes); });
  expect_code(ErrorCode::closed, [&] { left.push_many_raw({&raw, 1}); });
  expect_code(ErrorCode::closed, [&] { left.push_rows({}, bytes, 2); });
  expect_code(ErrorCode::closed, [&] { left.loan(10); });
  expect_code(ErrorCode::closed, [&] { left.loan_array<int>({2}); });
  expect_code(ErrorCode::closed, [&] { static_cast<void>(left.stats()); });
  expect_code(ErrorCode::closed, [&] { static_cast<void>(left.channel()); });
  EXPECT_TRUE(left.closed());
  EXPECT_EQ(left.name(), "");
  left.close();
  EXPECT_FALSE(moved.closed());
  left = std::move(moved);
  EXPECT_TRUE(left.push_raw({}, bytes));
}

TEST(MovedFrom, Consumer) {
  Pair pair;
  pair.push(10);
  SharedRingBufferConsumer moved = std::move(pair.consumer);
  SharedRingBufferConsumer& left = pair.consumer;  // NOLINT: as above.
  expect_code(ErrorCode::closed, [&] { left.pop(); });
  expect_code(ErrorCode::closed, [&] { left.try_pop(); });
  expect_code(ErrorCode::closed, [&] { left.pop_raw(); });
  expect_code(ErrorCode::closed, [&] { left.try_pop_raw(); });
  expect_code(ErrorCode::closed, [&] { left.pop_many(2); });
  expect_code(ErrorCode::closed, [&] { left.pop_many_raw(2); });
  expect_code(ErrorCode::closed, [&] { left.peek(); });
  expect_code(ErrorCode::closed, [&] { left.attach(); });
  expect_code(ErrorCode::closed, [&] { static_cast<void>(left.stats()); });
  EXPECT_TRUE(left.closed());
  EXPECT_EQ(left.name(), "");
  left.done();
  left.requeue();
  left.close();
  EXPECT_FALSE(moved.closed());
  left = std::move(moved);
  EXPECT_TRUE(left.pop_raw(5s).has_value());
}

TEST(MovedFrom, Streams) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  StdioProducer producer(ends[1], Ownership::owned);
  StdioConsumer consumer(ends[0], Ownership::owned);
  StdioProducer moved_producer = std::move(producer);
  StdioConsumer moved_consumer = std::move(consumer);
  // NOLINTBEGIN: what is left is what this tests.
  expect_code(ErrorCode::closed, [&] { producer.push(kObject); });
  expect_code(ErrorCode::closed, [&] { producer.push_raw({}, bytes_of(10)); });
  expect_code(ErrorCode::closed, [&] { consumer.pop_raw(); });
  expect_code(ErrorCode::closed, [&] { consumer.pop(); });
  EXPECT_TRUE(producer.closed());
  EXPECT_TRUE(consumer.closed());
  EXPECT_EQ(producer.name(), "");
  EXPECT_EQ(consumer.name(), "");
  EXPECT_EQ(producer.messages() + producer.stream_bytes(), 0U);
  EXPECT_EQ(consumer.messages() + consumer.stream_bytes(), 0U);
  producer.close();
  producer.abandon();
  consumer.close();
  // NOLINTEND
  EXPECT_TRUE(moved_producer.push(kObject));
  EXPECT_TRUE(moved_consumer.pop().has_value());
}

}  // namespace
}  // namespace ipc0cp::testing
