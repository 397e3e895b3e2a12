// SPDX-License-Identifier: Apache-2.0
#include "shm/queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "shm_invariants.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

class QueueTest : public ::testing::Test {
 protected:
  QueueTest() {
    // READY blocks; 1000 + index bytes, sequence 10 + index.
    for (std::uint32_t index = 0; index < 5; ++index) {
      ring_.put(index, State::kReady, 0, index * 2048, 1000 + index, 10 + index);
    }
    ring_.recover();
    queue().reset();
  }
  Queue& queue() { return queue_; }
  std::vector<std::uint32_t> drain() {
    std::vector<std::uint32_t> order;
    while (queue().head() != kNone) {
      order.push_back(queue().head());
      queue().pop_front(1000 + queue().head());
    }
    return order;
  }
  BareRing ring_;
  Queue queue_{ring_.segment()};
};

TEST_F(QueueTest, FirstInFirstOut) {
  for (std::uint32_t index = 0; index < 5; ++index) queue().push_back(index, 1000 + index);
  expect_consistent(ring_.segment());
  EXPECT_EQ(queue().size(), 5U);
  EXPECT_EQ(drain(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(queue().size(), 0U);
  EXPECT_EQ(ring_.header().queued_bytes, 0U);
  EXPECT_EQ(ring_.header().queue_tail, kNone);
}

TEST_F(QueueTest, GoesOnAfterItWasEmpty) {
  queue().push_back(0, 1000);
  drain();
  queue().push_back(1, 1001);
  EXPECT_EQ(queue().head(), 1U);
  EXPECT_EQ(drain(), std::vector<std::uint32_t>{1});
}

TEST_F(QueueTest, AMessageThatComesBackFindsItsPlace) {
  std::vector<std::uint32_t> order(5);
  std::iota(order.begin(), order.end(), 0U);
  do {
    for (const std::uint32_t index : order) queue().insert_by_sequence(index, 1000 + index);
    expect_consistent(ring_.segment());
    EXPECT_EQ(drain(), (std::vector<std::uint32_t>{0, 1, 2, 3, 4}));
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(QueueTest, PushAfterAnInsertionAtTheEndStaysBehindIt) {
  queue().push_back(0, 1000);
  queue().insert_by_sequence(3, 1003);
  queue().push_back(4, 1004);
  EXPECT_EQ(drain(), (std::vector<std::uint32_t>{0, 3, 4}));
}

TEST_F(QueueTest, RemembersItsHighWaterMark) {
  queue().push_back(0, 1000);
  queue().push_back(1, 1001);
  drain();
  queue().push_back(2, 1002);
  EXPECT_EQ(ring_.header().peak_messages, 5U) << "recover() counts too";
}

TEST_F(QueueTest, CircleInTheLinksEndsTheSearch) {
  queue().push_back(0, 1000);
  queue().push_back(1, 1001);
  ring_.descriptor(1).link_next = 0;
  ring_.descriptor(2).sequence = 1000;
  queue().insert_by_sequence(2, 1002);
  SUCCEED() << "it came to an end";
}

}  // namespace
}  // namespace ipc0cp::testing
