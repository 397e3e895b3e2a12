// SPDX-License-Identifier: Apache-2.0
// Watcher: waiting for a ring by a descriptor, so that an event loop need not block.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/event_descriptor.hpp"
#include "platform/fork_safe.hpp"
#include "platform/thread.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// A thread that sleeps in the ring's own event word, one wait for each `arm`, and then makes a
/// descriptor readable. It starts with the first `arm`, ends with the handle, and runs no code but
/// the core's.
///
/// What it tells is that another attempt is worth while; it takes nothing. A consumer's wake-up
/// that the owner of the descriptor leaves lying (a busy event loop) goes to the next consumer
/// after a millisecond, or at once if another thread is blocked in a pop of the same handle.
///
/// Thread safety: all members may be called from any thread. Fork: nothing happens in a child; the
/// calls of its handle say why. Invariants:
/// 1. A wait that ends makes the descriptor readable, unless it was disarmed.
/// 2. It is told only of a look at the ring that began after the last `arm` or `rearm`.
/// 3. The thread is either parked or in one wait.
/// 4. Once the handle is closed there is no thread, and each `arm` makes the descriptor readable.
class Watcher final : public shm::CloseObserver {
 public:
  /// What is waited for: an answer to a pop, or room for a push.
  enum class For : std::uint8_t { answer, room };

  /// Keeps the channel.
  /// @throws Error system_error: there is no descriptor to be had; closed: the handle is gone.
  Watcher(shm::Channel& channel, For purpose);
  /// Waits for the thread, at most for one look at the ring.
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  /// Readable after a wait has ended; for poll(2) and its like.
  [[nodiscard]] int descriptor() const noexcept { return event_.get(); }
  /// Begins a wait.
  /// @param wanted for room: what the push that was refused needs.
  /// @throws Error system_error: no thread can be started, with the limit.
  void arm(const shm::RoomWanted& wanted = {});
  /// Nobody waits any more: the wait ends soon, and silently.
  void disarm() noexcept;
  /// Makes the descriptor unreadable again; whether it was readable.
  [[nodiscard]] bool take() noexcept;

  // ---- for a descriptor that follows the state of the ring ----
  /// Starts the thread, parked. @throws Error as `arm`.
  void start();
  /// Makes the descriptor readable now, which ends the wait.
  void tell() noexcept;
  /// `take` and `arm` in one step, after `start`. While a wait for room is under way, the smaller
  /// want counts.
  void rearm(const shm::RoomWanted& wanted = {}) noexcept;
  [[nodiscard]] bool is_readable() noexcept;

  void channel_closed() noexcept override;

 private:
  void start_thread();
  bool begin_wait(const shm::RoomWanted& wanted) noexcept;
  void make_readable() noexcept;
  void stop() noexcept;
  void run() noexcept;
  void park(std::uint32_t seen, bool told) noexcept;

  shm::Channel& channel_;
  const For purpose_;
  const platform::EventDescriptor event_;
  platform::Mutex mutex_;  ///< Guards what follows.
  platform::Thread thread_;
  bool armed_ = false;
  bool readable_ = false;
  bool ended_ = false;
  bool joined_ = false;
  shm::RoomWanted wanted_;
  /// Counts what the thread has to heed, under the mutex; the word that it sleeps on when parked.
  std::atomic<std::uint32_t> changes_{0};
  std::atomic<bool> given_up_{false};
};

}  // namespace ipc0cp
