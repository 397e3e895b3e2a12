// SPDX-License-Identifier: Apache-2.0
// How long a handle lives: until its owner and the last loan or message are gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "platform/deadline.hpp"
#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// The base of a channel: its ring, who refers to it, and what it has handed out.
///
/// Thread safety: all members may be called by any thread, but for what needs the ring's lock.
///
/// Invariants
/// 1. The token is kept until the handle is closed *and* the last loan and message are given back
///    ("lingering"), because freeing it earlier would hand out memory under a live view.
/// 2. It is deleted when the last reference goes: the owner's, the one of all loans and messages
///    together, and those held for a moment.
class HandleLifetime {
 public:
  explicit HandleLifetime(std::unique_ptr<AttachedRing> ring) noexcept : ring_(std::move(ring)) {}
  HandleLifetime(const HandleLifetime&) = delete;
  HandleLifetime& operator=(const HandleLifetime&) = delete;

  [[nodiscard]] AttachedRing& ring() const noexcept { return *ring_; }
  [[nodiscard]] const std::string& name() const noexcept { return ring_->name(); }
  [[nodiscard]] const Geometry& geometry() const noexcept { return ring_->geometry(); }
  [[nodiscard]] bool closed() const noexcept { return closed_.load(std::memory_order_acquire); }
  [[nodiscard]] bool forked() const noexcept { return ring_->forked(); }

  /// Takes the ring's lock, and waits for it while others have it, for 5 ms or until the deadline,
  /// whichever is later.
  /// @return ok; timeout; forked_handle; what `check_while_waiting` found.
  ErrorCode lock(platform::Deadline& deadline) noexcept;

  /// Whoever closes all handles of the process leaves this one to its owner.
  void outlive_exit_hook() noexcept { outlives_exit_hook_.store(true, std::memory_order_relaxed); }
  [[nodiscard]] bool outlives_exit_hook() const noexcept {
    return outlives_exit_hook_.load(std::memory_order_relaxed);
  }

  /// Keeps the handle for a moment; false if it is being deleted already.
  bool add_reference() noexcept;
  void unreference() noexcept;

  /// A loan or message is handed out. Needs the ring's lock.
  void count_acquired() noexcept {
    acquired_.store(acquired_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  /// One is given back; the last one of a closed handle ends it, so nothing of it is touched after.
  void count_release() noexcept {
    if (released_.fetch_add(1, std::memory_order_acq_rel) + 1 == 0) [[unlikely]]
      drop_token();
  }
  [[nodiscard]] bool ever_acquired() const noexcept { return acquired_.load() != 0; }
  [[nodiscard]] bool holds_anything() const noexcept {
    return acquired_.load() != released_.load();
  }
  /// Something of ours is left for others to recover.
  void leave_unclean() noexcept { leaves_unclean_ = true; }

 protected:
  virtual ~HandleLifetime() = default;

  /// @return false if it was closed already.
  bool mark_closed() noexcept { return !closed_.exchange(true); }
  /// What is out at the end of `close` keeps the token; else it goes now.
  void end_when_all_is_given_back() noexcept;

  // NOLINTNEXTLINE: the derived channel works on its ring all the time.
  std::unique_ptr<AttachedRing> ring_;

 private:
  void drop_token() noexcept;
  ErrorCode lock_slowly(platform::Deadline& deadline) noexcept;

  std::atomic<bool> closed_{false};
  std::atomic<bool> leaves_unclean_{false};
  std::atomic<bool> outlives_exit_hook_{false};
  std::atomic<int> references_{2};         ///< The owner, and all loans and messages together.
  std::atomic<std::int64_t> acquired_{0};  ///< Handed out; written under the ring's lock.
  /// Given back; the end of `close` subtracts `acquired_`, so that the last one makes 0.
  alignas(64) std::atomic<std::int64_t> released_{0};
};

}  // namespace ipc0cp::shm
