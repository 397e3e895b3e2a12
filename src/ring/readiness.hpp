// SPDX-License-Identifier: Apache-2.0
// Readiness: waiting for a ring by a descriptor, so that an event loop need not block.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/event_descriptor.hpp"
#include "platform/fork_safe.hpp"
#include "platform/thread.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// A thread that sleeps in the ring's own event word, one wait for each `arm`, and then makes a
/// descriptor readable. It starts with the first `arm` and runs no code but the core's.
///
/// What it tells is that another attempt is worth while; it takes nothing. A consumer's wake-up
/// that the owner of the descriptor leaves lying (a busy event loop) goes to the next consumer
/// after a millisecond.
///
/// Thread safety: all members may be called from any thread. Fork: nothing happens in a child; the
/// calls of its handle say why. Invariants:
/// 1. A wait that ends makes the descriptor readable, unless it was disarmed.
/// 2. The thread is either parked or in one wait; arming an armed object changes nothing.
class Readiness {
 public:
  /// What is waited for: an answer to a pop, or room for a push.
  enum class For : std::uint8_t { answer, room };

  /// Keeps the channel.
  /// @throws Error system_error: there is no descriptor to be had; closed.
  Readiness(shm::Channel& channel, For purpose);
  /// Waits for the thread, at most for one look at the ring.
  ~Readiness();
  Readiness(const Readiness&) = delete;
  Readiness& operator=(const Readiness&) = delete;

  /// Readable after a wait has ended; for poll(2) and its like.
  [[nodiscard]] int descriptor() const noexcept { return event_.get(); }
  /// Begins a wait. The arguments are those of Watch::await_room, and without meaning otherwise.
  /// @throws Error system_error: no thread can be started, with the limit.
  void arm(std::uint64_t message_bytes = 0, std::uint32_t freed_before = 0,
           bool nobody_reads = false);
  /// Nobody waits any more: the wait ends soon, and silently.
  void disarm() noexcept;
  /// Makes the descriptor unreadable again; whether it was readable.
  [[nodiscard]] bool take() noexcept;

 private:
  void start();
  void run() noexcept;
  void park(std::uint32_t seen, bool told) noexcept;
  void wait() noexcept;
  void notify() noexcept;

  shm::Channel& channel_;
  const For purpose_;
  const platform::EventDescriptor event_;
  platform::Mutex mutex_;
  platform::Thread thread_;  ///< Guarded by the mutex, as the next two.
  bool armed_ = false;
  bool ending_ = false;
  std::atomic<std::uint32_t> changes_{0};  ///< The word that the parked thread sleeps on.
  std::atomic<bool> given_up_{false};
  std::atomic<std::uint64_t> message_bytes_{0};
  std::atomic<std::uint32_t> freed_before_{0};
  std::atomic<bool> nobody_reads_{false};
};

}  // namespace ipc0cp
