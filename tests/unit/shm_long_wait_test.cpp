// SPDX-License-Identifier: Apache-2.0
// A call that has been blocked for long says once who holds what and what to do.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "ipc0cp/log.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

/// The log lines of a test.
class Lines {
 public:
  Lines() {
    set_log_sink([this](LogLevel, std::string_view text) {
      const std::lock_guard lock(mutex_);
      lines_.emplace_back(text);
    });
  }
  ~Lines() { set_log_sink({}); }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

  /// Those that name `ring` and are about a wait.
  [[nodiscard]] std::vector<std::string> about(const std::string& ring) {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> found;
    for (const std::string& line : lines_) {
      const bool names_it = line.find("'" + ring + "'") != std::string::npos;
      if (names_it && line.find("blocked for") != std::string::npos) found.push_back(line);
    }
    return found;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> lines_;
};

void expect_words(const std::string& line, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    EXPECT_NE(line.find(word), std::string::npos) << "no '" << word << "' in: " << line;
  }
}

/// A child that attaches, does something, and stops itself.
template <class Work>
pid_t stopped_child(Work work) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60);
    try {
      work();
    } catch (const Error&) {
      _exit(1);
    }
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, WUNTRACED), child);
  EXPECT_TRUE(WIFSTOPPED(status));
  return child;
}

void kill_child(pid_t child) {
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
}

/// Waits longer than the 5 s after which a call explains itself.
constexpr auto kLongEnough = 6s;

// All waits at once, because each of them takes its time.
TEST(LongWait, NamesTheHolderAndTheWayOut) {
  Lines lines;
  RingName full;
  SharedRingBufferProducer full_producer(full.get(), 64 * kKibi);
  SharedRingBufferConsumer keeper(full.get(), 64 * kKibi);
  std::vector<Message> kept;
  for (int number = 0; number < 4; ++number) {
    full_producer.push_raw({}, bytes_of(12'000));
    kept.push_back(*keeper.pop_raw(5s));
  }
  const auto views = std::ranges::count_if(kept, &Message::is_view);
  ASSERT_GT(views, 0);

  RingName unread;
  SharedRingBufferProducer unread_producer(unread.get(), 64 * kKibi);

  RingName locked;
  SharedRingBufferProducer locked_producer(locked.get(), 64 * kKibi);
  const pid_t holder = stopped_child([&] {
    SharedRingBufferConsumer consumer(locked.get(), 64 * kKibi);
    while (consumer.channel().ring().try_lock() != ErrorCode::ok) {
    }
    raise(SIGSTOP);
  });

  auto full_push = std::async(std::launch::async, [&] {
    return full_producer.push_raw({}, bytes_of(60'000), kLongEnough) &&
           full_producer.push_raw({}, bytes_of(60'000), kLongEnough);
  });
  auto unread_push = std::async(std::launch::async, [&] {
    expect_code(ErrorCode::no_consumers,
                [&] { unread_producer.push_raw({}, bytes_of(10), kLongEnough); });
  });
  auto locked_push = std::async(
      std::launch::async, [&] { return locked_producer.push_raw({}, bytes_of(10), kLongEnough); });
  EXPECT_FALSE(full_push.get());
  unread_push.get();
  EXPECT_FALSE(locked_push.get());

  const auto of_full = lines.about(full.get());
  ASSERT_EQ(of_full.size(), 1U);
  expect_words(of_full[0], {"waiting for room", "consumer of process " + std::to_string(getpid()),
                            "here for", "let go of views", "1 message(s) queued (the oldest for ",
                            std::to_string(keeper.stats().used_bytes) + " of 65536 bytes in use",
                            "holds " + std::to_string(views) + " block(s) with " +
                                std::to_string(views * 12'000) + " bytes"});
  const auto of_unread = lines.about(unread.get());
  ASSERT_EQ(of_unread.size(), 1U);
  expect_words(of_unread[0], {"waiting for a consumer", "rm " + unread.path()});
  const auto of_locked = lines.about(locked.get());
  ASSERT_EQ(of_locked.size(), 1U);
  expect_words(of_locked[0], {"waiting for the ring's lock", std::to_string(holder), "stopped",
                              "holds the lock", "SIGCONT"});
  kill_child(holder);
}

/// A pop that nothing will come to, in a thread; its time-out is longer than the silence.
std::future<void> pop_in_vain(SharedRingBufferConsumer& consumer) {
  return std::async(std::launch::async, [&] {
    expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(kLongEnough); });
  });
}

TEST(LongWait, OfAPopNamesWhoIsExpected) {
  Lines lines;
  RingName lonely;
  SharedRingBufferConsumer of_lonely(lonely.get(), 64 * kKibi, {.expected_producers = 2});
  SharedRingBufferProducer(lonely.get(), 64 * kKibi).close();

  RingName silent;
  SharedRingBufferConsumer of_silent(silent.get(), 64 * kKibi);
  const pid_t producer = stopped_child([&] {
    SharedRingBufferProducer stopping(silent.get(), 64 * kKibi);
    raise(SIGSTOP);
  });

  Pair unfinished(64 * kKibi, {.redeliver = true});
  unfinished.push(12'000);
  const pid_t worker = stopped_child([&] {
    SharedRingBufferConsumer slow(unfinished.name.get(), 0);
    const auto message = slow.pop_raw(5s);
    raise(SIGSTOP);
  });
  unfinished.producer.close();

  Pair idle;
  std::vector<std::future<void>> pops;
  for (SharedRingBufferConsumer* consumer :
       {&of_lonely, &of_silent, &unfinished.consumer, &idle.consumer}) {
    pops.push_back(pop_in_vain(*consumer));
  }
  for (std::future<void>& pop : pops) pop.get();

  const auto of = [&](const std::string& ring) {
    const std::vector<std::string> found = lines.about(ring);
    EXPECT_EQ(found.size(), 1U) << ring;
    return found.empty() ? std::string() : found[0];
  };
  expect_words(of(lonely.get()), {"waiting for a producer", "1 of 2 expected", "none is left",
                                  lonely.get(), "expected_producers"});
  EXPECT_EQ(of_lonely.stats().active_producers, 0U);
  expect_words(of(silent.get()), {"waiting for a message", "1 of 1 expected",
                                  "producer of process " + std::to_string(producer), "here for",
                                  "stopped", "SIGCONT"});
  EXPECT_EQ(of_silent.stats().active_producers, 1U);
  expect_words(of(unfinished.name.get()),
               {"waiting for the end of the stream", "0 message(s) queued",
                std::to_string(unfinished.consumer.stats().used_bytes) + " of 65536 bytes in use",
                "consumer of process " + std::to_string(worker), "holds 1 block(s) with 12000"});
  EXPECT_TRUE(lines.about(idle.name.get()).empty()) << "an idle consumer is no trouble";
  kill_child(producer);
  kill_child(worker);
}

}  // namespace
}  // namespace ipc0cp::testing
