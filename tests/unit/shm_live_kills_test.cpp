// SPDX-License-Identifier: Apache-2.0
// Live sources that are killed at random: the value stays, and what was given up is counted once.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <random>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr int kRounds = 120;

/// A process that pushes small and large messages until it is killed.
class Source {
 public:
  Source(const std::string& ring, const ProducerOptions& options) : process_(fork()) {
    if (process_ != 0) return;
    try {
      SharedRingBufferProducer producer(ring, 0, options);
      const std::array payloads = {bytes_of(100), bytes_of(6000), bytes_of(100), bytes_of(30'000)};
      for (unsigned number = 0;; ++number) producer.push_raw({}, payloads[number % 4], 30s);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "source: %s\n", error.what());
    }
    _exit(1);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() {
    kill(process_, SIGKILL);
    int status = 0;
    EXPECT_EQ(waitpid(process_, &status, 0), process_);
    EXPECT_TRUE(WIFSIGNALED(status)) << "it ended by itself, with " << status;
  }

 private:
  pid_t process_;
};

/// Kills sources one after the other. `look` looks at the ring while one is at work.
template <class Look>
void kill_sources(Pair& pair, const ProducerOptions& options, Look look) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::minstd_rand dice(seed);
  const shm::Header& header = pair.header();
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t before = header.next_sequence;
    const Source source(pair.name.get(), options);
    const auto end = std::chrono::steady_clock::now() + 30s;
    while (header.next_sequence < before + 20) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "it pushes nothing";
      usleep(100);
    }
    look(dice);
    usleep(dice() % 1500);
  }
}

TEST(LiveKills, AValueStaysWhoeverDies) {
  ProducerOptions options;
  options.overflow = Overflow::drop_oldest;
  options.depth = 1;
  Pair pair(kMebi, options);
  std::uint64_t popped = 0;
  std::uint64_t last = 0;
  kill_sources(pair, options, [&](std::minstd_rand& dice) {
    if (dice() % 2 == 0) {
      const std::optional<Message> message = pair.consumer.pop_raw(30s);
      ASSERT_TRUE(message.has_value());
      EXPECT_GT(message->id(), last);
      last = message->id();
      popped += 1;
    }
  });
  const RingStats stats = pair.consumer.stats();
  EXPECT_GE(stats.messages, 1U);
  EXPECT_LE(stats.messages, 2U) << "killed after the new value, before the old one was given up";
  EXPECT_EQ(stats.popped, popped) << "else something was counted twice, or not at all";
  EXPECT_EQ(stats.lost + stats.dropped, 0U);
  EXPECT_EQ(stats.repaired_deaths, static_cast<std::uint64_t>(kRounds));
  expect_consistent(pair.segment());
  EXPECT_TRUE(pair.push(kMebi / 2, 1, 0ms)) << "no room is lost";
}

TEST(LiveKills, AFullRingStaysWhole) {
  ProducerOptions options;
  options.overflow = Overflow::drop_oldest;
  options.max_messages = 16;
  Pair pair(128 * kKibi, options);
  std::uint64_t popped = 0;
  kill_sources(pair, options, [&](std::minstd_rand& dice) {
    if (dice() % 2 == 0) {
      ASSERT_TRUE(pair.consumer.pop_latest_raw(30s).has_value());
      popped += 1;
    }
  });
  const RingStats stats = pair.consumer.stats();
  EXPECT_EQ(stats.popped, popped);
  EXPECT_EQ(stats.lost + stats.dropped, 0U);
  expect_consistent(pair.segment());
  while (pair.consumer.stats().messages > 0) ASSERT_TRUE(pair.consumer.pop_raw(0ms).has_value());
  EXPECT_EQ(pair.consumer.stats().used_bytes, 0U);
  EXPECT_TRUE(pair.push(128 * kKibi, 1, 0ms)) << "no room is lost";
}

}  // namespace
}  // namespace ipc0cp::testing
