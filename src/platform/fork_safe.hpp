// SPDX-License-Identifier: Apache-2.0
// What of a process with threads a forked child can still use.
//
// A child has one thread and copies of everything the others were in the middle of. So there are
// three rules, one for each way in which a lock would hang it:
// 1. A mutex of the process guards data that the child needs whole: it is held across the fork
//    (UsableAfterFork).
// 2. A mutex of an object guards what only its handle needs, and the child's copy of the handle is
//    over: what a thread held that the child does not have counts as free (Mutex).
// 3. Nothing is made at first use behind a hidden lock (NeverDestroyed, and objects of namespace
//    scope), and no condition variable is destroyed or signalled in a child: glibc waits there for
//    sleepers that do not exist.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "platform/futex.hpp"
#include "platform/process_identity.hpp"

namespace ipc0cp::platform {

/// Runs the functions around every later fork.
inline int on_fork(void (*prepare)(), void (*in_parent)(), void (*in_child)()) noexcept {
  return pthread_atfork(prepare, in_parent, in_child);
}

/// Stands beside a mutex of the process, at namespace scope: from the load of the library on the
/// mutex is held across every fork, so that the child finds it free and its data whole.
template <std::mutex& mutex>
class UsableAfterFork {
 public:
  UsableAfterFork() noexcept {
    on_fork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });
  }
};

/// An object that outlives all others of the process: threads still use it while it exits.
template <class T>
union NeverDestroyed {
  constexpr NeverDestroyed() : value() {}
  ~NeverDestroyed() {}
  T value;
};

/// The mutex of an object that a forked child may inherit, for std::lock_guard and
/// std::unique_lock. Trivial to destroy; the child's copy is free whoever held it.
///
/// The word is 0, or 31 bits of the holder's fork generation and a bit for "somebody sleeps".
class Mutex {
 public:
  void lock() noexcept {
    const std::uint32_t mine = holder();
    std::uint32_t word = 0;
    if (word_.compare_exchange_strong(word, mine, std::memory_order_acquire)) return;
    lock_slowly(mine);
  }
  /// One attempt; what a thread held that a forked child does not have counts as free.
  bool try_lock() noexcept {
    const std::uint32_t mine = holder();
    std::uint32_t word = word_.load(std::memory_order_relaxed);
    if (word != 0 && (word & ~kSleepers) == mine) return false;
    return word_.compare_exchange_strong(word, mine, std::memory_order_acquire);
  }
  void unlock() noexcept {
    if ((word_.exchange(0, std::memory_order_release) & kSleepers) != 0) futex_wake(word_, 1);
  }

 private:
  static constexpr std::uint32_t kSleepers = 1;

  static std::uint32_t holder() noexcept {
    return (static_cast<std::uint32_t>(ForkGeneration::current()) | 2U) & ~kSleepers;
  }
  void lock_slowly(std::uint32_t mine) noexcept {
    while (true) {
      std::uint32_t word = word_.load(std::memory_order_relaxed);
      const bool is_free = word == 0 || (word & ~kSleepers) != mine;
      // Once we have slept we cannot know who else does, so the word keeps its bit.
      const std::uint32_t next = mine | kSleepers;
      if (word != next && !word_.compare_exchange_strong(word, next, std::memory_order_acquire)) {
        continue;
      }
      if (is_free) return;
      futex_wait(word_, next, kForever);
    }
  }

  std::atomic<std::uint32_t> word_{0};
};

}  // namespace ipc0cp::platform
