// SPDX-License-Identifier: Apache-2.0
// Giving memory back with trim().
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::size_t kPiece = 2 * kMebi;  ///< Given back at a time, and the most a ring grows by.

/// Memory behind the file of a ring, its control pages included.
std::uint64_t backed_bytes(const Pair& pair) {
  struct stat status {};
  EXPECT_EQ(stat(pair.name.path().c_str(), &status), 0);
  return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

void send(Pair& pair, std::size_t bytes, unsigned seed = 1) {
  ASSERT_TRUE(pair.push(bytes, seed));
  pair.expect_pop(bytes, seed);
}

/// Has the ring reserve memory for a message that is never sent.
void grow(Pair& pair, std::size_t bytes) { EXPECT_TRUE(pair.producer.loan(bytes, 5s).active()); }

/// As many messages as fit, all of them read again.
void fill_once(Pair& pair, std::size_t count, std::size_t bytes) {
  for (unsigned number = 0; number < count; ++number) {
    ASSERT_TRUE(pair.push(bytes, number, 0ms)) << number;
  }
  for (unsigned number = 0; number < count; ++number) pair.expect_pop(bytes, number);
}

TEST(Trim, GivesAllOfAnEmptyRingBack) {
  Pair pair(16 * kMebi);
  const std::uint64_t when_new = backed_bytes(pair);
  fill_once(pair, 5, 3 * kMebi);
  const std::uint64_t reserved = pair.producer.stats().reserved_bytes;
  EXPECT_GE(reserved, 15 * kMebi);
  EXPECT_GE(backed_bytes(pair), 15 * kMebi);
  EXPECT_EQ(pair.producer.trim(), reserved);
  EXPECT_EQ(pair.producer.stats().reserved_bytes, 0U);
  EXPECT_EQ(backed_bytes(pair), when_new);
  EXPECT_EQ(pair.producer.trim(), 0U) << "there is nothing left";
  expect_consistent(pair.segment());
  fill_once(pair, 5, 3 * kMebi);
  send(pair, 100);
  EXPECT_GE(pair.consumer.trim(), 15 * kMebi) << "a consumer's arena is read-only, no matter";
  send(pair, 100);
  expect_consistent(pair.segment());
}

TEST(Trim, OfANewRingGivesNothing) {
  Pair pair;
  EXPECT_EQ(pair.producer.trim(), 0U);
  EXPECT_EQ(pair.consumer.trim(), 0U);
  send(pair, 100);
}

TEST(Trim, KeepsWhatIsQueuedViewedOrLent) {
  Pair pair(32 * kMebi);
  ASSERT_TRUE(pair.push(kMebi, 1));
  std::optional<Loan> lent = pair.producer.loan(kMebi, 0ms);
  ASSERT_TRUE(pair.push(kMebi, 2));
  ASSERT_TRUE(pair.push(8 * kMebi, 3));
  const std::optional<Message> view = pair.consumer.pop_raw(0ms);
  ASSERT_TRUE(view.has_value() && view->is_view());
  EXPECT_LE(pair.producer.trim(), kPiece) << "all but a rest is in use";
  std::fill(lent->bytes().begin(), lent->bytes().end(), std::byte{7});
  lent->publish();
  pair.expect_pop(kMebi, 2);
  pair.expect_pop(8 * kMebi, 3);
  const std::uint64_t given_back = pair.producer.trim();
  EXPECT_GE(given_back, 8 * kMebi);
  EXPECT_LE(given_back, 11 * kMebi);
  EXPECT_TRUE(equal(view->payload(), bytes_of(kMebi, 1)));
  const std::optional<Message> last = pair.consumer.pop_raw(0ms);
  ASSERT_TRUE(last.has_value());
  EXPECT_EQ(last->payload().back(), std::byte{7});
  expect_consistent(pair.segment());
}

TEST(Trim, ABlockAtTheEndKeepsWhatLiesBelowIt) {
  Pair pair(32 * kMebi);
  std::optional<Loan> low = pair.producer.loan(20 * kMebi, 0ms);
  ASSERT_TRUE(pair.push(100, 2));
  low.reset();
  EXPECT_LE(pair.producer.trim(), kPiece);
  EXPECT_GE(pair.producer.stats().reserved_bytes, 20 * kMebi);
  pair.expect_pop(100, 2);
  EXPECT_GE(pair.producer.trim(), 20 * kMebi);
}

/// A producer that waits beside two views gets the relief block.
TEST(Trim, GivesTheReliefBlockBackWhenItIsFree) {
  Pair pair(8 * kMebi);
  ASSERT_TRUE(pair.push(4 * kMebi, 1));
  ASSERT_TRUE(pair.push(4 * kMebi - 1000, 2));
  std::vector<Message> views;
  for (int count = 0; count < 2; ++count) views.push_back(*pair.consumer.pop_raw(0ms));
  ASSERT_TRUE(pair.push(3 * kMebi, 3));
  ASSERT_GE(pair.header().relief_mark, 3 * kMebi);
  EXPECT_LE(pair.producer.trim(), kPiece) << "its message is queued";
  EXPECT_GE(pair.header().relief_mark, 3 * kMebi);
  pair.expect_pop(3 * kMebi, 3);
  EXPECT_GE(pair.producer.trim(), 3 * kMebi);
  EXPECT_EQ(pair.header().relief_mark, 0U);
  ASSERT_TRUE(pair.push(2 * kMebi, 4));
  pair.expect_pop(2 * kMebi, 4);
  EXPECT_TRUE(equal(views[0].payload(), bytes_of(4 * kMebi, 1)));
  EXPECT_TRUE(equal(views[1].payload(), bytes_of(4 * kMebi - 1000, 2)));
  expect_consistent(pair.segment());
}

TEST(Trim, OfARingMadeWithReserveGivesNothing) {
  ProducerOptions options;
  options.reserve = true;
  Pair pair(8 * kMebi, options);
  const std::uint64_t reserved = pair.producer.stats().reserved_bytes;
  EXPECT_GE(reserved, 16 * kMebi);
  EXPECT_EQ(pair.producer.trim(), 0U);
  EXPECT_EQ(pair.consumer.trim(), 0U);
  EXPECT_EQ(pair.another_producer().trim(), 0U) << "who joins need not ask for it again";
  EXPECT_EQ(pair.producer.stats().reserved_bytes, reserved);
}

TEST(Trim, LeavesMemoryToWhoGrows) {
  Pair pair(64 * kMebi);
  grow(pair, 10 * kMebi);
  pair.header().growing = 3;
  EXPECT_EQ(pair.producer.trim(), 0U);
  pair.header().growing = kNone;
  EXPECT_GE(pair.producer.trim(), 10 * kMebi);
}

TEST(Trim, NeedsNoSpareDescriptorForAWholeHole) {
  ProducerOptions options;
  options.max_messages = 1;
  Pair pair(8 * kMebi, options);
  send(pair, 3 * kMebi);
  ASSERT_TRUE(pair.push(100, 2));
  EXPECT_GE(pair.producer.trim(), 2 * kMebi);
  pair.expect_pop(100, 2);
  send(pair, 3 * kMebi);
  expect_consistent(pair.segment());
}

TEST(Trim, FindsWhatTheDeadHeld) {
  Pair pair(64 * kMebi);
  run_and_die([&] {
    auto producer = pair.another_producer();
    const Loan lent = producer.loan(30 * kMebi, 5s);
    die();
  });
  std::this_thread::sleep_for(15ms);  // Others may have looked around just before.
  EXPECT_GE(pair.consumer.trim(), 30 * kMebi);
  expect_consistent(pair.segment());
}

TEST(Trim, ItsErrors) {
  Pair pair(8 * kMebi);
  send(pair, 3 * kMebi);
  pair.header().main_mark += 64;
  expect_code(ErrorCode::corrupt_buffer, [&] { pair.producer.trim(); });
  pair.producer.close();
  expect_code(ErrorCode::closed, [&] { pair.producer.trim(); });
  ConsumerOptions options;
  options.auto_attach = false;
  SharedRingBufferConsumer detached(unique_name(), 0, options);
  expect_code(ErrorCode::closed, [&] { detached.trim(); });
}

TEST(Trim, IsInterrupted) {
  ProducerOptions options;
  options.interrupt_check = [] { return true; };
  Pair pair(8 * kMebi, options);
  ASSERT_TRUE(pair.another_producer().push_raw({}, bytes_of(3 * kMebi)));
  pair.expect_pop(3 * kMebi);
  expect_code(ErrorCode::interrupted, [&] { pair.producer.trim(); });
}

// ---- what a death leaves ------------------------------------------------------------------------

/// LOANED above the mark, by somebody who died while the memory went.
TEST(Trim, APieceOfTheDeadIsWildernessAgain) {
  const BareRing ring(8 * kMebi, 16);
  const Owner dead = ring.dead_owner();
  ring.header().main_mark = 4 * kMebi;
  Descriptor& block = ring.put(3, State::kLoaned, dead, 4 * kMebi, 0);
  block.extent_bytes = kPiece;
  ring.header().relief_mark = 0;
  Descriptor& relief = ring.put(ring.geometry.relief_descriptor(), State::kLoaned, dead,
                                ring.geometry.main_bytes, 0);
  relief.extent_bytes = kPiece;
  ring.recover();
  EXPECT_EQ(ring.state(3), State::kFree);
  EXPECT_EQ(ring.state(ring.geometry.relief_descriptor()), State::kFree);
  EXPECT_EQ(ring.header().growing, kNone);
  EXPECT_EQ(ring.header().main_mark, 4 * kMebi);
  expect_consistent(ring.segment());
}

/// The same of the living: nobody grows meanwhile, also after a recovery.
TEST(Trim, APieceOfTheLivingKeepsOthersFromGrowing) {
  const BareRing ring(8 * kMebi, 16);
  ring.header().main_mark = 4 * kMebi;
  Descriptor& block = ring.put(3, State::kLoaned, ring.self(), 4 * kMebi, 0);
  block.extent_bytes = kPiece;
  ring.recover();
  EXPECT_EQ(ring.state(3), State::kLoaned);
  EXPECT_EQ(ring.header().growing, 3U);
}

// ---- beside others ------------------------------------------------------------------------------

/// Pushes, pops and trims of several threads; what is read has to be what was written.
TEST(Trim, WhileOthersPushAndPop) {
  Pair pair(8 * kMebi);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> given_back{0};
  std::vector<std::thread> trimmers;
  for (int which = 0; which < 2; ++which) {
    trimmers.emplace_back([&, which] {
      while (!stop) given_back += which == 0 ? pair.producer.trim() : pair.consumer.trim();
    });
  }
  std::thread reader([&] {
    for (unsigned round = 0; round < 20; ++round) {
      pair.expect_pop(kMebi, round);
      pair.expect_pop(100'000, round);
    }
  });
  for (unsigned round = 0; round < 20; ++round) {
    EXPECT_TRUE(pair.push(kMebi, round));
    EXPECT_TRUE(pair.push(100'000, round));
  }
  reader.join();
  stop = true;
  for (std::thread& trimmer : trimmers) trimmer.join();
  EXPECT_GT(given_back.load(), 0U);
  expect_consistent(pair.segment());
}

/// A call that never waits has room in an empty ring, also while a piece is given back.
/// But for a trimmer that the system leaves standing in the middle of a piece, beside which a call
/// that never waits is patient for 5 ms, and then has to answer.
TEST(Trim, IsNoReasonToSayFull) {
  constexpr auto kPatience = 5ms;
  Pair pair(256 * kMebi);
  for (int round = 0; round < 10; ++round) {
    grow(pair, 20 * kMebi);
    std::jthread trimmer([&] { pair.consumer.trim(); });
    for (unsigned number = 0; number < 5; ++number) {
      auto asked = std::chrono::steady_clock::now();
      while (!pair.producer.try_push_raw({}, bytes_of(10'000, number))) {
        ASSERT_GE(std::chrono::steady_clock::now() - asked, kPatience) << "full, said at once";
        asked = std::chrono::steady_clock::now();
      }
      pair.expect_pop(10'000, number);
    }
  }
}

/// close() leaves the thread its token, and the next one finds a sound ring and no death.
TEST(Trim, EndsWhenTheHandleIsClosed) {
  Pair pair(512 * kMebi);
  for (int round = 0; round < 5; ++round) {
    auto producer = pair.another_producer();
    grow(pair, 400 * kMebi);
    std::atomic<bool> begun{false};
    std::thread trimmer([&] {
      begun = true;
      try {
        producer.trim();
      } catch (const Error& error) {
        EXPECT_EQ(to_string(error.code()), to_string(ErrorCode::closed));
      }
    });
    while (!begun) std::this_thread::yield();
    producer.close();
    trimmer.join();
    const RingStats stats = pair.consumer.stats();
    EXPECT_EQ(stats.repaired_deaths, 0U);
    EXPECT_EQ(stats.active_producers, 1U);
    expect_consistent(pair.segment());
  }
}

}  // namespace
}  // namespace ipc0cp::testing
