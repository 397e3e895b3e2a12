// SPDX-License-Identifier: Apache-2.0
// The public Readiness: a descriptor that follows the state of a ring.
#include "ipc0cp/readiness.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr int kPatienceMs = 20'000;
/// Long enough for a thread to wake; only for what must not happen.
constexpr int kMomentMs = 30;

bool is_readable(const Readiness& readiness, int wait_ms = 0) {
  pollfd entry{readiness.fd(), POLLIN, 0};
  return poll(&entry, 1, wait_ms) == 1;
}

bool becomes_readable(const Readiness& readiness) { return is_readable(readiness, kPatienceMs); }

std::size_t entries_of(const char* directory) {
  const std::filesystem::directory_iterator entries(directory);
  return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
}
std::size_t threads_of_process() { return entries_of("/proc/self/task"); }
/// ThreadSanitizer starts one of its own beside the first.
void start_threads_of_the_sanitizer() {
  std::filesystem::path first;
  std::thread([&] { first = "/proc/self/task/" + std::to_string(gettid()); }).join();
  while (std::filesystem::exists(first)) std::this_thread::yield();
}
/// A joined thread is listed for a moment longer.
bool has_threads(std::size_t wanted) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (threads_of_process() != wanted) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}
std::size_t files_of_process() { return entries_of("/proc/self/fd"); }

// ---- consumers ----------------------------------------------------------------------------------

TEST(Readiness, FollowsTheQueue) {
  Pair pair;
  const Readiness readiness(pair.consumer);
  EXPECT_FALSE(is_readable(readiness, kMomentMs));
  EXPECT_FALSE(readiness.ready());
  for (int round = 0; round < 100; ++round) {
    pair.push(10);
    pair.push(2000);
    ASSERT_TRUE(becomes_readable(readiness));
    pair.expect_pop(10);
    ASSERT_TRUE(is_readable(readiness)) << "one is left";
    pair.expect_pop(2000);
    ASSERT_FALSE(is_readable(readiness)) << "none is left";
  }
}

TEST(Readiness, SeesWhatIsThereAlready) {
  Pair pair;
  pair.push(10);
  const Readiness readiness(pair.consumer);
  EXPECT_TRUE(is_readable(readiness));
  EXPECT_TRUE(readiness.ready());
}

TEST(Readiness, StaysReadableAtTheEndOfTheStream) {
  Pair pair;
  const Readiness readiness(pair.consumer);
  pair.producer.close();
  ASSERT_TRUE(becomes_readable(readiness));
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(pair.consumer.try_pop_raw().has_value());
    EXPECT_TRUE(is_readable(readiness));
  }
  auto later = pair.another_producer();  // Heard again.
  expect_code(ErrorCode::buffer_empty, [&] { pair.consumer.try_pop_raw(); });
  EXPECT_FALSE(is_readable(readiness));
}

TEST(Readiness, OfAKilledProducer) {
  Pair pair;
  const Readiness readiness(pair.consumer);
  pair.producer.close();
  ASSERT_TRUE(becomes_readable(readiness));
  run_and_die([&] {
    auto producer = pair.another_producer();
    producer.push_raw({}, bytes_of(10), 5s);
    producer.push_raw({}, bytes_of(10), 5s);
    die();
  });
  for (int message = 0; message < 2; ++message) {
    ASSERT_TRUE(becomes_readable(readiness));
    EXPECT_TRUE(pair.consumer.pop_raw(5s).has_value());
  }
  ASSERT_TRUE(becomes_readable(readiness)) << "the death is the end of the stream";
  EXPECT_FALSE(pair.consumer.pop_raw(5s).has_value());
}

TEST(Readiness, OfBatchesAndOfWhatWasPutBack) {
  Pair pair;
  const Readiness readiness(pair.consumer);
  for (unsigned number = 0; number < 5; ++number) pair.push(10, number);
  std::vector<Message> messages = pair.consumer.pop_many_raw(3);
  ASSERT_TRUE(is_readable(readiness));
  ASSERT_EQ(pair.consumer.pop_many_raw(3).size(), 2U);
  ASSERT_FALSE(is_readable(readiness));
  const auto error = std::make_exception_ptr(Error(ErrorCode::corrupt_payload, "not decoded"));
  pair.consumer.put_back(error, std::span(messages).last(2));
  ASSERT_TRUE(is_readable(readiness)) << "the error is an answer";
  expect_code(ErrorCode::corrupt_payload, [&] { pair.consumer.pop_raw(5s); });
  ASSERT_TRUE(is_readable(readiness));
  EXPECT_EQ(pair.consumer.pop_many_raw(3).size(), 2U);
  EXPECT_FALSE(is_readable(readiness));
}

TEST(Readiness, OfAMessageThatComesBack) {
  ProducerOptions options;
  options.redeliver = true;
  Pair pair(kMebi, options);
  const Readiness readiness(pair.consumer);
  pair.push(10);
  ASSERT_TRUE(becomes_readable(readiness));
  {
    auto message = pair.consumer.pop_raw(5s);
    ASSERT_FALSE(is_readable(readiness));
    pair.consumer.requeue();
    ASSERT_TRUE(becomes_readable(readiness));
  }
  pair.expect_pop(10);
  pair.consumer.done();
  EXPECT_FALSE(is_readable(readiness, kMomentMs));
  pair.push(10);
  run_and_die([&] {
    auto other = pair.another_consumer();
    auto message = other.pop_raw(5s);
    die();
  });
  ASSERT_TRUE(becomes_readable(readiness)) << "its consumer died";
  pair.expect_pop(10);
}

/// It is taken away by a handle that the descriptor knows nothing of.
TEST(Readiness, SeesThatAnotherConsumerWasFaster) {
  Pair pair;
  auto other = pair.another_consumer();
  const Readiness readiness(pair.consumer);
  pair.push(10);
  ASSERT_TRUE(becomes_readable(readiness));
  ASSERT_TRUE(other.pop_raw(5s).has_value());
  EXPECT_FALSE(readiness.ready());
  EXPECT_FALSE(is_readable(readiness));
  pair.push(10);
  ASSERT_TRUE(becomes_readable(readiness));
  ASSERT_TRUE(other.pop_raw(5s).has_value());
  expect_code(ErrorCode::buffer_empty, [&] { pair.consumer.try_pop_raw(); });
  EXPECT_FALSE(is_readable(readiness));
}

/// The wake-up of a push goes to one waiter; if that is a descriptor nobody looks at, the blocked
/// consumer gets it all the same.
TEST(Readiness, KeepsNoWakeUpFromBlockedConsumers) {
  Pair pair;
  auto other = pair.another_consumer();
  const Readiness readiness(pair.consumer);
  const Readiness of_other(other);
  for (unsigned round = 0; round < 200; ++round) {
    std::thread pushes([&] { pair.push(10, round); });
    const auto message = (round % 2 == 0 ? other : pair.consumer).pop_raw(20s);
    pushes.join();
    ASSERT_TRUE(message.has_value());
  }
}

// ---- producers ----------------------------------------------------------------------------------

TEST(Readiness, OfAProducerFollowsTheRoom) {
  Pair pair(64 * kKibi);
  const Readiness readiness(pair.producer);
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(becomes_readable(readiness));
    int pushed = 0;
    while (pair.push(20 * kKibi, 1, Timeout::none())) pushed += 1;
    ASSERT_GT(pushed, round == 0 ? 2 : 0);
    while (pair.consumer.stats().messages > 1) pair.expect_pop(20 * kKibi);
  }
}

TEST(Readiness, OfAProducerIsSilentWithoutRoom) {
  Pair pair(64 * kKibi);
  const Readiness readiness(pair.producer);
  while (true) {
    while (pair.push(20 * kKibi, 1, Timeout::none())) {
    }
    if (!is_readable(readiness, 500)) break;  // Priority may have opened the relief block.
  }
  EXPECT_FALSE(pair.push(20 * kKibi, 1, Timeout::none()));
  EXPECT_FALSE(is_readable(readiness, 100));
  pair.expect_pop(20 * kKibi);
  EXPECT_TRUE(becomes_readable(readiness));
  EXPECT_TRUE(pair.push(20 * kKibi, 1, Timeout::none()));
}

/// Two that wake each other by attempts in vain would use a processor each.
TEST(Readiness, ProducersWithoutRoomDoNotWakeOneAnother) {
  Pair pair(64 * kKibi);
  auto other = pair.another_producer();
  const Readiness first(pair.producer);
  const Readiness second(other);
  const std::vector<std::byte> payload = bytes_of(20 * kKibi);
  int attempts = 0;
  const auto end = std::chrono::steady_clock::now() + 1s;
  while (std::chrono::steady_clock::now() < end) {
    if (pair.producer.try_push_raw({}, payload) || other.try_push_raw({}, payload)) continue;
    attempts += 1;
    wait({&first, &second}, 200ms);
  }
  // 1 s of waiting: told by nothing but the priority of each, and the ends of the waits.
  EXPECT_LT(attempts, 100);
}

TEST(Readiness, OfAProducerWithoutConsumers) {
  const RingName name;
  ProducerOptions options;
  options.blocking = false;
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  const Readiness readiness(producer);
  EXPECT_TRUE(is_readable(readiness));
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(10)); });
  EXPECT_FALSE(is_readable(readiness, kMomentMs));
  std::optional<SharedRingBufferConsumer> consumer(std::in_place, name.get(), kMebi);
  ASSERT_TRUE(becomes_readable(readiness));
  EXPECT_TRUE(producer.push_raw({}, bytes_of(10)));
  consumer.reset();  // The last one takes the ring along.
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(10)); });
  EXPECT_TRUE(becomes_readable(readiness)) << "that is the answer from now on";
}

TEST(Readiness, TheSmallerOfTwoRefusedPushesCounts) {
  Pair pair(64 * kKibi);
  const Readiness readiness(pair.producer);
  while (true) {
    while (pair.push(4 * kKibi, 1, Timeout::none())) {
    }
    if (!is_readable(readiness, 500)) break;
  }
  EXPECT_FALSE(pair.push(60 * kKibi, 1, Timeout::none()));
  EXPECT_FALSE(is_readable(readiness, kMomentMs)) << "by now the thread sleeps for that";
  EXPECT_FALSE(pair.push(4 * kKibi, 1, Timeout::none()));
  EXPECT_FALSE(pair.push(60 * kKibi, 1, Timeout::none()));
  pair.expect_pop(4 * kKibi);
  EXPECT_TRUE(becomes_readable(readiness));
  EXPECT_TRUE(pair.push(4 * kKibi, 1, Timeout::none()));
}

// ---- the end of a handle ------------------------------------------------------------------------

TEST(Readiness, ClosingWakesWhoeverWaits) {
  for (int round = 0; round < 50; ++round) {
    Pair pair;
    const Readiness readiness(pair.consumer);
    const int set = epoll_create1(EPOLL_CLOEXEC);
    epoll_event entry{EPOLLIN, {}};
    ASSERT_EQ(epoll_ctl(set, EPOLL_CTL_ADD, readiness.fd(), &entry), 0);
    std::thread closes([&] { pair.consumer.close(); });
    epoll_event found{};
    EXPECT_EQ(epoll_wait(set, &found, 1, kPatienceMs), 1);
    closes.join();
    EXPECT_EQ(epoll_wait(set, &found, 1, 0), 1) << "for ever";
    EXPECT_TRUE(readiness.ready());
    expect_code(ErrorCode::closed, [&] { pair.consumer.pop_raw(); });
    EXPECT_TRUE(is_readable(readiness));
    close(set);
  }
}

TEST(Readiness, ThreadAndDescriptorGoWithTheLastObject) {
  Pair pair;
  start_threads_of_the_sanitizer();
  const std::size_t threads = threads_of_process();
  const std::size_t files = files_of_process();
  {
    const Readiness first(pair.consumer);
    const Readiness second(pair.consumer);
    EXPECT_EQ(first.fd(), second.fd());
    EXPECT_TRUE(has_threads(threads + 1));
    EXPECT_EQ(files_of_process(), files + 1);
  }
  EXPECT_TRUE(has_threads(threads));
  EXPECT_EQ(files_of_process(), files);
  Readiness again(pair.consumer);
  pair.push(10);
  EXPECT_TRUE(becomes_readable(again));
  const Readiness moved = std::move(again);
  EXPECT_EQ(again.fd(), -1);  // NOLINT: what a moved-from object says is promised.
  pair.consumer.close();
  EXPECT_TRUE(has_threads(threads));
  EXPECT_TRUE(is_readable(moved));
  expect_code(ErrorCode::closed, [&] { const Readiness late(pair.consumer); });
}

TEST(Readiness, OutlivesItsHandle) {
  auto pair = std::make_unique<Pair>();
  const Readiness readiness(pair->consumer);
  const Readiness of_producer(pair->producer);
  EXPECT_FALSE(is_readable(readiness));
  pair.reset();
  EXPECT_TRUE(is_readable(readiness));
  EXPECT_TRUE(is_readable(of_producer));
  EXPECT_TRUE(readiness.ready());
}

TEST(Readiness, OfAHandleThatIsNotAttached) {
  const RingName name;
  ConsumerOptions options;
  options.auto_attach = false;
  SharedRingBufferConsumer consumer(name.get(), kMebi, options);
  const std::string text =
      expect_code(ErrorCode::closed, [&] { const Readiness readiness(consumer); });
  EXPECT_NE(text.find("attach()"), std::string::npos) << text;
  consumer.attach();
  EXPECT_FALSE(is_readable(Readiness(consumer)));
}

TEST(Readiness, InAForkedChild) {
  Pair pair;
  auto readiness = std::make_unique<Readiness>(pair.consumer);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(kPatienceMs / 1000);
    bool refused = false;
    try {
      const Readiness late(pair.consumer);
    } catch (const Error& error) {
      refused = error.code() == ErrorCode::forked_handle;
    }
    readiness.reset();
    _exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  pair.push(10);
  EXPECT_TRUE(becomes_readable(*readiness));
  pair.expect_pop(10);
  EXPECT_FALSE(is_readable(*readiness));
}

}  // namespace
}  // namespace ipc0cp::testing
