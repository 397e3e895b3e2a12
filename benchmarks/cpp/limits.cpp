// SPDX-License-Identifier: Apache-2.0
// What this machine can do at the moment, whatever carries the messages: round trips between two
// processes on two cores, and copies into shared memory by both at once. Takes about a second.
//
//   limits [line]
//
// The cache line says whether the two cores are near or far, which changes by itself. `line`: only
// that, in some milliseconds.
#include <immintrin.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <atomic>
#include <cstring>
#include <exception>
#include <vector>

#include "measure.hpp"

namespace {

/// One direction: a word to wait for, and what it announces.
struct Mailbox {
  alignas(64) std::atomic<std::uint32_t> number;
  alignas(64) std::byte payload[64];
};
struct Mailboxes {
  Mailbox there;
  Mailbox back;
};
struct Shared {
  Mailboxes lines;
  Mailboxes spinning;
  Mailboxes sleeping;
  Mailboxes before_copies;
};

/// How one side tells the other, and how that one waits for it: spinning on one cache line.
struct CacheLine {
  static constexpr std::uint32_t kTrips = 50'000;
  static void tell(Mailbox& box, std::uint32_t number) {
    box.number.store(number, std::memory_order_release);
  }
  static void wait_for(Mailbox& box, std::uint32_t number) {
    while (box.number.load(std::memory_order_acquire) != number) _mm_pause();
  }
};

/// The same with 64 bytes that the one writes and the other reads.
struct Spinning {
  static constexpr std::uint32_t kTrips = 200'000;
  static void tell(Mailbox& box, std::uint32_t number) {
    std::memset(box.payload, static_cast<int>(number), sizeof box.payload);
    CacheLine::tell(box, number);
  }
  static void wait_for(Mailbox& box, std::uint32_t number) {
    CacheLine::wait_for(box, number);
    std::byte copy[sizeof box.payload];
    std::memcpy(copy, box.payload, sizeof copy);
    asm volatile("" : : "r"(copy) : "memory");
  }
};

struct Sleeping {
  static constexpr std::uint32_t kTrips = 4'000;
  static void tell(Mailbox& box, std::uint32_t number) {
    CacheLine::tell(box, number);
    syscall(SYS_futex, &box.number, FUTEX_WAKE, 1, nullptr, nullptr, 0);
  }
  static void wait_for(Mailbox& box, std::uint32_t number) {
    for (auto seen = box.number.load(std::memory_order_acquire); seen != number;
         seen = box.number.load(std::memory_order_acquire)) {
      syscall(SYS_futex, &box.number, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    }
  }
};

/// Nanoseconds per round trip.
template <class Way>
double ask(Mailboxes& boxes) {
  const auto start = bench::now_ns();
  for (std::uint32_t trip = 1; trip <= Way::kTrips; ++trip) {
    Way::tell(boxes.there, trip);
    Way::wait_for(boxes.back, trip);
  }
  return static_cast<double>(bench::now_ns() - start) / Way::kTrips;
}
template <class Way>
void answer(Mailboxes& boxes) {
  for (std::uint32_t trip = 1; trip <= Way::kTrips; ++trip) {
    Way::wait_for(boxes.there, trip);
    Way::tell(boxes.back, trip);
  }
}

std::byte* map_shared(int file, std::size_t bytes) {
  const int flags = MAP_SHARED | (file < 0 ? MAP_ANONYMOUS : 0);
  void* address = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, file, 0);
  if (address == MAP_FAILED) throw std::runtime_error("mmap failed");
  return static_cast<std::byte*>(address);
}

constexpr std::size_t kPieceBytes = 1 << 20;

/// Shared memory of its own, filled again and again from one hot piece.
class Copies {
 public:
  /// The pages are there afterwards.
  Copies(std::size_t bytes, unsigned rounds) : bytes_(bytes), rounds_(rounds) { copy(); }
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;
  ~Copies() { munmap(target_, bytes_); }

  [[nodiscard]] double gigabytes_per_second() {
    const auto start = bench::now_ns();
    for (unsigned round = 0; round < rounds_; ++round) copy();
    const auto elapsed_ns = static_cast<double>(bench::now_ns() - start);
    return static_cast<double>(rounds_) * static_cast<double>(bytes_) / elapsed_ns;
  }

 private:
  void copy() {
    for (std::size_t i = 0; i < bytes_; i += kPieceBytes) {
      std::memcpy(target_ + i, source_.data(), kPieceBytes);
    }
  }
  std::size_t bytes_;
  unsigned rounds_;
  std::byte* target_ = map_shared(-1, bytes_);
  std::vector<std::byte> source_ = std::vector<std::byte>(kPieceBytes, std::byte{1});
};

struct CopyRates {
  double hot;
  double cold;
};

/// Both sides at once: `meet` makes them start together.
template <class Meet>
CopyRates measure_copies(Meet meet) {
  Copies hot(8 << 20, 1'000);
  Copies cold(256 << 20, 16);
  meet(1);
  const double hot_rate = hot.gigabytes_per_second();
  meet(2);
  return {hot_rate, cold.gigabytes_per_second()};
}

void run(bool only_line) {
  const int file = memfd_create("limits", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, sizeof(Shared)) != 0) throw std::runtime_error("no memory file");
  bench::Child other({only_line ? "answer-line" : "answer"}, file);
  auto& shared = *reinterpret_cast<Shared*>(map_shared(file, sizeof(Shared)));
  bench::pin_to_core(0);
  const double line_ns = ask<CacheLine>(shared.lines);
  if (only_line) {
    (void)other.wait<CopyRates>();
    return bench::print_figures({{"cache_line_round_trip_ns", line_ns}});
  }
  const double spinning_ns = ask<Spinning>(shared.spinning);
  const double sleeping_ns = ask<Sleeping>(shared.sleeping);
  const auto rates = measure_copies([&](std::uint32_t time) {
    CacheLine::tell(shared.before_copies.there, time);
    CacheLine::wait_for(shared.before_copies.back, time);
  });
  const auto others = other.wait<CopyRates>();
  bench::print_figures({{"cache_line_round_trip_ns", line_ns},
                        {"spinning_round_trip_ns", spinning_ns},
                        {"sleeping_round_trip_ns", sleeping_ns},
                        {"memcpy_hot_gigabytes_per_second", (rates.hot + others.hot) / 2},
                        {"memcpy_cold_gigabytes_per_second", (rates.cold + others.cold) / 2}});
}

void be_the_other(bool only_line) {
  auto& shared = *reinterpret_cast<Shared*>(map_shared(STDIN_FILENO, sizeof(Shared)));
  bench::pin_to_core(1);
  answer<CacheLine>(shared.lines);
  if (only_line) return bench::Child::answer(CopyRates{});
  answer<Spinning>(shared.spinning);
  answer<Sleeping>(shared.sleeping);
  bench::Child::answer(measure_copies([&](std::uint32_t time) {
    CacheLine::wait_for(shared.before_copies.there, time);
    CacheLine::tell(shared.before_copies.back, time);
  }));
}

}  // namespace

int main(int argument_count, char** arguments) {
  alarm(60);  // One side has died: the other would wait for ever.
  try {
    const std::string_view word = argument_count == 2 ? arguments[1] : "";
    if (word.starts_with("answer")) {
      be_the_other(word == "answer-line");
    } else {
      run(word == "line");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "limits: %s\n", error.what());
    return 1;
  }
  return 0;
}
