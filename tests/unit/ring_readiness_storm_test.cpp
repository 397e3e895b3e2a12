// SPDX-License-Identifier: Apache-2.0
// No readiness is lost, however polling and popping alternate, and whoever is killed.
//
// Peers in other processes do only what they are asked for, so nothing that they do later can make
// up for a wake-up that was lost. IPC0CP_READINESS_ROUNDS=100000 is the long form (some minutes).
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "ipc0cp/readiness.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

using Clock = std::chrono::steady_clock;

constexpr auto kPatience = 20s;
/// A wake-up that is lost is made up for at the end of a slice, 50 ms.
constexpr auto kSlow = 40ms;

int rounds() {
  const char* text = std::getenv("IPC0CP_READINESS_ROUNDS");
  return text == nullptr ? 3000 : std::atoi(text);
}

/// A process that does `work(n)` for each request `n` and then answers.
class Peer {
 public:
  Peer(const std::function<void(const std::function<std::optional<int>()>& next)>& work) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) std::abort();
    child_ = fork();
    if (child_ == 0) {
      close(ends[0]);
      int status = 0;
      try {
        bool first = true;
        work([&]() -> std::optional<int> {
          char request = 0;
          if (!std::exchange(first, false) && send(ends[1], "", 1, MSG_NOSIGNAL) != 1) return {};
          if (recv(ends[1], &request, 1, 0) != 1) return {};
          return request;
        });
      } catch (const std::exception& error) {
        std::cerr << "peer: " << error.what() << '\n';
        status = 3;
      }
      _exit(status);
    }
    close(ends[1]);
    socket_ = ends[0];
  }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() {
    close(socket_);
    ::kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  void ask(char number) const { ASSERT_EQ(send(socket_, &number, 1, MSG_NOSIGNAL), 1); }
  /// Whether it has answered; at most once for each request.
  [[nodiscard]] bool has_answered(std::chrono::milliseconds patience = 0ms) const {
    pollfd entry{socket_, POLLIN, 0};
    char answer = 0;
    return poll(&entry, 1, static_cast<int>(patience.count())) == 1 &&
           recv(socket_, &answer, 1, 0) == 1;
  }
  void kill() const { ::kill(child_, SIGKILL); }

 private:
  pid_t child_;
  int socket_;
};

/// How long others were waited for, and how often that took a slice.
struct Tally {
  int slow = 0;
  int kills = 0;
  void note(Clock::time_point since) { slow += Clock::now() - since > kSlow ? 1 : 0; }
  void report(const char* what, int count, unsigned seed) const {
    std::cout << what << ": " << count << " rounds, " << kills << " kills, " << slow
              << " waits of more than 40 ms, seed " << seed << '\n';
    EXPECT_LT(slow - kills, count / 20 + 5) << "wake-ups are lost, and found again by slices";
  }
};

bool is_readable(const Readiness& readiness, std::chrono::milliseconds patience) {
  pollfd entry{readiness.fd(), POLLIN, 0};
  return poll(&entry, 1, static_cast<int>(patience.count())) == 1;
}

/// One of the ways to take what is there; not all of them succeed.
void take_somehow(Pair& pair, const Readiness& readiness, unsigned way) {
  ErrorCode outcome{};
  switch (way % 7) {
    case 0:
      pair.consumer.try_pop_raw(outcome);
      break;
    case 1:
      pair.consumer.pop_raw(1us, outcome);
      break;
    case 2:
      pair.consumer.pop_raw(200us, outcome);
      break;
    case 3:
      if (readiness.ready()) pair.consumer.try_pop_raw(outcome);
      break;
    case 4:
      if (!wait({&readiness}, 100us).empty()) pair.consumer.try_pop_raw(outcome);
      break;
    case 5:
      try {
        pair.consumer.pop_many_raw(2, 100us);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::timeout) << error.what();
      }
      break;
    default:
      break;  // Straight to poll.
  }
}

void run_consumer_storm(bool redeliver, bool with_others) {
  ProducerOptions options;
  options.redeliver = redeliver;
  Pair pair(256 * kKibi, options);
  const unsigned seed = std::random_device{}();
  std::mt19937 dice(seed);
  const auto make_producer = [&] {
    return std::make_unique<Peer>([&](const auto& next) {
      auto producer = pair.another_producer(options);
      unsigned state = seed;
      while (const std::optional<int> count = next()) {
        for (int number = 0; number < *count; ++number) {
          state = state * 1664525U + 1013904223U;
          producer.push_raw({}, bytes_of((state >> 16) % 3 == 0 ? 6000 : 40), 20s);
        }
      }
    });
  };
  const auto make_consumer = [&] {
    return std::make_unique<Peer>([&](const auto& next) {
      auto consumer = pair.another_consumer();
      while (const std::optional<int> count = next()) {
        ErrorCode outcome{};
        for (int number = 0; number < *count; ++number) consumer.pop_raw(300us, outcome);
        consumer.done();
      }
    });
  };
  auto producer = make_producer();
  auto other = make_consumer();
  const Readiness readiness(pair.consumer);
  Tally tally;
  for (int round = 0; round < rounds(); ++round) {
    const auto begin = Clock::now();
    if (with_others) other->ask(static_cast<char>(1 + dice() % 2));
    producer->ask(static_cast<char>(1 + dice() % 3));
    bool produced = false;
    const bool kills = with_others && dice() % 100 == 0;
    if (kills) {
      std::this_thread::sleep_for(std::chrono::microseconds(dice() % 300));
      auto& victim = dice() % 2 == 0 ? producer : other;
      produced = victim == producer;
      victim->kill();
      tally.kills += 1;
      victim = produced ? make_producer() : make_consumer();
      if (!produced) other->ask(0);
    }
    while (!produced || pair.header().queued != 0) {
      take_somehow(pair, readiness, dice());
      if (!produced) produced = producer->has_answered(0ms);
      if (pair.header().queued == 0) continue;
      if (!is_readable(readiness, 100ms)) {
        ASSERT_LT(Clock::now() - begin, kPatience)
            << pair.header().queued << " queued, round " << round << ", seed " << seed;
        continue;
      }
      ErrorCode outcome{};
      pair.consumer.try_pop_raw(outcome);
    }
    if (redeliver) pair.consumer.done();
    tally.note(begin);
    ASSERT_TRUE(!with_others || other->has_answered(kPatience)) << "seed " << seed;
    // Nothing is left, and the descriptor knows it. (Others' messages may come back.)
    ASSERT_TRUE(with_others || !is_readable(readiness, 0ms)) << "seed " << seed;
  }
  tally.report(redeliver ? "consumer, redelivery" : "consumer", rounds(), seed);
}

TEST(ReadinessStorm, OfAConsumer) { run_consumer_storm(false, false); }
TEST(ReadinessStorm, OfAConsumerAmongOthersThatAreKilled) { run_consumer_storm(false, true); }
TEST(ReadinessStorm, OfAConsumerWithRedelivery) { run_consumer_storm(true, true); }

TEST(ReadinessStorm, OfAProducerWhoseConsumersAreKilled) {
  Pair pair(64 * kKibi);
  const unsigned seed = std::random_device{}();
  std::mt19937 dice(seed);
  const auto make_consumer = [&] {
    return std::make_unique<Peer>([&](const auto& next) {
      auto consumer = pair.another_consumer();
      while (const std::optional<int> count = next()) {
        ErrorCode outcome{};
        for (int number = 0; number < *count; ++number) consumer.try_pop_raw(outcome);
      }
    });
  };
  auto consumer = make_consumer();
  const Readiness readiness(pair.producer);
  Tally tally;
  for (int round = 0; round < rounds(); ++round) {
    // Of one size for a while: whatever is popped makes room for the next.
    const std::size_t bytes = (round / 50) % 2 == 0 ? 20 * kKibi : 3 * kKibi;
    while (pair.push(bytes, 1, Timeout::none())) {
    }
    const auto begin = Clock::now();
    const bool kills = dice() % 100 == 0;
    const bool all = kills || round % 50 == 0;
    consumer->ask(all ? 100 : static_cast<char>(1 + dice() % 4));
    if (kills) {
      std::this_thread::sleep_for(std::chrono::microseconds(dice() % 300));
      consumer->kill();
      tally.kills += 1;
      consumer = make_consumer();
      consumer->ask(100);
    }
    while (!pair.push(bytes, 1, Timeout::none())) {
      if (dice() % 2 == 0 && pair.push(bytes, 1, 50us)) break;
      if (is_readable(readiness, 100ms)) continue;
      ASSERT_LT(Clock::now() - begin, kPatience) << "round " << round << ", seed " << seed;
    }
    tally.note(begin);
    ASSERT_TRUE(consumer->has_answered(kPatience)) << "seed " << seed;
  }
  tally.report("producer", rounds(), seed);
}

}  // namespace
}  // namespace ipc0cp::testing
