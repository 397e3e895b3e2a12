// SPDX-License-Identifier: Apache-2.0
// A ring that is looked at while others push and pop as fast as they can.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "ipc0cp/inspect.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::size_t kMostBytes = 3000;

/// A message tells its number in its size and in each of its words.
std::size_t size_of(std::uint64_t number) { return 8 + number * 8 % kMostBytes; }

void push_numbers(SharedRingBufferProducer& producer, const std::atomic<bool>& stop) {
  std::vector<std::uint64_t> words(kMostBytes / 8 + 1);
  for (std::uint64_t number = 1; !stop; ++number) {
    const std::size_t bytes = size_of(number);
    std::fill_n(words.begin(), bytes / 8, number);
    static_cast<void>(producer.push_raw({}, std::as_bytes(std::span(words)).first(bytes), 1s));
  }
}

void expect_consistent(const inspect::Ring& ring) {
  EXPECT_EQ(ring.state, inspect::RingState::live);
  EXPECT_LE(ring.stats.popped, ring.stats.pushed);
  EXPECT_LE(ring.stats.messages, ring.stats.max_messages);
  // The relief block may hold one message beyond the capacity, on a busy machine.
  EXPECT_LE(ring.stats.used_bytes, ring.stats.total_data_bytes + kMostBytes + 8);
  EXPECT_EQ(ring.producers, 1U);
  EXPECT_EQ(ring.consumers, 1U);
  std::uint64_t previous = 0;
  for (const inspect::QueuedMessage& message : ring.queue) {
    EXPECT_GT(message.id, previous);
    EXPECT_EQ(message.payload_bytes, size_of(message.id));
    previous = message.id;
  }
}

TEST(InspectStorm, WhatIsSeenBelongsTogether) {
  Pair pair(64 * kKibi);
  std::atomic<bool> stop{false};
  std::thread pushing([&] { push_numbers(pair.producer, stop); });
  std::thread popping([&] {
    while (!stop) {
      try {
        static_cast<void>(pair.consumer.pop_raw(10ms));
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::timeout);
      }
    }
  });
  std::uint64_t pushed = 0;
  std::uint64_t previews = 0;
  const auto end = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < end) {
    const inspect::Ring ring = inspect::ring(pair.name.get());
    expect_consistent(ring);
    EXPECT_GE(ring.stats.pushed, pushed);
    pushed = ring.stats.pushed;
    for (const auto& message : inspect::preview(pair.name.get())) {
      ++previews;
      EXPECT_EQ(message.payload_bytes, size_of(message.id));
      std::uint64_t number = 0;
      std::memcpy(&number, message.payload.data(), sizeof number);
      EXPECT_EQ(number, message.id);
    }
    if (::testing::Test::HasFailure()) break;
  }
  stop = true;
  pushing.join();
  popping.join();
  EXPECT_GT(pushed, 0U);
  RecordProperty("previews", static_cast<int>(previews));
}

}  // namespace
}  // namespace ipc0cp::testing
