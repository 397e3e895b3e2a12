// SPDX-License-Identifier: Apache-2.0
// The public wait for several descriptors.
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <thread>
#include <vector>

#include "ipc0cp/readiness.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

TEST(Wait, SaysWhichAreReady) {
  Pair first;
  Pair second;
  const Readiness of_first(first.consumer);
  const Readiness of_second(second.consumer);
  EXPECT_TRUE(wait({&of_first, &of_second}, 10ms).empty());
  EXPECT_TRUE(wait({&of_first, &of_second}, 0ms).empty());
  EXPECT_TRUE(wait({}).empty());
  std::thread pushes([&] { second.push(10); });
  EXPECT_EQ(wait({&of_first, &of_second}), std::vector{&of_second});
  pushes.join();
  first.push(10);
  EXPECT_EQ(wait({&of_first, &of_second}, 0ms), (std::vector{&of_first, &of_second}));
  first.expect_pop(10);
  second.consumer.close();
  EXPECT_EQ(wait({&of_first, &of_second}, 20s), std::vector{&of_second});
  expect_code(ErrorCode::invalid_argument, [&] { wait({&of_first, nullptr}); });
}

/// Readable, but taken by another handle: who waits does not come back for that.
TEST(Wait, IsNotMisledByADescriptorThatLags) {
  Pair pair;
  auto other = pair.another_consumer();
  const Readiness readiness(pair.consumer);
  pair.push(10);
  pollfd entry{readiness.fd(), POLLIN, 0};
  ASSERT_EQ(poll(&entry, 1, 20'000), 1);
  ASSERT_TRUE(other.pop_raw(5s).has_value());
  EXPECT_TRUE(wait({&readiness}, 20ms).empty());
}

std::atomic<bool> g_interrupted{false};

TEST(Wait, AsksForInterruptions) {
  ConsumerOptions options;
  options.interrupt_check = [] { return g_interrupted.load(); };
  Pair pair(kMebi, {}, options);
  const Readiness readiness(pair.consumer);
  std::thread interrupts([] { g_interrupted = true; });
  expect_code(ErrorCode::interrupted, [&] { wait({&readiness}, 20s); });
  interrupts.join();
}

}  // namespace
}  // namespace ipc0cp::testing
