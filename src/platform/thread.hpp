// SPDX-License-Identifier: Apache-2.0
// A helper thread of the library, and the number that tells threads apart.
#pragma once

#include <pthread.h>

#include <cstdint>
#include <string>

namespace ipc0cp::platform {

/// All signals are blocked in it: they are for the threads of the program. Not a std::thread, whose
/// failure to start is an exception without its reason. In a forked child only the copy of this
/// object is there, and may be destroyed.
///
/// Thread safety: one thread at a time.
class Thread {
 public:
  /// Whether it starts or not, the caller's signal mask is afterwards what it was before.
  /// @return 0, or the errno.
  [[nodiscard]] int start(void (*function)(void*), void* argument) noexcept;
  [[nodiscard]] bool started() const noexcept { return function_ != nullptr; }
  /// Whether this is the thread that calls.
  [[nodiscard]] bool is_current() const noexcept {
    return started() && pthread_equal(id_, pthread_self()) != 0;
  }
  /// Waits for its end.
  void join() noexcept;

 private:
  static void* run(void* thread) noexcept;

  pthread_t id_{};
  void (*function_)(void*) = nullptr;
  void* argument_ = nullptr;
};

/// The limit that a thread which cannot be started has met, as far as can be told: "pids.max of
/// the control group ... is 100", "RLIMIT_NPROC (ulimit -u) is 50", ...
std::string thread_limit();

/// Differs for all threads that this process ever has. The system's ids are given out again as
/// soon as a thread has ended.
std::uint64_t thread_number() noexcept;

}  // namespace ipc0cp::platform
