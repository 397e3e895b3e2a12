// SPDX-License-Identifier: Apache-2.0
// Subscribers of a storm: each gets every message once, in order, while others die around it.
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "process/ring_worker.hpp"
#include "workers.hpp"

namespace ipc0cp::storm {
namespace {

using namespace std::chrono_literals;

/// More than will ever come: nobody sees the end of the stream before the storm is over.
constexpr std::uint32_t kNoEnd = 1'000'000;

class Subscriber {
 public:
  Subscriber(const Settings& settings, Ledger& ledger, bool drops, std::uint64_t seed)
      : settings_(settings),
        ledger_(ledger),
        drops_(drops),
        random_(seed),
        consumer_(settings.ring, settings.total_bytes, options(drops)),
        // The driver writes the number before it forks a producer, so whoever it counts from here
        // on pushes after we have joined.
        first_newcomer_(ledger.producers) {}

  void run() {
    while (!ledger_.stop.load()) take_next();
    std::vector<std::uint32_t> acknowledged;
    for (std::uint32_t producer = 0; producer < ledger_.producers; ++producer) {
      acknowledged.push_back(ledger_.producer[producer].acknowledged.load());
    }
    while (take_next()) {
    }
    for (std::uint32_t producer = 0; producer < acknowledged.size(); ++producer) {
      check_end(producer, acknowledged[producer]);
    }
    check_missed();
    held_.clear();
    consumer_.close();
  }

 private:
  static ConsumerOptions options(bool drops) {
    ConsumerOptions options;
    options.auto_unlink = false;
    options.expected_producers = kNoEnd;
    options.subscribe = true;
    if (drops) options.overflow = Overflow::drop_oldest;
    return options;
  }

  /// @return false: nothing came in a while.
  bool take_next() {
    try {
      std::optional<Message> message = consumer_.pop_raw(100ms);
      if (!message) throw std::runtime_error("a subscriber was told of an end that was none");
      note(*message);
      held_.push_back(std::move(*message));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::timeout) throw;
      return false;
    }
    while (held_.size() > settings_.most_held || (!held_.empty() && random_() % 4 == 0)) {
      std::swap(held_[random_() % held_.size()], held_.back());
      ipc0cp_process_test::check(held_.back().payload());
      held_.pop_back();
    }
    return true;
  }

  /// A producer numbers its messages without gaps, and tries again what was refused.
  void note(const Message& message) {
    ipc0cp_process_test::check(message.payload());
    const auto header = ipc0cp_process_test::header_of(message.payload());
    const auto [next, is_first] = next_.try_emplace(header.producer, header.sequence);
    if (is_first && header.producer >= first_newcomer_) next->second = 0;
    if (header.sequence < next->second) fail(header.producer, header.sequence, next->second);
    skip(header.producer, next->second, header.sequence);
    next->second = header.sequence + 1;
  }

  /// The messages from `next` up to `found` did not come.
  void skip(std::uint64_t producer, std::uint64_t next, std::uint64_t found) {
    if (found > next && !drops_) fail(producer, found, next);
    skipped_ += found - next;
  }

  void check_end(std::uint32_t producer, std::uint32_t acknowledged) {
    const auto last = next_.find(producer);
    if (last == next_.end() && producer < first_newcomer_) return;  // Perhaps before we joined.
    const std::uint64_t next = last == next_.end() ? 0 : last->second;
    if (next < acknowledged) skip(producer, next, acknowledged);
  }

  void check_missed() const {
    if (skipped_ <= consumer_.missed() && (drops_ || consumer_.missed() == 0)) return;
    throw std::runtime_error("a subscriber did not get " + std::to_string(skipped_) +
                             " messages, and counts " + std::to_string(consumer_.missed()));
  }

  [[noreturn]] static void fail(std::uint64_t producer, std::uint64_t found, std::uint64_t next) {
    throw std::runtime_error("a subscriber got message " + std::to_string(found) + " of producer " +
                             std::to_string(producer) + ", and the next was " +
                             std::to_string(next));
  }

  const Settings& settings_;
  Ledger& ledger_;
  bool drops_;
  std::mt19937_64 random_;
  SharedRingBufferConsumer consumer_;
  std::uint32_t first_newcomer_;
  std::vector<Message> held_;
  std::map<std::uint64_t, std::uint64_t> next_;  ///< Producer, the sequence that must come next.
  std::uint64_t skipped_ = 0;
};

}  // namespace

void subscribe(const Settings& settings, Ledger& ledger, bool drops, std::uint64_t seed) {
  Subscriber(settings, ledger, drops, seed).run();
}

}  // namespace ipc0cp::storm
