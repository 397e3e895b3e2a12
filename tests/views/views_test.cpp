// SPDX-License-Identifier: Apache-2.0
// A consumer may keep every view it pops: four producers of small messages go on, and a message of
// nearly the ring's whole size gets through; also when the holder of the relief block is killed.
// Delays are printed; only a watchdog bounds them.
#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <new>
#include <ostream>
#include <vector>

#include "platform/clock.hpp"
#include "process/ring_worker.hpp"
#include "storm/processes.hpp"
#include "unit/shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

using ipc0cp_process_test::PayloadHeader;
using storm::Child;

constexpr std::uint64_t kSmallProducers = 4;
constexpr std::uint64_t kLargeProducer = 100;
/// Ten times what is promised, because other tests run at the same time.
constexpr double kWatchdogSeconds = 10.0;

double seconds_since(std::int64_t start_ns) {
  return static_cast<double>(platform::now_ns() - start_ns) / 1e9;
}

/// What the processes of a test tell each other outside the ring.
struct Board {
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> wanted{0};        ///< Large messages asked for.
  std::atomic<std::int64_t> push_began_ns{0};  ///< The latest of them.

  static Board& create() {
    void* memory =
        mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return *new (memory) Board;  // Until the test process ends.
  }
};

std::vector<std::byte> patterned(std::size_t bytes, std::uint64_t producer,
                                 std::uint64_t sequence) {
  std::vector<std::byte> payload(bytes);
  ipc0cp_process_test::fill(payload, producer, sequence);
  return payload;
}

/// Sizes below and above the one from which views are given.
void push_small(const std::string& ring, const Board& board, std::uint64_t number) {
  constexpr std::size_t kSizes[] = {64, 1500, 5000, 20'000};
  SharedRingBufferProducer producer(ring, 0);
  for (std::uint64_t sequence = 0; !board.stop; ++sequence) {
    const auto payload = patterned(kSizes[sequence % std::size(kSizes)], number, sequence);
    while (!board.stop && !producer.push_raw({}, payload, 100ms)) {
    }
  }
}

void push_large(const std::string& ring, Board& board, std::size_t bytes) {
  SharedRingBufferProducer producer(ring, 0);
  for (std::uint64_t sequence = 0; !board.stop;) {
    if (sequence == board.wanted) {
      std::this_thread::sleep_for(1ms);
      continue;
    }
    const auto payload = patterned(bytes, kLargeProducer, sequence);
    board.push_began_ns = platform::now_ns();
    while (!board.stop && !producer.push_raw({}, payload, 100ms)) {
    }
    ++sequence;
  }
}

struct Case {
  const char* name;
  std::size_t total_bytes;
  std::uint32_t max_messages;  ///< 0: the default of a ring of this size.
  friend std::ostream& operator<<(std::ostream& out, const Case& what) { return out << what.name; }
};

class KeptViews : public ::testing::TestWithParam<Case> {
 protected:
  /// Pops until a large message comes, keeping every view. @return how long it took, in seconds.
  double await_large() {
    const std::int64_t asked_ns = platform::now_ns();
    board.wanted += 1;
    while (true) {
      Message message = *pair.consumer.pop_raw(10s);
      const PayloadHeader header = ipc0cp_process_test::header_of(message.payload());
      if (header.producer == kLargeProducer) {
        const double seconds = seconds_since(board.push_began_ns);
        ipc0cp_process_test::check(message.payload());
        return seconds;
      }
      if (message.is_view()) kept.push_back(std::move(message));
      if (seconds_since(asked_ns) > kWatchdogSeconds) {
        ADD_FAILURE() << "no large message for " << kWatchdogSeconds << " s";
        return kWatchdogSeconds;
      }
    }
  }

  Board& board = Board::create();
  Pair pair{GetParam().total_bytes, {.max_messages = GetParam().max_messages}};
  std::deque<Message> kept;
};

TEST_P(KeptViews, StallNeitherSmallNorLargeMessages) {
  constexpr std::size_t kRounds = 10;
  const std::string& ring = pair.name.get();
  std::vector<Child> producers;
  for (std::uint64_t number = 1; number <= kSmallProducers; ++number) {
    producers.emplace_back([&] { push_small(ring, board, number); }, false);
  }
  producers.emplace_back([&] { push_large(ring, board, GetParam().total_bytes - 4096); }, false);
  std::vector<double> seconds;
  seconds.reserve(kRounds);
  while (seconds.size() < kRounds && !HasFailure()) seconds.push_back(await_large());
  board.stop = true;
  // A producer without room sees the end of its patience; nobody pops meanwhile.
  for (Child& producer : producers) EXPECT_EQ(producer.wait(), storm::End::orderly);
  std::sort(seconds.begin(), seconds.end());
  std::printf("%s: a large message came after %.3f s (median), %.3f s (worst of %zu); %zu views\n",
              GetParam().name, seconds[seconds.size() / 2], seconds.back(), seconds.size(),
              kept.size());
  EXPECT_LT(seconds.back(), kWatchdogSeconds);
  EXPECT_GE(kept.size(), GetParam().max_messages == 0 ? 100U : 2U) << "nothing was tested";
  for (const Message& message : kept) ipc0cp_process_test::check(message.payload());
}
INSTANTIATE_TEST_SUITE_P(Views, KeptViews,
                         ::testing::Values(Case{"bytes used up", 16 * kMebi, 0},
                                           Case{"descriptors used up", 16 * kMebi, 16}),
                         [](const auto& info) {
                           return info.param.max_messages == 0 ? "Bytes" : "Descriptors";
                         });

// ---- deaths around the relief block -----------------------------------------------------------

/// A ring whose main part is filled by a view, so that a large message needs the relief block.
class ReliefBlock : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr std::size_t kTotalBytes = 16 * kMebi;
  static constexpr std::size_t kLargeBytes = kTotalBytes - 4096;

  ReliefBlock() {
    pair.push(kTotalBytes / 2 + 5000, 1);
    kept = *pair.consumer.pop_raw(5s);
  }
  [[nodiscard]] StateWord word() const {
    const std::uint32_t index = pair.segment().geometry().relief_descriptor();
    return pair.segment().descriptor(index).state.load();
  }
  /// Until the block has left a state: the next one may be over too soon to be seen.
  void await_end_of(shm::State state) const {
    const std::int64_t start_ns = platform::now_ns();
    while (state_of(word()) == state) {
      ASSERT_LT(seconds_since(start_ns), kWatchdogSeconds);
      std::this_thread::yield();
    }
  }
  /// With redelivery a message leaves the relief block only when it is finished.
  void pop_and_finish(unsigned seed) {
    pair.expect_pop(kLargeBytes, seed);
    pair.consumer.done();
  }
  /// Large messages get through, at once and later, while the view is kept.
  void expect_large_messages(const char* after) {
    const std::int64_t start_ns = platform::now_ns();
    for (unsigned number = 10; number < 13; ++number) {
      ASSERT_TRUE(pair.push(kLargeBytes, number, 10s)) << after;
      if (number == 10) std::printf("%s: pushed after %.3f s\n", after, seconds_since(start_ns));
      pop_and_finish(number);
    }
    EXPECT_TRUE(equal(kept.payload(), bytes_of(kTotalBytes / 2 + 5000, 1)));
  }

  Pair pair{kTotalBytes, {.redeliver = GetParam()}};
  Message kept;
};

TEST_P(ReliefBlock, ComesBackFromAKilledProducer) {
  Child victim(
      [&] {
        auto producer = pair.another_producer({.redeliver = GetParam()});
        const Loan loan = producer.loan(kLargeBytes);
        std::this_thread::sleep_for(60s);
      },
      false);
  await_end_of(State::kFree);
  victim.kill();
  EXPECT_EQ(victim.wait(), storm::End::killed);
  expect_large_messages("killed producer");
  EXPECT_EQ(pair.consumer.stats().repaired_deaths, 1U);
}

/// Copying the message out, or with redelivery holding it until it is finished.
TEST_P(ReliefBlock, ComesBackFromAKilledConsumer) {
  const bool redeliver = GetParam();
  std::uint64_t lost = 0;
  for (unsigned round = 0; round < 5; ++round) {
    ASSERT_TRUE(pair.push(kLargeBytes, round, 10s));
    Child victim(
        [&] {
          auto consumer = pair.another_consumer();
          const auto message = consumer.pop_raw();
          std::this_thread::sleep_for(60s);
        },
        false);
    await_end_of(State::kReady);
    victim.kill();
    EXPECT_EQ(victim.wait(), storm::End::killed);
    if (redeliver) pop_and_finish(round);
    lost = pair.consumer.stats().lost;
    EXPECT_EQ(pair.consumer.stats().messages, 0U);
  }
  expect_large_messages("killed consumers");
  std::printf("%llu of 5 messages died with their consumers\n",
              static_cast<unsigned long long>(lost));
  EXPECT_EQ(lost > 0, !redeliver);
  EXPECT_EQ(pair.consumer.stats().repaired_deaths, 5U);
}
INSTANTIATE_TEST_SUITE_P(Views, ReliefBlock, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Redelivered" : "Lost"; });

}  // namespace
}  // namespace ipc0cp::testing
