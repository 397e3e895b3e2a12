// SPDX-License-Identifier: Apache-2.0
// What the processes of a storm write down outside the ring, so that it survives their death.
#pragma once

#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>

namespace ipc0cp::storm {

/// A producer ends of its own accord after so many messages, and is replaced.
inline constexpr std::uint32_t kMessagesPerProducer = 1024;
inline constexpr std::size_t kMostProducers = 1 << 16;
inline constexpr std::size_t kMostConsumers = 1 << 16;

/// One producer process. It writes, the driver reads after its end.
struct ProducerEntry {
  std::atomic<std::uint32_t> attempted{0};     ///< Messages it began to push.
  std::atomic<std::uint32_t> acknowledged{0};  ///< Messages whose push returned true.
  bool killed = false;                         ///< Set by the driver.
  /// Of each message, by whatever consumer: how often it was noted.
  std::array<std::atomic<std::uint8_t>, kMessagesPerProducer> noted{};
};

/// One consumer process. A kill finds it with `held_least` .. `held_most` blocks of the ring.
struct ConsumerEntry {
  std::atomic<std::uint32_t> held_least{0};
  std::atomic<std::uint32_t> held_most{0};
  std::atomic<std::uint32_t> noted{0};
  bool killed = false;  ///< Set by the driver.
};

/// The counters of the ring, copied out by the last consumer.
struct Counters {
  std::uint64_t pushed = 0;
  std::uint64_t popped = 0;
  std::uint64_t lost = 0;
  std::uint64_t dropped = 0;
  std::uint64_t messages = 0;
  std::uint64_t used_bytes = 0;
  std::uint64_t repaired_deaths = 0;
};

/// Shared by the driver and all its children. The memory is zero at first and costs what is used.
struct Ledger {
  std::atomic<bool> stop{false};
  std::atomic<bool> last_has_joined{false};
  std::atomic<bool> last_has_ended{false};
  std::atomic<bool> ring_is_kept{false};  ///< The one that is never struck has joined.
  std::atomic<std::uint64_t> noted{0};    ///< By all consumers; tells whether anything moves.
  std::uint32_t producers = 0;            ///< Entries in use, counted by the driver.
  std::uint32_t consumers = 0;
  Counters counters;
  std::array<ConsumerEntry, kMostConsumers> consumer;
  std::array<ProducerEntry, kMostProducers> producer;

  static Ledger* create() {
    void* memory = mmap(nullptr, sizeof(Ledger), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    return static_cast<Ledger*>(memory);  // Zero bytes are the initial value of every member.
  }
  static void destroy(Ledger* ledger) { munmap(ledger, sizeof(Ledger)); }
};

}  // namespace ipc0cp::storm
