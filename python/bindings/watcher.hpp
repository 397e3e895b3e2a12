// SPDX-License-Identifier: Apache-2.0
/// @file
/// Watcher: a thread that waits for a ring, so that an event loop need not.
#pragma once

#include <nanobind/nanobind.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

#include "shm/channel.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// Waits in the ring's own event word, one wait for each `arm`, and then makes a descriptor
/// readable that an event loop watches. Its thread never takes the GIL and starts with the first
/// `arm`.
///
/// Thread safety: all members may be called from any thread. Invariants:
/// 1. A wait that ends makes the descriptor readable, unless it was disarmed.
/// 2. The thread is either parked or in one wait; arming an armed watcher changes nothing.
class Watcher {
 public:
  enum class For : std::uint8_t { answer, room };

  /// @param channel outlives the watcher.
  /// @throws Error (system_error) if there is no descriptor to be had.
  Watcher(shm::Channel& channel, For purpose);
  ~Watcher();
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  [[nodiscard]] int descriptor() const noexcept { return event_file_; }
  /// Begins a wait. The arguments are those of Channel::await_room, and without meaning otherwise.
  void arm(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads);
  /// Nobody waits any more: the wait ends soon, and silently.
  void disarm();
  /// Makes the descriptor unreadable again; whether it was readable.
  bool take() noexcept;

 private:
  void start();
  void run();
  void wait() noexcept;

  shm::Channel& channel_;
  For purpose_;
  pid_t process_;
  int event_file_;
  std::mutex mutex_;
  std::condition_variable change_;
  bool armed_ = false;  ///< Guarded by the mutex, as the next one.
  bool ending_ = false;
  std::atomic<bool> given_up_{false};
  std::atomic<std::uint64_t> message_bytes_{0};
  std::atomic<std::uint32_t> freed_before_{0};
  std::atomic<bool> nobody_reads_{false};
  std::unique_ptr<std::thread> thread_;
};

void bind_watcher(nb::module_& module);

}  // namespace ipc0cp::python
