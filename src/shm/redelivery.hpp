// SPDX-License-Identifier: Apache-2.0
// Redelivery: a message whose consumer died goes back to its place.
//
// On such a ring every message stays BORROWED until it is finished, so that recover() finds it. A
// finished message that is still viewed is KEPT: its owner's death frees it.
#pragma once

#include <cstdint>

#include "platform/clock.hpp"
#include "shm/handle_lifetime.hpp"
#include "shm/unfinished.hpp"

namespace ipc0cp::shm {

/// What a consumer has not finished yet. Everything but `requeue_block` does nothing on a ring that
/// does not redeliver.
///
/// Thread safety: all members may be called by any thread, without the ring's lock.
class Redelivery {
 public:
  explicit Redelivery(HandleLifetime& handle) noexcept : handle_(handle) {}

  /// A message was handed out. False without memory.
  bool add(std::uint32_t index, StateWord word, bool viewed) noexcept {
    return unfinished_.add(index, word, viewed);
  }
  /// The message object is gone.
  void release(std::uint32_t index, StateWord word) noexcept {
    carry_out(unfinished_.end_message(index, word));
  }
  void finish(std::uint32_t index, StateWord word) noexcept;
  /// The same for the message of this number, whoever holds it. False: it is finished already.
  bool finish(std::uint64_t id) noexcept;
  void requeue(std::uint32_t index, StateWord word) noexcept;
  /// What this thread (or any) has popped is finished.
  void finish_popped(bool of_any_thread) noexcept;
  void requeue_latest() noexcept;
  /// A message was not handed out after all, so it does not matter whether it is finished: close()
  /// does that to all. False: it is not in the table.
  bool forget(std::uint32_t index, StateWord word) noexcept {
    return unfinished_.forget(index, word);
  }
  /// BORROWED or KEPT -> READY with the old sequence, or dropped after too many deliveries; takes
  /// the lock. False if the lock was not to be had in time or the block is not ours any more.
  bool requeue_block(std::uint32_t index, StateWord word, std::uint32_t deliveries,
                     std::int64_t deadline_ns) noexcept;
  /// How long the lock is waited for: a destructor may be waiting.
  static constexpr std::int64_t kRequeueWaitNs = 50 * platform::kMillisecond;

 private:
  void carry_out(const Unfinished::Verdict& verdict) noexcept;
  StateWord keep(std::uint32_t index, StateWord word) noexcept;
  void log_poison(std::uint64_t id, std::uint32_t deliveries) const noexcept;

  HandleLifetime& handle_;
  Unfinished unfinished_;
};

}  // namespace ipc0cp::shm
