// SPDX-License-Identifier: Apache-2.0
// One producer or consumer of the process tests: `ring_worker role=... name=... ledger=...`.
// Every byte that is sent follows from sender and number, and every byte that arrives is checked.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <exception>
#include <fstream>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "fates.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "ring_worker.hpp"
#include "shm/channel.hpp"

namespace ipc0cp_process_test {
namespace {

using ipc0cp::Error;
using ipc0cp::ErrorCode;

ipc0cp::Stale stale_of(const Options& options, const char* otherwise) {
  return options.text("stale", otherwise) == "discard" ? ipc0cp::Stale::discard
                                                       : ipc0cp::Stale::resume;
}

std::string metadata_for(std::uint64_t sequence, std::size_t payload_bytes) {
  if (sequence % 2 == 0) return R"({"type":"bytes","version":"1.0"})";
  return R"({"type":"ndarray","version":"1.0","dtype":"|u1","shape":[)" +
         std::to_string(payload_bytes) + "]}";
}

class Producer {
 public:
  Producer(const Options& options, const Ledger& ledger)
      : ledger_(ledger),
        id_(options.number("id", 0)),
        count_(options.number("count", ~std::uint64_t{0})),
        least_log_(std::log2(static_cast<double>(options.number("min", 64)))),
        most_log_(std::log2(static_cast<double>(options.number("max", 65536)))),
        gap_(options.number("gap_us", 0)),
        random_(options.number("seed", 1)),
        producer_(options.text("name"), options.number("total", 1 << 20), settings(options)) {
    ledger_[Ledger::kReady] = 1;
  }

  void run() {
    while (sequence_ < count_ && ledger_[Ledger::kStop] == 0) {
      Fate::between_operations();
      ledger_[Ledger::kAttempted] = sequence_ + 1;
      if (!push_next()) {
        ledger_[Ledger::kRefused]++;
        continue;
      }
      ++sequence_;
      ledger_[Ledger::kAcknowledged] = sequence_;
      if (gap_ > 0) usleep(static_cast<useconds_t>(gap_));
    }
    producer_.close();
  }

 private:
  static ipc0cp::ProducerOptions settings(const Options& options) {
    ipc0cp::ProducerOptions result;
    result.consumer_wait_timeout = std::chrono::milliseconds(options.number("wait_ms", 60000));
    result.max_messages = static_cast<std::uint32_t>(options.number("max_messages", 0));
    result.redeliver = options.number("redeliver", 0) != 0;
    result.stale = stale_of(options, "discard");
    return result;
  }

  /// False: refused for now; the same message is tried again.
  bool push_next() {
    const double log = std::uniform_real_distribution<>(least_log_, most_log_)(random_);
    const auto bytes = static_cast<std::size_t>(std::exp2(log));
    const std::string metadata = metadata_for(sequence_, bytes);
    try {
      if (random_() % 2 == 0) {
        buffer_.resize(bytes);
        fill(buffer_, id_, sequence_);
        return producer_.push_raw(metadata, buffer_, std::chrono::seconds(1));
      }
      ipc0cp::Loan loan = producer_.loan(bytes, std::chrono::seconds(1));
      if (random_() % 16 == 0) return false;  // Abandoned now and then.
      fill(loan.bytes(), id_, sequence_);
      return loan.publish(metadata, std::chrono::seconds(1));
    } catch (const Error& error) {
      const bool may_pass = error.code() == ErrorCode::timeout ||
                            error.code() == ErrorCode::no_consumers ||
                            error.code() == ErrorCode::no_space;
      if (!may_pass) throw;
      return false;
    }
  }

  const Ledger& ledger_;
  std::uint64_t id_;
  std::uint64_t count_;
  double least_log_;
  double most_log_;
  std::uint64_t gap_;
  std::mt19937_64 random_;
  ipc0cp::SharedRingBufferProducer producer_;
  std::uint64_t sequence_ = 0;
  std::vector<std::byte> buffer_;
};

class Consumer {
 public:
  Consumer(const Options& options, const Ledger& ledger)
      : ledger_(ledger),
        most_held_(options.number("hold", 0)),
        count_(options.number("count", ~std::uint64_t{0})),
        gap_(options.number("gap_us", 0)),
        stats_path_(options.text("stats")),
        random_(options.number("seed", 1)),
        consumer_(options.text("name"), options.number("total", 1 << 20), settings(options)) {
    ledger_[Ledger::kReady] = 1;
  }

  /// Ends at end of stream, or after `count` messages, or when told to.
  void run() {
    while (ledger_[Ledger::kStop] == 0 && ledger_[Ledger::kCount] < count_) {
      Fate::between_operations();
      // Counted before the pop: a kill finds at most so many in our hands.
      ledger_[Ledger::kHeld] = held_.size() + 1;
      std::optional<ipc0cp::Message> message = pop();
      if (!message) break;
      if (!message->active()) continue;
      // Noted before the long look, so that few kills fall in between.
      const PayloadHeader header = header_of(message->payload());
      ledger_.note(header.producer, header.sequence);
      check(message->payload());
      if (most_held_ > 0) hold(std::move(*message));
      if (gap_ > 0) usleep(static_cast<useconds_t>(gap_));
    }
    for (const ipc0cp::Message& message : held_) check(message.payload());
    held_.clear();
    ledger_[Ledger::kHeld] = 0;
    ledger_[Ledger::kEnded] = 1;
    if (!stats_path_.empty()) {
      // Counted when the test says that all others have left.
      while (ledger_[Ledger::kStop] == 0) usleep(1000);
      write_stats();
    }
    consumer_.close();
  }

 private:
  static ipc0cp::ConsumerOptions settings(const Options& options) {
    ipc0cp::ConsumerOptions result;
    result.expected_producers = static_cast<std::uint32_t>(options.number("expected", 1));
    result.auto_unlink = options.number("auto_unlink", 1) != 0;
    result.stale = stale_of(options, "resume");
    result.subscribe = !options.text("subscribe").empty();
    if (options.text("subscribe") == "drop_oldest") result.overflow = ipc0cp::Overflow::drop_oldest;
    return result;
  }

  void write_stats() const {
    const ipc0cp::RingStats stats = consumer_.stats();
    std::ofstream(stats_path_) << "{\"pushed\": " << stats.pushed
                               << ", \"popped\": " << stats.popped << ", \"lost\": " << stats.lost
                               << ", \"dropped\": " << stats.dropped
                               << ", \"messages\": " << stats.messages
                               << ", \"used_bytes\": " << stats.used_bytes
                               << ", \"repaired_deaths\": " << stats.repaired_deaths << "}\n";
  }

  /// An inactive message: nothing came in a while.
  std::optional<ipc0cp::Message> pop() {
    try {
      return consumer_.pop_raw(std::chrono::milliseconds(500));
    } catch (const Error& error) {
      if (error.code() != ErrorCode::timeout) throw;
      return ipc0cp::Message();
    }
  }

  /// Keeps some messages and lets go of others in random order, after one more look.
  void hold(ipc0cp::Message message) {
    held_.push_back(std::move(message));
    while (!held_.empty() && (held_.size() >= most_held_ || random_() % 4 == 0)) {
      const std::size_t index = random_() % held_.size();
      check(held_[index].payload());
      held_[index] = std::move(held_.back());
      held_.pop_back();
    }
  }

  const Ledger& ledger_;
  std::uint64_t most_held_;
  std::uint64_t count_;
  std::uint64_t gap_;
  std::string stats_path_;  ///< Where to write the ring's counters before leaving it.
  std::mt19937_64 random_;
  ipc0cp::SharedRingBufferConsumer consumer_;
  std::vector<ipc0cp::Message> held_;
};

/// Attaches as a consumer, takes the ring's lock and keeps it until a signal comes.
void hold_lock(const Options& options, const Ledger& ledger) {
  ipc0cp::SharedRingBufferConsumer consumer(options.text("name"), options.number("total", 1 << 20));
  while (consumer.channel().ring().try_lock() != ErrorCode::ok) {
  }
  ledger[Ledger::kReady] = 1;
  while (ledger[Ledger::kStop] == 0) pause();
}

int run(int count, char** arguments) {
  const Options options(count, arguments);
  // The watchdog: SIGALRM ends a worker that hangs.
  alarm(static_cast<unsigned>(options.number("alarm", 60)));
  const Ledger ledger(options.text("ledger"));
  const Fate fate(options.text("fate"), ledger);
  const std::vector<char> ballast(options.number("ballast", 0), 'x');  // For a core dump to write.
  const std::string role = options.text("role");
  if (role == "produce") {
    Producer(options, ledger).run();
  } else if (role == "consume") {
    Consumer(options, ledger).run();
  } else if (role == "hold_lock") {
    hold_lock(options, ledger);
  } else {
    throw std::runtime_error("role=produce, consume or hold_lock");
  }
  return 0;
}

}  // namespace
}  // namespace ipc0cp_process_test

int main(int count, char** arguments) {
  try {
    return ipc0cp_process_test::run(count, arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ring_worker %d: %s\n", static_cast<int>(getpid()), error.what());
    return 1;
  }
}
