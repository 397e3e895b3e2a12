// SPDX-License-Identifier: Apache-2.0
// Options and expectations of tests about subscribers.
#pragma once

#include "shm_pair.hpp"

namespace ipc0cp::testing {

inline ConsumerOptions subscribing(Overflow overflow = Overflow::block) {
  ConsumerOptions options;
  options.subscribe = true;
  options.overflow = overflow;
  return options;
}

inline ProducerOptions broadcasting(std::uint32_t expected_consumers = 1) {
  ProducerOptions options;
  options.broadcast = true;
  options.expected_consumers = expected_consumers;
  return options;
}

inline void expect_next(SharedRingBufferConsumer& consumer, std::size_t bytes, unsigned seed) {
  const auto message = consumer.pop_raw(5s);
  ASSERT_TRUE(message.has_value()) << seed;
  EXPECT_TRUE(equal(message->payload(), bytes_of(bytes, seed))) << seed;
}

inline void expect_nothing(SharedRingBufferConsumer& consumer) {
  expect_code(ErrorCode::buffer_empty, [&] { static_cast<void>(consumer.try_pop_raw()); });
}

}  // namespace ipc0cp::testing
