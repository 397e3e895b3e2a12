// SPDX-License-Identifier: Apache-2.0
// One message for every reader: a broadcast ring beside the floor, which is one writer and N
// readers of the same block, with a count for each and no safety at all.
//
//   broadcast [MESSAGES_OF_1_MIB [ROUNDS]]
//
// Each reader adds up every word of every message. Prints the bytes read per second by all readers
// together, medians of the rounds, and the ratio.
#include <sched.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ipc0cp/ring_buffer.hpp"

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostReaders = 8;
constexpr std::size_t kSlots = 8;

std::uint64_t sum_of(std::span<const std::byte> bytes) {
  std::uint64_t sum = 0;
  for (std::size_t place = 0; place + 8 <= bytes.size(); place += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + place, sizeof word);
    sum += word;
  }
  return sum;
}

/// What all processes of a round share.
struct Board {
  std::atomic<int> ready{0};
  std::atomic<std::uint64_t> sum{0};
};

struct alignas(64) Count {
  std::atomic<std::uint64_t> value{0};
};

struct Floor {
  Count published;
  std::array<Count, kMostReaders> done;
  alignas(4096) std::array<std::byte, kSlots << 20> slots;
};

template <class Shared>
Shared* shared_memory() {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  return new (memory) Shared;
}

template <class Condition>
void wait_until(Condition condition) {
  for (int polls = 0; !condition(); ++polls) {
    if (polls % 64 == 63) sched_yield();
  }
}

/// Seconds from when all readers are there until all have ended.
double timed(std::size_t readers, const std::function<void(std::size_t, Board&)>& read,
             const std::function<void(Board&)>& write) {
  auto* board = shared_memory<Board>();
  std::vector<pid_t> children;
  for (std::size_t reader = 0; reader < readers; ++reader) {
    const pid_t child = fork();
    if (child == 0) {
      read(reader, *board);
      _exit(0);
    }
    children.push_back(child);
  }
  wait_until([&] { return board->ready.load() == static_cast<int>(readers); });
  const auto start = Clock::now();
  write(*board);
  for (const pid_t child : children) waitpid(child, nullptr, 0);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  munmap(board, sizeof(Board));
  return seconds;
}

double floor_seconds(std::size_t readers, std::size_t bytes, std::uint64_t messages) {
  auto* floor = shared_memory<Floor>();
  const std::vector<std::byte> source(bytes, std::byte{1});
  const double seconds = timed(
      readers,
      [&](std::size_t reader, Board& board) {
        board.ready += 1;
        std::uint64_t sum = 0;
        for (std::uint64_t number = 0; number < messages; ++number) {
          wait_until([&] { return floor->published.value.load() > number; });
          sum += sum_of({floor->slots.data() + (number % kSlots << 20), bytes});
          floor->done[reader].value.store(number + 1);
        }
        board.sum += sum;
      },
      [&](Board&) {
        for (std::uint64_t number = 0; number < messages; ++number) {
          wait_until([&] {
            for (std::size_t reader = 0; reader < readers; ++reader) {
              if (floor->done[reader].value.load() + kSlots <= number) return false;
            }
            return true;
          });
          std::memcpy(floor->slots.data() + (number % kSlots << 20), source.data(), bytes);
          floor->published.value.store(number + 1);
        }
      });
  munmap(floor, sizeof(Floor));
  return seconds;
}

double ring_seconds(std::size_t readers, std::size_t bytes, std::uint64_t messages) {
  const std::string name = "study-broadcast-" + std::to_string(getpid());
  const std::vector<std::byte> source(bytes, std::byte{1});
  return timed(
      readers,
      [&](std::size_t, Board& board) {
        ipc0cp::ConsumerOptions options;
        options.subscribe = true;
        ipc0cp::SharedRingBufferConsumer consumer(name, 32 << 20, options);
        board.ready += 1;
        std::uint64_t sum = 0;
        while (const auto message = consumer.pop_raw()) sum += sum_of(message->payload());
        board.sum += sum;
      },
      [&](Board&) {
        ipc0cp::ProducerOptions options;
        options.broadcast = true;
        options.expected_consumers = static_cast<std::uint32_t>(readers);
        ipc0cp::SharedRingBufferProducer producer(name, 32 << 20, options);
        for (std::uint64_t number = 0; number < messages; ++number) producer.push_raw({}, source);
      });
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t large = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 4000;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  for (const std::size_t bytes : {std::size_t{1} << 20, std::size_t{64}}) {
    const std::uint64_t messages = bytes > 64 ? large : large * 100;
    for (const std::size_t readers : {1, 2, 4, 8}) {
      std::vector<double> ring;
      std::vector<double> floor;
      for (int round = 0; round < rounds; ++round) {
        floor.push_back(floor_seconds(readers, bytes, messages));
        ring.push_back(ring_seconds(readers, bytes, messages));
      }
      const double read = static_cast<double>(readers * messages * bytes);
      std::printf(
          "%7zu bytes, %zu readers: ring %8.3f GB/s, %10.0f messages/s; floor %8.3f; %.2f\n", bytes,
          readers, read / median(ring) / 1e9, static_cast<double>(messages) / median(ring),
          read / median(floor) / 1e9, median(floor) / median(ring));
      std::fflush(stdout);
    }
  }
  return 0;
}
