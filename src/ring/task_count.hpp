// SPDX-License-Identifier: Apache-2.0
// What the processes of a queue share beside its ring: tasks finished, and whether it was shut
// down.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/shared_memory.hpp"

namespace ipc0cp {

/// Three words in a file without a name, which the processes of a queue inherit or are sent.
///
/// The ring counts what was put; here stands what was finished. The difference are the unfinished
/// tasks, so put and get cost nothing for it, and no process that is killed leaves a lock behind:
/// each step is one store. A death between a word and `event` delays those who sleep to the end of
/// the time that they sleep for.
///
/// Thread and process safety: all members but where said; a forked child has the same
/// words. Invariants:
/// 1. `finished` only grows, and never past what its callers say was put.
/// 2. Whoever changes a word adds 1 to `event` afterwards and wakes all who sleep on it, who have
///    read `event` before they looked.
class TaskCount {
 public:
  enum class State : std::uint32_t { open, draining, stopped };

  /// @throws Error no_space: /dev/shm is full; system_error: there is no descriptor to be had.
  TaskCount();
  /// Takes over a descriptor that was inherited or received; it stays the caller's on failure.
  /// @throws Error invalid_argument: it is not that of a TaskCount; system_error.
  static TaskCount adopt(int descriptor);
  TaskCount(TaskCount&&) noexcept = default;

  /// To be inherited or sent; -1 once given up.
  [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
  /// Closes the descriptor; the words stay. Not while another thread asks for it.
  void give_descriptor_up() noexcept { file_.reset(); }

  [[nodiscard]] std::uint64_t finished() const noexcept;
  /// Counts one more as finished; false if all that were `put` are already. What was put is read by
  /// the caller before, so false is the truth only if it is the same afterwards.
  bool finish_one(std::uint64_t put) noexcept;

  [[nodiscard]] State state() const noexcept;
  /// States only rise.
  void raise_state(State state) noexcept;

  /// Changes with each change of the words.
  [[nodiscard]] std::uint32_t event() const noexcept;
  /// Sleeps until `event` has another value than `seen`, at most `wait_ns`; may return early.
  void wait(std::uint32_t seen, std::int64_t wait_ns) const noexcept;

 private:
  struct Words;
  TaskCount(platform::File file, platform::Mapping mapping) noexcept;
  [[nodiscard]] Words& words() const noexcept;
  void announce() noexcept;

  platform::File file_;
  platform::Mapping mapping_;
};

}  // namespace ipc0cp
