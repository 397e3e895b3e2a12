// SPDX-License-Identifier: Apache-2.0
// Looking at rings by their files: what is seen, and that looking changes nothing.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ipc0cp/inspect.hpp"
#include "platform/clock.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

using inspect::ProcessState;
using inspect::RingState;

const inspect::Participant* find(const inspect::Ring& ring, inspect::Role role) {
  const auto found = std::ranges::find(ring.participants, role, &inspect::Participant::role);
  return found == ring.participants.end() ? nullptr : &*found;
}

std::string file_content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void expect_equal(const RingStats& left, const RingStats& right) {
#define IPC0CP_FIELD(type, name, sentence) EXPECT_EQ(left.name, right.name) << #name;
  IPC0CP_RING_STATS(IPC0CP_FIELD)
#undef IPC0CP_FIELD
}

TEST(Inspect, TellsWhatHandlesTell) {
  Pair pair;
  pair.push(100);
  pair.push(5000);
  pair.expect_pop(100);
  const inspect::Ring ring = inspect::ring(pair.name.get());
  EXPECT_EQ(ring.name, pair.name.get());
  EXPECT_EQ(ring.state, RingState::live) << ring.problem;
  EXPECT_EQ(ring.problem, "");
  EXPECT_EQ(ring.producers, 1U);
  EXPECT_EQ(ring.consumers, 1U);
  EXPECT_EQ(ring.dead, 0U);
  EXPECT_EQ(ring.owner, geteuid());
  EXPECT_EQ(ring.mode, 0600U);
  EXPECT_EQ(ring.layout_version, kLayoutVersion);
  EXPECT_EQ(ring.file_bytes, pair.segment().geometry().file_bytes);
  EXPECT_GT(ring.backed_bytes, 0U);
  EXPECT_LT(ring.backed_bytes, ring.file_bytes);
  EXPECT_EQ(ring.joined_producers, 1U);
  EXPECT_TRUE(ring.options_fixed);
  EXPECT_FALSE(ring.redeliver);
  expect_equal(ring.stats, pair.consumer.stats());
  expect_equal(inspect::summary("/" + pair.name.get()).stats, ring.stats);
  ASSERT_EQ(ring.queue.size(), 1U);
  EXPECT_EQ(ring.queue[0].id, 2U);
  EXPECT_EQ(ring.queue[0].payload_bytes, 5000U);
  const inspect::Participant* producer = find(ring, inspect::Role::producer);
  ASSERT_NE(producer, nullptr);
  EXPECT_EQ(producer->process_id, static_cast<std::uint32_t>(getpid()));
  EXPECT_EQ(producer->process_state, ProcessState::running);
  EXPECT_TRUE(producer->in_this_namespace);
  EXPECT_EQ(producer->blocks(), 0U);
}

TEST(Inspect, CountsMessagesAndBytesOfEachHandle) {
  Pair pair;
  auto another = pair.another_producer();
  pair.push(100);
  pair.push(20'000);
  another.push_raw(R"({"type":"mine"})", bytes_of(30), 5s);
  pair.expect_pop(100);
  const inspect::Ring ring = inspect::ring(pair.name.get());
  std::multiset<std::pair<std::uint64_t, std::uint64_t>> counts;
  for (const inspect::Participant& participant : ring.participants) {
    counts.insert({participant.messages, participant.bytes});
  }
  EXPECT_EQ(counts, (decltype(counts){{1, 100}, {1, 45}, {2, 20'100}}));
  EXPECT_EQ(ring.stats.pushed_bytes, 20'145U);
  EXPECT_EQ(ring.stats.popped_bytes, 100U);
}

TEST(Inspect, TellsTheAgeOfTheOldest) {
  Pair pair;
  EXPECT_EQ(inspect::summary(pair.name.get()).oldest_published_ns, 0);
  const std::int64_t before = platform::coarse_now_ns();
  pair.push(100);
  pair.push(5000);
  const inspect::Ring ring = inspect::ring(pair.name.get());
  EXPECT_GE(ring.oldest_published_ns, before - 2 * platform::kMillisecond - 200'000);
  EXPECT_LE(ring.oldest_published_ns, ring.taken_ns);
  ASSERT_EQ(ring.queue.size(), 2U);
  EXPECT_EQ(ring.queue[0].published_ns, ring.oldest_published_ns);
  EXPECT_GE(ring.queue[1].published_ns, ring.oldest_published_ns);
}

/// A producer that was in full flow reads the clock again after 16 messages at most, and one that
/// pushes now and then for each.
TEST(Inspect, TimesOfAProducerThatSlowsDownAreSoonRight) {
  Pair pair;
  for (int number = 0; number < 1000; ++number) pair.push(10);
  for (int number = 0; number < 1000; ++number) pair.expect_pop(10);
  std::int64_t before = 0;
  for (int number = 0; number < 20; ++number) {
    std::this_thread::sleep_for(15ms);
    before = platform::coarse_now_ns();
    pair.push(10);
  }
  const inspect::Ring ring = inspect::ring(pair.name.get());
  EXPECT_GE(ring.queue.back().published_ns, before - 2 * platform::kMillisecond - 200'000);
}

/// Also the first message after a pause, though its consumer does not wait but looks now and then.
TEST(Inspect, TheTimeOfAMessageInAnEmptyRingIsRight) {
  Pair pair;
  for (int number = 0; number < 1000; ++number) {
    pair.push(10);
    pair.push(10);
    EXPECT_TRUE(pair.consumer.pop_raw(0ms) && pair.consumer.pop_raw(0ms));
  }
  std::this_thread::sleep_for(15ms);
  const std::int64_t before = platform::coarse_now_ns();
  pair.push(10);
  EXPECT_GE(inspect::summary(pair.name.get()).oldest_published_ns,
            before - 2 * platform::kMillisecond - 200'000);
}

TEST(Inspect, SaysWhatABlockedCallWaitsFor) {
  Pair pair(64 * kKibi);
  std::thread popping([&] { EXPECT_TRUE(pair.consumer.pop_raw(30s)); });
  const auto wait_of = [&](inspect::Role role) {
    const inspect::Ring ring = inspect::ring(pair.name.get());
    const inspect::Participant* participant = find(ring, role);
    EXPECT_NE(participant, nullptr);
    return participant == nullptr ? inspect::Participant{} : *participant;
  };
  while (wait_of(inspect::Role::consumer).waits_for != inspect::WaitsFor::message) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_GT(wait_of(inspect::Role::consumer).blocked_since_ns, 0);
  pair.push(10);
  popping.join();
  EXPECT_EQ(wait_of(inspect::Role::consumer).waits_for, inspect::WaitsFor::nothing);
  ASSERT_TRUE(pair.push(60'000));
  ASSERT_TRUE(pair.push(60'000)) << "the relief block";
  std::thread pushing([&] { EXPECT_TRUE(pair.push(60'000, 1, 30s)); });
  while (wait_of(inspect::Role::producer).waits_for != inspect::WaitsFor::room) {
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(inspect::ring(pair.name.get()).memory.relief_in_use);
  pair.expect_pop(60'000);
  pushing.join();
}

TEST(Inspect, NamesWhoHasTheLockAndWhoWaitsForIt) {
  Pair pair;
  while (pair.ring().try_lock() != ErrorCode::ok) {
  }
  std::thread pushing([&] { EXPECT_TRUE(pair.push(100, 1, 60s)); });
  inspect::Ring ring;
  do {
    std::this_thread::sleep_for(1ms);
    ring = inspect::ring(pair.name.get());
  } while (find(ring, inspect::Role::producer)->waits_for != inspect::WaitsFor::lock);
  EXPECT_GT(find(ring, inspect::Role::producer)->blocked_since_ns, 0);
  EXPECT_TRUE(find(ring, inspect::Role::consumer)->has_lock);
  EXPECT_EQ(pair.ring().unlock(), ErrorCode::ok);
  pushing.join();
  ring = inspect::ring(pair.name.get());
  EXPECT_EQ(find(ring, inspect::Role::producer)->waits_for, inspect::WaitsFor::nothing);
  EXPECT_EQ(find(ring, inspect::Role::producer)->blocked_since_ns, 0);
}

TEST(Inspect, LooksAtAFileWithoutAStore) {
  Pair pair(64 * kKibi);
  pair.push(3000);
  const std::string before = file_content(pair.name.path());
  const inspect::Ring ring = inspect::ring(pair.name.get());
  EXPECT_EQ(inspect::preview(pair.name.get()).size(), 1U);
  const auto all = inspect::rings();
  EXPECT_EQ(std::ranges::count(all, pair.name.get(), &inspect::RingSummary::name), 1);
  EXPECT_TRUE(std::ranges::is_sorted(all, {}, &inspect::RingSummary::name));
  EXPECT_EQ(file_content(pair.name.path()), before);
  pair.expect_pop(3000);
}

TEST(Inspect, ShowsWhoHoldsWhat) {
  Pair pair;
  pair.push(10'000);
  const auto message = pair.consumer.pop_raw(5s);
  ASSERT_TRUE(message && message->is_view());
  auto loan = pair.producer.loan(3000, 5s);
  const inspect::Ring ring = inspect::ring(pair.name.get());
  const inspect::Participant* producer = find(ring, inspect::Role::producer);
  const inspect::Participant* consumer = find(ring, inspect::Role::consumer);
  ASSERT_TRUE(producer != nullptr && consumer != nullptr);
  EXPECT_EQ(producer->loans, 1U);
  EXPECT_EQ(producer->loan_bytes, 3000U);
  EXPECT_EQ(consumer->views, 1U);
  EXPECT_EQ(consumer->view_bytes, 10'000U);
  EXPECT_EQ(ring.memory.views_out, 1U);
  EXPECT_EQ(ring.memory.loans_out_bytes, 3000U);
  EXPECT_FALSE(ring.memory.relief_in_use);
}

TEST(Inspect, CountsTheDeadBeforeAnybodyNoticesThem) {
  Pair pair;
  const std::string& name = pair.name.get();
  run_and_die([&] {
    const SharedRingBufferProducer producer(name, 0);
    die();
  });
  const inspect::Ring ring = inspect::ring(name);
  EXPECT_EQ(ring.state, RingState::live);
  EXPECT_EQ(ring.producers, 1U);
  EXPECT_EQ(ring.dead, 1U);
  EXPECT_EQ(std::ranges::count(ring.participants, ProcessState::dead,
                               &inspect::Participant::process_state),
            1);
}

TEST(Inspect, KnowsTheStatesOfARing) {
  const RingName waiting;
  const SharedRingBufferProducer producer(waiting.get(), 64 * kKibi);
  EXPECT_EQ(inspect::summary(waiting.get()).state, RingState::waiting_for_consumer);

  const RingName orphan;
  run_and_die([&] {
    const SharedRingBufferProducer producer(orphan.get(), 64 * kKibi);
    die();
  });
  const auto left = inspect::summary(orphan.get());
  EXPECT_EQ(left.state, RingState::orphan);
  EXPECT_EQ(left.dead, 1U);

  Pair pair;
  pair.header().damaged.store(1);
  const auto damaged = inspect::summary(pair.name.get());
  EXPECT_EQ(damaged.state, RingState::damaged);
  EXPECT_NE(damaged.problem, "");
  pair.header().damaged.store(0);
  pair.header().retired.store(1);
  EXPECT_EQ(inspect::ring(pair.name.get()).state, RingState::retired);
}

TEST(Inspect, NamesWhatIsNoRing) {
  const RingName name;
  EXPECT_EQ(mkfifo(name.path().c_str(), 0600), 0);
  EXPECT_EQ(inspect::summary(name.get()).state, RingState::not_a_ring);
  unlink(name.path().c_str());
  EXPECT_EQ(symlink("/etc/passwd", name.path().c_str()), 0);
  EXPECT_EQ(inspect::summary(name.get()).state, RingState::not_a_ring);
  unlink(name.path().c_str());
  std::ofstream(name.path()) << "something else";
  const auto other = inspect::summary(name.get());
  EXPECT_EQ(other.state, RingState::not_a_ring);
  EXPECT_NE(other.problem.find("does not begin like a ring"), std::string::npos) << other.problem;
  expect_code(ErrorCode::not_a_ring, [&] { inspect::preview(name.get()); });
}

TEST(Inspect, NamesOtherVersionsAndContradictions) {
  Pair pair(64 * kKibi);
  const RingName copy;
  std::string content = file_content(pair.name.path());
  const auto state_of_copy = [&] {
    std::ofstream(copy.path(), std::ios::binary) << content;
    return inspect::ring(copy.get()).state;
  };
  EXPECT_EQ(state_of_copy(), RingState::orphan) << "a copy has the slots, but nobody's locks";
  content[offsetof(Header, layout_version)] = 77;
  EXPECT_EQ(state_of_copy(), RingState::other_version);
  EXPECT_NE(inspect::summary(copy.get()).problem.find("77"), std::string::npos);
  content[offsetof(Header, layout_version)] = kLayoutVersion;
  content[offsetof(Header, required_features)] = 4;
  EXPECT_EQ(state_of_copy(), RingState::other_version);
  content[offsetof(Header, required_features)] = 0;
  content[offsetof(Header, main_bytes)] ^= 1;
  EXPECT_EQ(state_of_copy(), RingState::damaged);
  content[offsetof(Header, main_bytes)] ^= 1;
  content.resize(content.size() - 1);
  EXPECT_EQ(state_of_copy(), RingState::damaged);
  EXPECT_FALSE(inspect::summary(copy.get()).has_figures());
}

TEST(Inspect, SaysWhatAnotherUserMayNotSee) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to become another user";
  Pair pair(64 * kKibi);
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    if (seteuid(65534) != 0) _exit(1);
    const auto seen = inspect::summary(pair.name.get());
    const bool says_it = seen.state == RingState::no_permission && !seen.has_figures() &&
                         seen.problem.find("user 0") != std::string::npos;
    _exit(says_it && seen.file_bytes > 0 ? 0 : 2);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST(Inspect, WithoutADescriptorItSaysSo) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "UBSan opens a pipe to see whether an address can be read";
#endif
  const RingName name;
  const SharedRingBufferConsumer consumer(name.get(), 64 * kKibi);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 0;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  const std::string text =
      expect_code(ErrorCode::system_error, [&] { inspect::summary(name.get()); });
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_NE(text.find(name.path()), std::string::npos) << text;
}

TEST(Inspect, NoSuchRingNamesSimilarOnes) {
  const RingName name;
  const SharedRingBufferProducer producer(name.get(), 64 * kKibi);
  const std::string text =
      expect_code(ErrorCode::system_error, [&] { inspect::ring(name.get() + "x"); });
  EXPECT_NE(text.find("'" + name.get() + "'"), std::string::npos) << text;
  expect_code(ErrorCode::invalid_argument, [] { inspect::ring("a/b"); });
}

TEST(Inspect, WhatFitsNowIsWhatAPushFindsRoomFor) {
  Pair pair(256 * kKibi);
  std::vector<std::size_t> sizes = {30'000, 70'000, 10, 50'000};
  for (const std::size_t bytes : sizes) ASSERT_TRUE(pair.push(bytes));
  pair.expect_pop(30'000);
  pair.expect_pop(70'000);
  const auto fits = inspect::ring(pair.name.get()).memory.largest_that_fits_bytes;
  EXPECT_FALSE(pair.producer.try_push_raw({}, bytes_of(fits + 64)));
  EXPECT_TRUE(pair.producer.try_push_raw({}, bytes_of(fits)));
}

TEST(Inspect, PreviewsTakeNothing) {
  Pair pair;
  for (unsigned number = 1; number <= 5; ++number) ASSERT_TRUE(pair.push(1000 * number, number));
  inspect::PreviewOptions options;
  options.max_messages = 2;
  options.max_payload_bytes = 16;
  options.after_id = 2;
  const auto seen = inspect::preview(pair.name.get(), options);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].id, 3U);
  EXPECT_EQ(seen[1].payload_bytes, 4000U);
  EXPECT_TRUE(equal(seen[0].payload, bytes_of(16, 3)));
  EXPECT_EQ(seen[0].metadata, kBytesMetadata);
  EXPECT_EQ(pair.consumer.stats().messages, 5U);
  pair.producer.push_raw(R"({"type":"mine"})", bytes_of(3), 5s);
  options.after_id = 5;
  EXPECT_EQ(inspect::preview(pair.name.get(), options).at(0).metadata, R"({"type":"mine"})");
}

TEST(Inspect, RatesAreThoseBetweenTwoLooks) {
  Pair pair;
  auto earlier = inspect::summary(pair.name.get());
  EXPECT_FALSE(inspect::rates(earlier, earlier));
  for (int number = 0; number < 10; ++number) pair.push(100);
  pair.expect_pop(100);
  auto later = inspect::summary(pair.name.get());
  later.taken_ns = earlier.taken_ns + 2'000'000'000;
  const auto rates = inspect::rates(earlier, later);
  ASSERT_TRUE(rates);
  EXPECT_DOUBLE_EQ(rates->messages_in, 5);
  EXPECT_DOUBLE_EQ(rates->messages_out, 0.5);
  later.ring_id += 1;
  EXPECT_FALSE(inspect::rates(earlier, later)) << "another ring of that name";
}

}  // namespace
}  // namespace ipc0cp::testing
