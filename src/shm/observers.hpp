// SPDX-License-Identifier: Apache-2.0
// Who is told what happens to a channel: descriptors that event loops watch.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "platform/fork_safe.hpp"

namespace ipc0cp::shm {

/// What a push that was refused would need.
struct RoomWanted {
  std::uint64_t message_bytes = 0;  ///< Counted against the capacity.
  std::uint64_t block_bytes = 0;
  bool nobody_reads = false;  ///< It found no consumer, and waits for one.
  bool no_memory = false;     ///< It found no memory for growth: only what is reserved counts.
};

/// Is told when a channel has been closed.
class CloseObserver {
 public:
  /// In the thread that closes; once.
  virtual void channel_closed() noexcept = 0;

 protected:
  ~CloseObserver() = default;
};

/// Is told of calls after which a ring may have less for its handle than before. What it has more
/// of is told by the event words.
class CallObserver {
 public:
  virtual ~CallObserver() = default;
  /// A pop has ended, however.
  virtual void popped() noexcept = 0;
  /// A push has found no room, or no consumer.
  virtual void refused(const RoomWanted& wanted) noexcept = 0;
};

/// Those of one channel.
///
/// Thread safety: all members may be called from any thread. Fork: the child's copy of a handle is
/// over, and is neither called nor closed. Invariants:
/// 1. Each CloseObserver is told once, be it added before the end of the channel or after.
/// 2. The CallObserver, once there, stays as long as the channel: who calls needs no lock.
class Observers {
 public:
  /// Null until `call_observer` has been called: then a call pays for one load and one branch.
  [[nodiscard]] CallObserver* of_calls() const noexcept {
    return of_calls_.load(std::memory_order_acquire);
  }
  /// The one observer of calls, which `make` makes for the first who asks.
  template <class Make>
  CallObserver& call_observer(Make make) {
    const std::lock_guard lock(mutex_);
    if (owned_ == nullptr) {
      owned_ = make();
      of_calls_.store(owned_.get(), std::memory_order_release);
    }
    return *owned_;
  }
  /// Told at once if the channel is closed already.
  void add(CloseObserver& observer) {
    {
      const std::lock_guard lock(mutex_);
      if (!closed_) {
        of_close_.push_back(&observer);
        return;
      }
    }
    observer.channel_closed();
  }
  /// Not told any more; waits while it is being told.
  void remove(CloseObserver& observer) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase(of_close_, &observer);
  }
  /// The channel has been closed.
  void close() noexcept {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    for (CloseObserver* observer : std::exchange(of_close_, {})) observer->channel_closed();
  }

 private:
  platform::Mutex mutex_;  ///< Guards what follows.
  bool closed_ = false;
  std::vector<CloseObserver*> of_close_;
  std::unique_ptr<CallObserver> owned_;
  std::atomic<CallObserver*> of_calls_{nullptr};
};

}  // namespace ipc0cp::shm
