// SPDX-License-Identifier: Apache-2.0
// One process: loan + publish + pop + release of 64 bytes, with few and with many blocks out.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <random>

#include "ipc0cp/ring_buffer.hpp"
#include "measure.hpp"

namespace {

constexpr std::size_t kRingBytes = 256 << 20;
constexpr std::uint32_t kMaxMessages = 1 << 17;
constexpr std::size_t kPayloadBytes = 64;
constexpr int kBatches = 21;

class Cycle {
 public:
  Cycle() : producer_(name_, kRingBytes, options()), consumer_(name_, kRingBytes) {
    std::memset(payload_, 7, sizeof payload_);
  }

  /// Keeps blocks of mixed sizes, and gives one in `hole_every` back.
  void keep_out(std::size_t blocks, std::size_t hole_every) {
    std::mt19937 random(1);
    std::uniform_int_distribution<std::size_t> payload_bytes(64, 2048);
    std::vector<ipc0cp::Loan> all;
    const std::size_t taken = hole_every == 0 ? blocks : blocks * hole_every / (hole_every - 1);
    for (std::size_t i = 0; i < taken; ++i) all.push_back(producer_.loan(payload_bytes(random)));
    std::shuffle(all.begin(), all.end(), random);
    // Loans behind `blocks` end here and leave holes between the others.
    all.resize(blocks);
    kept_ = std::move(all);
  }

  /// Loan and view in two calls each. Median nanoseconds per cycle over batches.
  double loan_and_pop(int cycles) {
    return measure(cycles, [this] {
      ipc0cp::Loan loan = producer_.loan(kPayloadBytes, ipc0cp::Timeout::none(), 0);
      std::memcpy(loan.bytes().data(), payload_, kPayloadBytes);
      loan.publish();
    });
  }
  /// The same with one push, which copies inside the lock.
  double push_and_pop(int cycles) {
    return measure(cycles, [this] { producer_.push_raw({}, std::as_bytes(std::span(payload_))); });
  }

 private:
  static ipc0cp::ProducerOptions options() {
    ipc0cp::ProducerOptions options;
    options.max_messages = kMaxMessages;
    return options;
  }

  template <class Send>
  double measure(int cycles, Send send) {
    std::vector<double> nanoseconds;
    for (int batch = 0; batch < kBatches; ++batch) {
      const auto start = bench::thread_cpu_ns();
      for (int i = 0; i < cycles; ++i) {
        send();
        const auto message = consumer_.pop_raw(ipc0cp::Timeout::none());
        checksum_ += static_cast<unsigned char>(message->payload()[kPayloadBytes - 1]);
      }
      nanoseconds.push_back(static_cast<double>(bench::thread_cpu_ns() - start) / cycles);
      expected_ += 7ULL * static_cast<unsigned long long>(cycles);
    }
    if (checksum_ != expected_) throw std::runtime_error("wrong contents");
    return bench::median(nanoseconds);
  }

  std::string name_ = bench::ring_name("cycle");
  ipc0cp::SharedRingBufferProducer producer_;
  ipc0cp::SharedRingBufferConsumer consumer_;
  std::vector<ipc0cp::Loan> kept_;
  unsigned char payload_[kPayloadBytes];
  unsigned long long checksum_ = 0;
  unsigned long long expected_ = 0;
};

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    const int cycles = argument_count > 1 ? std::atoi(arguments[1]) : 20000;
    Cycle few;
    few.keep_out(10, 0);
    Cycle many;
    many.keep_out(60000, 4);
    bench::pin_to_core(0);
    bench::print_figures({{"cycle_ns", few.loan_and_pop(cycles)},
                          {"push_cycle_ns", few.push_and_pop(cycles)},
                          {"cycle_many_ns", many.loan_and_pop(cycles)},
                          {"push_cycle_many_ns", many.push_and_pop(cycles)}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "core_cycle: %s\n", error.what());
    return 1;
  }
  return 0;
}
