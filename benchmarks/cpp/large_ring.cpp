// SPDX-License-Identifier: Apache-2.0
// A ring of 1 GiB: what its creation costs, how much of it stays in memory, and whether handing
// over a large message costs more than a small one.
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>

#include "ipc0cp/ring_buffer.hpp"
#include "measure.hpp"

namespace {

constexpr std::size_t kKib = 1 << 10;
constexpr std::size_t kMib = 1 << 20;
constexpr std::size_t kRingBytes = 1024 * kMib;
constexpr int kCreations = 21;
constexpr int kBatches = 21;

double create_ms() {
  std::vector<double> milliseconds;
  for (int i = 0; i < kCreations; ++i) {
    const auto name = bench::ring_name("create-" + std::to_string(i));
    const auto start = bench::now_ns();
    ipc0cp::SharedRingBufferConsumer consumer(name, kRingBytes);
    milliseconds.push_back(static_cast<double>(bench::now_ns() - start) * 1e-6);
  }
  return bench::median(milliseconds);
}

/// Memory behind the file of a ring, in MiB.
double resident_mib(const std::string& name) {
  struct stat status {};
  const char* directory = std::getenv("IPC0CP_DIRECTORY");
  const auto path =
      std::filesystem::path(directory == nullptr ? "/dev/shm" : directory) / ("ipc0cp." + name);
  if (stat(path.c_str(), &status) != 0) throw std::runtime_error("no file of the ring");
  return static_cast<double>(status.st_blocks) * 512 / kMib;
}

/// After messages of 1 MiB have passed one at a time.
double resident_mib_after(int messages) {
  const auto name = bench::ring_name("resident");
  ipc0cp::SharedRingBufferConsumer consumer(name, kRingBytes);
  ipc0cp::SharedRingBufferProducer producer(name, kRingBytes);
  std::vector<std::byte> payload(kMib);
  for (int i = 0; i < messages; ++i) {
    std::memset(payload.data(), i, 64);
    producer.push_raw({}, payload);
    const auto message = consumer.pop_raw();
    if (!message || std::memcmp(message->payload().data(), payload.data(), kMib) != 0) {
      throw std::runtime_error("wrong contents");
    }
  }
  return resident_mib(name);
}

/// Loan, publish, pop and release without touching the payload, once the memory is reserved.
class HandOver {
 public:
  HandOver() : consumer_(name_, kRingBytes), producer_(name_, kRingBytes) {}

  double nanoseconds(std::size_t payload_bytes, int cycles) {
    std::vector<double> batches;
    cycle(payload_bytes);
    for (int batch = 0; batch < kBatches; ++batch) {
      const auto start = bench::thread_cpu_ns();
      for (int i = 0; i < cycles; ++i) cycle(payload_bytes);
      batches.push_back(static_cast<double>(bench::thread_cpu_ns() - start) / cycles);
    }
    return bench::median(batches);
  }

 private:
  void cycle(std::size_t payload_bytes) {
    producer_.loan(payload_bytes).publish();
    const auto message = consumer_.pop_raw();
    if (!message || message->payload().size() != payload_bytes) {
      throw std::runtime_error("wrong size");
    }
  }

  std::string name_ = bench::ring_name("hand-over");
  ipc0cp::SharedRingBufferConsumer consumer_;
  ipc0cp::SharedRingBufferProducer producer_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    const int cycles = argument_count > 1 ? std::atoi(arguments[1]) : 5000;
    bench::pin_to_core(0);
    HandOver hand_over;
    const double small_ns = hand_over.nanoseconds(kKib, cycles);
    const double large_ns = hand_over.nanoseconds(256 * kMib, cycles);
    bench::print_figures({{"create_ms", create_ms()},
                          {"resident_mib", resident_mib_after(300)},
                          {"hand_over_1_kib_ns", small_ns},
                          {"hand_over_256_mib_ns", large_ns}});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "large_ring: %s\n", error.what());
    return 1;
  }
  return 0;
}
