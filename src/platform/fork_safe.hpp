// SPDX-License-Identifier: Apache-2.0
// Mutexes that a forked child can still use.
#pragma once

#include <pthread.h>

#include <mutex>

namespace ipc0cp::platform {

/// Runs the functions around every later fork.
inline int on_fork(void (*prepare)(), void (*in_parent)(), void (*in_child)()) noexcept {
  return pthread_atfork(prepare, in_parent, in_child);
}

/// Holds the mutex across every later fork, so that the child never finds it locked by a thread
/// it does not have. Registers once.
template <std::mutex& mutex>
void keep_usable_after_fork() noexcept {
  static const int registered =
      pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });
  static_cast<void>(registered);
}

}  // namespace ipc0cp::platform
