// SPDX-License-Identifier: Apache-2.0
// Round trips of 64 bytes between two processes on two cores, and beside them the round trip of one
// cache line, which says how far apart the cores are at the moment.
#include <immintrin.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "ipc0cp/ring_buffer.hpp"
#include "measure.hpp"

namespace {

constexpr std::size_t kRingBytes = 1 << 20;
constexpr std::size_t kPayloadBytes = 64;
constexpr int kCacheLineTrips = 200'000;
constexpr int kWarmUpTrips = 20'000;
constexpr std::uint64_t kEnd = ~std::uint64_t{0};

/// Two cache lines: what this side says, what the other side answers.
struct Lines {
  alignas(64) std::atomic<std::uint64_t> there;
  alignas(64) std::atomic<std::uint64_t> back;
};

Lines* map_lines(int file) {
  void* address = mmap(nullptr, sizeof(Lines), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (address == MAP_FAILED) throw std::runtime_error("mmap failed");
  return static_cast<Lines*>(address);
}

void wait_for(const std::atomic<std::uint64_t>& line, std::uint64_t value) {
  while (line.load(std::memory_order_acquire) != value) _mm_pause();
}

void answer_lines(Lines* lines) {
  bench::pin_to_core(1);
  for (std::uint64_t i = 1; i <= kCacheLineTrips; ++i) {
    wait_for(lines->there, i);
    lines->back.store(i, std::memory_order_release);
  }
  // Both words start from zero again before the next series.
  wait_for(lines->there, 0);
  lines->back.store(0, std::memory_order_release);
  bench::unpin();
}

double measure_lines(Lines* lines) {
  bench::pin_to_core(0);
  const auto start = bench::now_ns();
  for (std::uint64_t i = 1; i <= kCacheLineTrips; ++i) {
    lines->there.store(i, std::memory_order_release);
    wait_for(lines->back, i);
  }
  const auto elapsed_ns = static_cast<double>(bench::now_ns() - start);
  lines->there.store(0, std::memory_order_release);
  wait_for(lines->back, 0);
  bench::unpin();
  return elapsed_ns / kCacheLineTrips;
}

using Payload = std::uint64_t[kPayloadBytes / sizeof(std::uint64_t)];

std::uint64_t first_word(const ipc0cp::Message& message) {
  std::uint64_t word = 0;
  std::memcpy(&word, message.payload().data(), sizeof word);
  return word;
}

void answer_ring(const std::string& there, const std::string& back) {
  ipc0cp::SharedRingBufferConsumer questions(there, kRingBytes);
  ipc0cp::SharedRingBufferProducer answers(back, kRingBytes);
  bench::pin_to_core(1);
  for (std::uint64_t word = 0; word != kEnd;) {
    const auto message = questions.pop_raw();
    if (!message) throw std::runtime_error("the stream ended too early");
    word = first_word(*message);
    answers.push_raw({}, message->payload());
  }
}

std::vector<double> measure_ring(const std::string& there, const std::string& back,
                                 double seconds) {
  ipc0cp::SharedRingBufferConsumer answers(back, kRingBytes);
  ipc0cp::SharedRingBufferProducer questions(there, kRingBytes);
  bench::pin_to_core(0);
  std::vector<double> trips_ns;
  trips_ns.reserve(1 << 24);
  Payload payload{};
  const auto bytes = std::as_bytes(std::span(payload));
  const auto round_trip = [&](std::uint64_t word) {
    payload[0] = word;
    questions.push_raw({}, bytes);
    const auto message = answers.pop_raw();
    if (!message || first_word(*message) != word) throw std::runtime_error("a wrong answer");
  };
  for (std::uint64_t i = 0; i < kWarmUpTrips; ++i) round_trip(i);
  const auto end = bench::now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  for (auto before = bench::now_ns(); before < end && trips_ns.size() < trips_ns.capacity();) {
    round_trip(trips_ns.size());
    const auto after = bench::now_ns();
    trips_ns.push_back(static_cast<double>(after - before));
    before = after;
  }
  round_trip(kEnd);
  return trips_ns;
}

void run(double seconds) {
  const int file = memfd_create("ping_pong", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, sizeof(Lines)) != 0) throw std::runtime_error("no memory file");
  const std::string there = bench::ring_name("there");
  const std::string back = bench::ring_name("back");
  bench::Child other({"answer", there, back}, file);
  Lines* lines = map_lines(file);
  const double before_ns = measure_lines(lines);
  auto trips_ns = measure_ring(there, back, seconds);
  const double after_ns = measure_lines(lines);
  other.wait<int>();
  bench::print_figures({{"p50_ns", bench::percentile(trips_ns, 0.50)},
                        {"p99_ns", bench::percentile(trips_ns, 0.99)},
                        {"p999_ns", bench::percentile(trips_ns, 0.999)},
                        {"round_trips", static_cast<double>(trips_ns.size())},
                        {"cache_line_before_ns", before_ns},
                        {"cache_line_after_ns", after_ns}});
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    if (argument_count == 4 && std::string_view(arguments[1]) == "answer") {
      Lines* lines = map_lines(STDIN_FILENO);
      answer_lines(lines);
      answer_ring(arguments[2], arguments[3]);
      answer_lines(lines);
      bench::Child::answer(0);
      return 0;
    }
    run(argument_count > 1 ? std::atof(arguments[1]) : 1.0);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "ping_pong: %s\n", error.what());
    return 1;
  }
  return 0;
}
