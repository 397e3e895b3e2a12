// SPDX-License-Identifier: Apache-2.0
// Waiting for a ring by a descriptor.
#include "ring/watcher.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr int kPatienceMs = 20'000;

bool becomes_readable(const Watcher& watcher, int wait_ms = kPatienceMs) {
  pollfd entry{watcher.descriptor(), POLLIN, 0};
  return poll(&entry, 1, wait_ms) == 1;
}

/// Waits for a child that must end with 0; one that hangs is killed.
void expect_good_end(pid_t child) {
  int status = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      FAIL() << "the child hangs";
    }
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST(Watcher, TellsOfAMessageOnce) {
  Pair pair;
  Watcher watcher(pair.consumer.channel(), Watcher::For::answer);
  watcher.arm();
  pair.push(10);
  ASSERT_TRUE(becomes_readable(watcher));
  EXPECT_TRUE(watcher.take());
  EXPECT_FALSE(watcher.take());
  pair.expect_pop(10);
}

TEST(Watcher, TellsOfWhatIsThereAlready) {
  Pair pair;
  pair.push(10);
  Watcher watcher(pair.consumer.channel(), Watcher::For::answer);
  for (int round = 0; round < 3; ++round) {
    watcher.arm();
    ASSERT_TRUE(becomes_readable(watcher));
    EXPECT_TRUE(watcher.take());
  }
}

TEST(Watcher, TellsOfTheEndOfTheStreamAndOfTheEndOfTheHandle) {
  Pair pair;
  Watcher watcher(pair.consumer.channel(), Watcher::For::answer);
  watcher.arm();
  pair.producer.close();
  ASSERT_TRUE(becomes_readable(watcher));
  EXPECT_TRUE(watcher.take());
  pair.consumer.close();
  watcher.arm();
  EXPECT_TRUE(becomes_readable(watcher));
}

TEST(Watcher, TellsOfRoom) {
  Pair pair(64 * kKibi);
  while (pair.push(20 * kKibi, 1, Timeout::none())) {
  }
  Watcher watcher(pair.producer.channel(), Watcher::For::room);
  watcher.arm(shm::Channel::refused_here());
  EXPECT_TRUE(pair.consumer.pop_raw(5s).has_value());
  EXPECT_TRUE(becomes_readable(watcher));
}

TEST(Watcher, IsSilentOnceDisarmed) {
  Pair pair;
  Watcher watcher(pair.consumer.channel(), Watcher::For::answer);
  watcher.arm();
  watcher.disarm();
  pair.push(10);
  EXPECT_FALSE(becomes_readable(watcher, 50));
  watcher.arm();
  EXPECT_TRUE(becomes_readable(watcher));
}

TEST(Watcher, KeepsItsChannel) {
  auto pair = std::make_unique<Pair>();
  auto watcher = std::make_unique<Watcher>(pair->consumer.channel(), Watcher::For::answer);
  watcher->arm();
  pair.reset();
  EXPECT_TRUE(becomes_readable(*watcher));
  watcher.reset();
}

/// A loop that is busy leaves the wake-up lying that another consumer could have used.
TEST(Watcher, PassesOnAWakeUpThatNobodyUses) {
  for (int round = 0; round < 10; ++round) {
    Pair pair;
    Watcher watcher(pair.consumer.channel(), Watcher::For::answer);
    std::atomic<std::uint32_t>& event = pair.header().data_event;
    watcher.arm();
    while ((event.load() & 1U) == 0) std::this_thread::yield();  // It has announced itself.
    const std::uint32_t before = event.load() >> 1;
    pair.push(10);
    ASSERT_TRUE(becomes_readable(watcher));
    // The push has raised the event word once; the pass-on raises it again, as somebody waits.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
    while ((event.load() >> 1) - before < 2) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "the wake-up was kept";
      std::this_thread::yield();
    }
    pair.expect_pop(10);
  }
}

/// The thread that sleeps in it is the parent's.
TEST(Watcher, CanBeDestroyedByAForkedChild) {
  for (const bool armed : {false, true}) {
    Pair pair;
    auto watcher = std::make_unique<Watcher>(pair.consumer.channel(), Watcher::For::answer);
    watcher->arm();
    if (!armed) {
      pair.push(10);
      ASSERT_TRUE(becomes_readable(*watcher));
    }
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      watcher->arm();
      if (watcher->take()) _exit(1);  // It would be the parent's wake-up.
      watcher->disarm();
      watcher.reset();
      _exit(0);
    }
    expect_good_end(child);
    if (armed) pair.push(10);
    EXPECT_TRUE(becomes_readable(*watcher));
    EXPECT_TRUE(watcher->take());
  }
}

/// In a child, which ends by an exception where something is wrong.
void refuse_a_thread_and_go_on() {
  const Pair pair;
  const auto check = [](bool condition, const char* what) {
    if (!condition) throw std::runtime_error(what);
  };
  sigset_t before;
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = 1 << 20;
  std::vector<std::unique_ptr<Watcher>> all;
  std::string refusal;
  while (refusal.empty()) {  // Stacks that glibc has kept serve the first ones.
    all.push_back(std::make_unique<Watcher>(pair.consumer.channel(), Watcher::For::answer));
    setrlimit(RLIMIT_AS, &limit);
    try {
      all.back()->arm();
    } catch (const Error& error) {
      refusal = error.what();
      check(error.code() == ErrorCode::system_error, "another error");
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
    limit.rlim_cur = 1 << 20;
  }
  check(refusal.find("RLIMIT_AS (ulimit -v) is 1048576") != std::string::npos, refusal.c_str());
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int signal = 1; signal < 32; ++signal) {
    check(sigismember(&before, signal) == sigismember(&after, signal), "the mask is another");
  }
  all.back()->arm();
  pair.consumer.channel().close();
  check(becomes_readable(*all.back()), "it is silent");
}

TEST(Watcher, WithoutAThreadNamesTheLimitAndLeavesTheSignalsAlone) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the sanitizer needs address space";
#endif
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    try {
      refuse_a_thread_and_go_on();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
      _exit(3);
    }
    _exit(0);
  }
  expect_good_end(child);
}

}  // namespace
}  // namespace ipc0cp::testing
