// SPDX-License-Identifier: Apache-2.0
// Mutexes that a forked child can still use.
#pragma once

#include <pthread.h>

#include <mutex>

namespace ipc0cp::platform {

/// Holds the mutex across every later fork, so that the child never finds it locked by a thread
/// it does not have. Registers once.
template <std::mutex& mutex>
void keep_usable_after_fork() noexcept {
  static const int registered =
      pthread_atfork([] { mutex.lock(); }, [] { mutex.unlock(); }, [] { mutex.unlock(); });
  static_cast<void>(registered);
}

}  // namespace ipc0cp::platform
