// SPDX-License-Identifier: Apache-2.0
// What an endpoint does in each role, over any transport.
//
// An endpoint opens its end, makes its payloads, prints `ready`, waits for `go` and runs; what is
// between the two clocks of a producer or consumer is sending or receiving and little else. It
// prints one line of JSON. Wrong messages throw; lost and doubled ones show in the check sums,
// which whoever started the endpoints compares.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "endpoint_options.hpp"
#include "measure.hpp"
#include "payload_pool.hpp"
#include "transport.hpp"

namespace bench {

inline constexpr unsigned kSecondsToHang = 60;

/// Starts anew the clock after which the process gives up, see endpoint.cpp.
inline void start_watchdog(double seconds) {
  alarm(static_cast<unsigned>(std::ceil(seconds)) + kSecondsToHang);
}

/// Says that the ends of this process are open, and waits on its core until all are.
template <class... Ends>
void meet_the_others(const Options& options, Ends&... ends) {
  if (options.core >= 0) pin_to_core(static_cast<unsigned>(options.core));
  std::puts("ready");
  std::fflush(stdout);
  char word[8]{};
  if (std::fgets(word, sizeof word, stdin) == nullptr || std::string(word) != "go\n") {
    throw std::runtime_error("no `go` came on standard input");
  }
  start_watchdog(options.seconds);
  const auto meet = [](auto& end) {
    if constexpr (Meets<std::remove_reference_t<decltype(end)>>) end.all_have_come();
  };
  (meet(ends), ...);
}

/// Sends what the transport has kept back.
template <class Sender>
void finish(Sender& sender) {
  if constexpr (Finishes<Sender>) sender.finish();
}

/// What a producer sent or a consumer received.
struct Tally {
  std::uint64_t messages = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checked = 0;
  std::uint64_t check_sum = 0;

  void add(const Stamp& stamp, std::size_t message_bytes) {
    ++messages;
    bytes += message_bytes;
    check_sum += (stamp.sequence + 1) * (stamp.piece + 1);
  }
  void print(double seconds, double cpu_seconds) const {
    std::printf("{\"messages\": %" PRIu64 ", \"bytes\": %" PRIu64
                ", \"seconds\": %.9f, \"cpu_seconds\": %.6f, \"checked\": %" PRIu64
                ", \"check_sum\": %" PRIu64 "}\n",
                messages, bytes, seconds, cpu_seconds, checked, check_sum);
  }
};

/// A look at the clock costs as much as a fifth of a small message, so not each gets one.
inline std::uint64_t messages_per_look(const Options& options) {
  return options.max_bytes >= 4096 ? 1 : 16;
}

/// What is written into a loan: the message, or its stamp only, which is what a hand-over costs.
enum class Fill { whole, stamp };

/// Sends one message: copied from the pool, or made in memory that the transport lends.
template <bool kLoans, Fill kFill, class Sender>
void send_one(Sender& sender, PayloadPool& pool, const Stamp& stamp) {
  if constexpr (kLoans) {
    const std::span<std::byte> target = sender.lend(pool.bytes(stamp.piece));
    if constexpr (kFill == Fill::whole) PayloadPool::generate(stamp, target);
    if constexpr (kFill == Fill::stamp) std::memcpy(target.data(), &stamp, sizeof stamp);
    sender.publish();
  } else {
    sender.send(pool.stamped(stamp));
    pool.restore(stamp.piece);
  }
}

/// Calls `use` with a function object that sends one message as `options` say.
template <class Sender, Fill kFill, class Use>
void with_mode(const Options& options, Use use) {
  const auto copy = [](Sender& sender, PayloadPool& pool, const Stamp& stamp) {
    send_one<false, kFill>(sender, pool, stamp);
  };
  if (!options.loans) return use(copy);
  if constexpr (Lends<Sender>) {
    use([](Sender& sender, PayloadPool& pool, const Stamp& stamp) {
      send_one<true, kFill>(sender, pool, stamp);
    });
  } else {
    throw std::invalid_argument(options.transport + " has no loans");
  }
}

/// The stamps of one producer, one after the other.
class Stamps {
 public:
  explicit Stamps(unsigned producer) : next_{producer, 0, 0} {}
  Stamp next() {
    const Stamp stamp = next_;
    ++next_.sequence;
    if (++next_.piece == PayloadPool::kPieces) next_.piece = 0;
    return stamp;
  }

 private:
  Stamp next_;
};

template <class T>
void produce(const Options& options) {
  using Sender = typename T::Sender;
  PayloadPool pool(options.min_bytes, options.max_bytes);
  with_mode<Sender, Fill::whole>(options, [&](auto send) {
    Sender sender(make_link(options));
    meet_the_others(options, sender);
    const std::uint64_t per_look = messages_per_look(options);
    Stamps stamps(options.index);
    Tally tally;
    const double cpu_start = cpu_seconds();
    const auto start = now_ns();
    const auto end = start + static_cast<std::int64_t>(options.seconds * 1e9);
    do {
      for (std::uint64_t i = 0; i < per_look; ++i) {
        const Stamp stamp = stamps.next();
        send(sender, pool, stamp);
        tally.add(stamp, pool.bytes(stamp.piece));
        if (options.gap_us > 0) {
          finish(sender);
          std::this_thread::sleep_for(std::chrono::microseconds(options.gap_us));
        }
      }
    } while (now_ns() < end);
    finish(sender);
    const double seconds = static_cast<double>(now_ns() - start) * 1e-9;
    tally.print(seconds, cpu_seconds() - cpu_start);
  });
}

/// Holds every message against what was sent, its contents every time or now and then.
class Inspector {
 public:
  explicit Inspector(const Options& options)
      : pool_(options.min_bytes, options.max_bytes),
        compared_one_in_(options.checks_all ? 1 : 64),
        next_(options.producers) {}

  /// The stamp, once size and order are right. @throws std::runtime_error naming what is wrong.
  Stamp look_at(std::span<const std::byte> message) {
    const Stamp stamp = read_stamp(message);
    if (stamp.producer >= next_.size() || stamp.piece != stamp.sequence % PayloadPool::kPieces ||
        stamp.sequence < next_[stamp.producer] || message.size() != pool_.bytes(stamp.piece)) {
      throw std::runtime_error("a message of producer " + std::to_string(stamp.producer) +
                               ", piece " + std::to_string(stamp.piece) + ", sequence " +
                               std::to_string(stamp.sequence) + " and " +
                               std::to_string(message.size()) + " bytes does not belong here");
    }
    next_[stamp.producer] = stamp.sequence + 1;
    return stamp;
  }
  /// Compares the contents, if it is the turn of message `number`; whether it was.
  bool compare(std::uint64_t number, const Stamp& stamp, std::span<const std::byte> message) {
    if (number % compared_one_in_ != 0) return false;
    pool_.compare(stamp, message);
    return true;
  }
  /// The same pool, for sending.
  PayloadPool& pool() { return pool_; }

 private:
  PayloadPool pool_;
  std::uint64_t compared_one_in_;
  std::vector<std::uint64_t> next_;  ///< Of each producer: its messages keep their order.
};

/// What has been read must not be optimised away.
inline void keep(std::uint64_t value) { asm volatile("" : : "r"(value)); }

inline void work(unsigned microseconds) {
  const auto end = now_ns() + std::int64_t{1000} * microseconds;
  while (now_ns() < end) {
  }
}

template <class T>
void consume(const Options& options) {
  Inspector inspector(options);
  typename T::Receiver receiver(make_link(options));
  meet_the_others(options, receiver);
  const std::uint64_t per_look = messages_per_look(options);
  Tally tally;
  double cpu_start = 0;
  std::int64_t start = 0;
  std::int64_t last = 0;
  for (;;) {
    const auto message = receiver.receive();
    if (message.data() == nullptr) break;
    if (tally.messages == 0) {
      cpu_start = cpu_seconds();
      start = now_ns();
    }
    const Stamp stamp = inspector.look_at(message);
    if (options.touches) keep(touch(message));
    if (inspector.compare(tally.messages, stamp, message)) ++tally.checked;
    if (options.slow_us > 0) work(options.slow_us);
    tally.add(stamp, message.size());
    if (tally.messages < per_look || tally.messages % per_look == 0) last = now_ns();
  }
  const double seconds = static_cast<double>(last - start) * 1e-9;
  tally.print(seconds, tally.messages > 0 ? cpu_seconds() - cpu_start : 0);
}

/// Round trips, the last four million of them: memory that is there before the first one, because
/// the page faults of a growing vector would be the slowest trip in a thousand.
class Trips {
 public:
  void add(std::int64_t nanoseconds) {
    trips_ns_[count_++ % kMost] = static_cast<std::uint32_t>(nanoseconds);
  }
  void print(double cpu) {
    if (count_ < kMost) trips_ns_.resize(count_);
    const double p50 = percentile(trips_ns_, 0.5) * 1e-3;
    const double p99 = percentile(trips_ns_, 0.99) * 1e-3;
    const double p999 = percentile(trips_ns_, 0.999) * 1e-3;
    std::printf("{\"round_trips\": %" PRIu64
                ", \"p50_us\": %.4f, \"p99_us\": %.4f, \"p999_us\": %.4f, \"cpu_seconds\": %.6f}\n",
                count_, p50, p99, p999, cpu);
  }

 private:
  static constexpr std::size_t kMost = 1 << 22;
  std::vector<std::uint32_t> trips_ns_ = std::vector<std::uint32_t>(kMost);
  std::uint64_t count_ = 0;
};

/// Ping asks and pong answers with messages of the same kind, loans with their stamps only.
/// Contents are compared when the answer is on its way or there, by both at the same time, so that
/// it is in no round trip.
template <class T>
void ping(const Options& options) {
  using Sender = typename T::Sender;
  with_mode<Sender, Fill::stamp>(options, [&](auto send) {
    const bool is_whole = !options.loans;
    Inspector inspector(options);
    Trips trips;
    typename T::Receiver answers(make_link(options, "-back"));
    Sender questions(make_link(options, "-there"));
    meet_the_others(options, answers, questions);
    Stamps stamps(0);
    const auto round_trip = [&] {
      const Stamp stamp = stamps.next();
      const auto before = now_ns();
      send(questions, inspector.pool(), stamp);
      finish(questions);
      const auto message = answers.receive();
      if (message.data() == nullptr) throw std::runtime_error("pong has left");
      if (options.touches && is_whole) keep(touch(message));
      const auto elapsed = now_ns() - before;
      if (inspector.look_at(message).sequence != stamp.sequence) {
        throw std::runtime_error("the answer to another question came");
      }
      if (is_whole) inspector.compare(stamp.sequence, stamp, message);
      return elapsed;
    };
    // Spinning, caches and the memory of the transport settle first.
    const auto start = now_ns();
    const auto warm = start + static_cast<std::int64_t>(options.seconds * 1e8);
    while (now_ns() < warm) round_trip();
    const double cpu_start = cpu_seconds();
    const auto end = warm + static_cast<std::int64_t>(options.seconds * 1e9);
    do trips.add(round_trip());
    while (now_ns() < end);
    trips.print(cpu_seconds() - cpu_start);
  });
}

template <class T>
void pong(const Options& options) {
  using Sender = typename T::Sender;
  with_mode<Sender, Fill::stamp>(options, [&](auto send) {
    const bool is_whole = !options.loans;
    Inspector inspector(options);
    typename T::Receiver questions(make_link(options, "-there"));
    Sender answers(make_link(options, "-back"));
    meet_the_others(options, questions, answers);
    const double cpu_start = cpu_seconds();
    std::uint64_t round_trips = 0;
    for (;; ++round_trips) {
      const auto message = questions.receive();
      if (message.data() == nullptr) break;
      const Stamp stamp = inspector.look_at(message);
      if (options.touches && is_whole) keep(touch(message));
      send(answers, inspector.pool(), stamp);
      finish(answers);
      if (is_whole) inspector.compare(stamp.sequence, stamp, message);
    }
    std::printf("{\"round_trips\": %" PRIu64 ", \"cpu_seconds\": %.6f}\n", round_trips,
                cpu_seconds() - cpu_start);
  });
}

}  // namespace bench
