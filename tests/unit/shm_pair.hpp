// SPDX-License-Identifier: Apache-2.0
// Two handles of one ring in this process, through the public interface.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "shm/channel.hpp"
#include "shm_invariants.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {

using namespace std::chrono_literals;  // NOLINT: time-outs read as 5ms.

inline constexpr std::size_t kKibi = 1024;
inline constexpr std::size_t kMebi = kKibi * kKibi;

/// `call` must throw an ipc0cp::Error of this code; its text is returned.
template <class Call>
std::string expect_code(ErrorCode code, Call call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(to_string(error.code()), to_string(code)) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error, " << to_string(code) << " was expected";
  return {};
}

/// Bytes that tell their message and their place.
inline std::vector<std::byte> bytes_of(std::size_t count, unsigned seed = 1) {
  std::vector<std::byte> bytes(count);
  unsigned state = seed * 2654435761U + 1;
  for (std::byte& byte : bytes) {
    state = state * 1664525U + 1013904223U;
    byte = static_cast<std::byte>(state >> 24);
  }
  return bytes;
}

inline bool equal(std::span<const std::byte> left, std::span<const std::byte> right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end());
}

/// A consumer and a producer of a ring with a name of its own.
struct Pair {
  explicit Pair(std::size_t total_data_bytes = kMebi, ProducerOptions producer_options = {},
                ConsumerOptions consumer_options = {})
      : producer(name.get(), total_data_bytes, producer_options),
        consumer(name.get(), total_data_bytes, consumer_options) {}

  bool push(std::size_t bytes, unsigned seed = 1, Timeout timeout = 5s) {
    return producer.push_raw({}, bytes_of(bytes, seed), timeout);
  }
  /// Pops a message and compares it with what `push` with the same arguments sent.
  void expect_pop(std::size_t bytes, unsigned seed = 1) {
    const std::optional<Message> message = consumer.pop_raw(5s);
    ASSERT_TRUE(message.has_value());
    EXPECT_TRUE(equal(message->payload(), bytes_of(bytes, seed)));
  }
  [[nodiscard]] shm::AttachedRing& ring() const { return consumer.channel().ring(); }
  [[nodiscard]] shm::Header& header() const { return ring().header(); }
  [[nodiscard]] const shm::Segment& segment() const { return ring().segment(); }
  /// Another handle of the same ring.
  SharedRingBufferProducer another_producer(ProducerOptions options = {}) const {
    return SharedRingBufferProducer(name.get(), 0, options);
  }
  SharedRingBufferConsumer another_consumer(ConsumerOptions options = {}) const {
    return SharedRingBufferConsumer(name.get(), 0, options);
  }

  RingName name;
  SharedRingBufferProducer producer;
  SharedRingBufferConsumer consumer;
};

}  // namespace ipc0cp::testing
