// SPDX-License-Identifier: Apache-2.0
// Level: a descriptor that is readable as long as a ring has something to do for its handle.
#pragma once

#include <cstddef>
#include <memory>

#include "platform/fork_safe.hpp"
#include "ring/watcher.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// Follows the state of a ring from both sides: what makes the descriptor readable is told by the
/// watcher's thread, what makes it unreadable by the calls of the handle, before they return.
///
///   consumer  readable while a pop has an answer; each call that pops looks at what is left. What
///             the consumer of another handle takes is seen only at the next call, or `look`
///   producer  unreadable from a push that found no room until one like it may succeed
///
/// Thread safety: all members may be called from any thread. Fork: see Watcher. Invariants:
/// 1. It belongs to the channel, and has a watcher while it has users.
/// 2. Unless the descriptor is readable a wait is under way: looks and their outcome are one step
///    under the mutex, and a wait tells only of what it has seen after the last of them.
class Level final : public shm::CallObserver {
 public:
  explicit Level(shm::Channel& channel) noexcept : channel_(channel) {}
  /// That of a channel.
  static Level& of(shm::Channel& channel);

  /// One more user, who keeps the channel until `leave`. The first one pays for a thread and a
  /// descriptor.
  /// @throws Error closed, forked_handle, system_error.
  void join();
  /// The last one takes both along.
  void leave() noexcept;
  /// For users: valid until they leave, and readable for ever once the handle is closed.
  [[nodiscard]] int descriptor() const noexcept { return watcher_->descriptor(); }
  /// For users: whether the descriptor is readable by right. Looks at the ring.
  [[nodiscard]] bool look() noexcept;

  void popped() noexcept override;
  void refused(const shm::RoomWanted& wanted) noexcept override;

 private:
  [[nodiscard]] bool answer_is_in_sight() const noexcept;
  bool show(bool is_ready) noexcept;

  shm::Channel& channel_;
  platform::Mutex mutex_;  ///< Guards what follows.
  std::size_t users_ = 0;
  std::unique_ptr<Watcher> watcher_;
};

}  // namespace ipc0cp
