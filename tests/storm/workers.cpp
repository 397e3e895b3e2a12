// SPDX-License-Identifier: Apache-2.0
#include "workers.hpp"

#include <unistd.h>

#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"
#include "process/ring_worker.hpp"

namespace ipc0cp::storm {
namespace {

using namespace std::chrono_literals;
using ipc0cp_process_test::PayloadHeader;

/// With `Settings::trim`: for so many messages memory is given back once.
constexpr unsigned kMessagesPerTrim = 16;
/// More than will ever come: nobody sees the end of the stream before the storm is over.
constexpr std::uint32_t kNoEnd = 1'000'000;

class Producer {
 public:
  Producer(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed)
      : settings_(settings),
        ledger_(ledger),
        entry_(ledger.producer[index]),
        index_(index),
        size_log_(std::log2(static_cast<double>(settings.smallest_bytes)),
                  std::log2(static_cast<double>(settings.largest_bytes))),
        random_(seed),
        producer_(settings.ring, settings.total_bytes,
                  {.redeliver = settings.redeliver, .stale = Stale::resume}) {}

  void run() {
    std::uint32_t sequence = 0;
    while (sequence < kMessagesPerProducer && !ledger_.stop.load()) {
      entry_.attempted.store(sequence + 1);
      if (push(sequence)) entry_.acknowledged.store(++sequence);
      if (settings_.trim && random_() % kMessagesPerTrim == 0) producer_.trim();
    }
    producer_.close();
  }

 private:
  /// False: refused for now; the same message is tried again.
  bool push(std::uint32_t sequence) {
    const auto bytes = static_cast<std::size_t>(std::exp2(size_log_(random_)));
    try {
      if (random_() % 2 == 0) {
        buffer_.resize(bytes);
        ipc0cp_process_test::fill(buffer_, index_, sequence);
        return producer_.push_raw({}, buffer_, 500ms);
      }
      Loan loan = producer_.loan(bytes, 500ms);
      if (random_() % 16 == 0) return false;  // Abandoned now and then.
      ipc0cp_process_test::fill(loan.bytes(), index_, sequence);
      return loan.publish({}, 500ms);
    } catch (const Error& error) {
      const bool may_pass =
          error.code() == ErrorCode::timeout || error.code() == ErrorCode::no_consumers;
      if (!may_pass) throw;
      return false;
    }
  }

  const Settings& settings_;
  Ledger& ledger_;
  ProducerEntry& entry_;
  std::uint32_t index_;
  std::uniform_real_distribution<> size_log_;
  std::mt19937_64 random_;
  std::vector<std::byte> buffer_;
  SharedRingBufferProducer producer_;
};

class Consumer {
 public:
  Consumer(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed,
           const ConsumerOptions& options)
      : settings_(settings),
        ledger_(ledger),
        entry_(ledger.consumer[index]),
        random_(seed),
        consumer_(settings.ring, settings.total_bytes, options) {}

  /// One message, if there is one. @return false at the end of the stream.
  bool take_next() {
    entry_.held_most.store(static_cast<std::uint32_t>(held_.size()) + 1);
    std::optional<Message> message = pop();
    if (!message) return false;
    if (!message->active()) return true;
    if (!settings_.redeliver) note(*message);
    ipc0cp_process_test::check(message->payload());
    if (settings_.redeliver) {
      note(*message);
      message->done();
    }
    held_.push_back(std::move(*message));
    count_views();
    if (settings_.trim && random_() % kMessagesPerTrim == 0) consumer_.trim();
    while (held_.size() > settings_.most_held || (!held_.empty() && random_() % 4 == 0)) {
      release(random_() % held_.size());
    }
    return true;
  }

  void release_all() {
    while (!held_.empty()) release(held_.size() - 1);
    entry_.held_most.store(0);
  }

  void copy_counters() const {
    const RingStats stats = consumer_.stats();
    ledger_.counters = {.pushed = stats.pushed,
                        .popped = stats.popped,
                        .lost = stats.lost,
                        .dropped = stats.dropped,
                        .messages = stats.messages,
                        .used_bytes = stats.used_bytes,
                        .repaired_deaths = stats.repaired_deaths};
  }

  void close() { consumer_.close(); }

 private:
  /// An inactive message: nothing came in a while.
  std::optional<Message> pop() {
    try {
      return consumer_.pop_raw(100ms);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::timeout) throw;
      return Message();
    }
  }

  void note(const Message& message) {
    const PayloadHeader header = ipc0cp_process_test::header_of(message.payload());
    if (header.producer >= kMostProducers || header.sequence >= kMessagesPerProducer) {
      throw std::runtime_error("a message that nobody sent");
    }
    check_order(header, message.deliveries());
    ledger_.producer[header.producer].noted[header.sequence].fetch_add(1);
    entry_.noted.fetch_add(1);
    ledger_.noted.fetch_add(1);
  }

  void check_order(const PayloadHeader& header, unsigned deliveries) {
    if (deliveries > 1) return;  // It goes back to its place, which may be behind us.
    const auto [last, first_time] = last_.try_emplace(header.producer, header.sequence);
    if (!first_time && header.sequence <= last->second) {
      throw std::runtime_error("message " + std::to_string(header.sequence) + " came after " +
                               std::to_string(last->second) + " of the same producer");
    }
    last->second = header.sequence;
  }

  void release(std::size_t index) {
    ipc0cp_process_test::check(held_[index].payload());
    std::swap(held_[index], held_.back());
    // Counted as given back before it is: a kill in between finds it held, which is `held_most`.
    if (held_.back().is_view()) entry_.held_least.fetch_sub(1);
    held_.pop_back();
  }

  void count_views() {
    if (held_.back().is_view()) entry_.held_least.fetch_add(1);
  }

  const Settings& settings_;
  Ledger& ledger_;
  ConsumerEntry& entry_;
  std::mt19937_64 random_;
  SharedRingBufferConsumer consumer_;
  std::vector<Message> held_;
  std::map<std::uint64_t, std::uint64_t> last_;  ///< Producer, its latest sequence.
};

}  // namespace

void keep_ring(const Settings& settings, Ledger& ledger) {
  SharedRingBufferProducer producer(settings.ring, settings.total_bytes,
                                    {.redeliver = settings.redeliver, .stale = Stale::resume});
  ledger.ring_is_kept.store(true);
  while (!ledger.stop.load()) usleep(1000);
  producer.close();
}

void produce(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed) {
  Producer(settings, ledger, index, seed).run();
}

void consume(const Settings& settings, Ledger& ledger, std::uint32_t index, std::uint64_t seed) {
  Consumer consumer(settings, ledger, index, seed,
                    {.auto_unlink = false, .expected_producers = kNoEnd});
  while (!ledger.stop.load() && consumer.take_next()) {
  }
  consumer.release_all();
  consumer.close();
}

void consume_the_rest(const Settings& settings, Ledger& ledger, std::uint32_t index) {
  Consumer consumer(settings, ledger, index, index, {});
  ledger.last_has_joined.store(true);
  while (consumer.take_next()) {
  }
  consumer.release_all();
  ledger.last_has_ended.store(true);
  while (ledger.stop.load()) usleep(1000);  // The driver clears it once all others have gone.
  consumer.copy_counters();
  consumer.close();
}

}  // namespace ipc0cp::storm
