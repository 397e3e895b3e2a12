// SPDX-License-Identifier: Apache-2.0
// What becomes of a worker at SIGUSR1, other than a kill: `fate=exit`, `exec`, `clone` or
// `close_range`. python/tests/process/python_worker.py knows the same.
#pragma once

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "ring_worker.hpp"

namespace ipc0cp_process_test {

/// One per process. The handler runs at any instruction and uses nothing but system calls.
class Fate {
 public:
  Fate(const std::string& name, const Ledger& ledger) {
    if (name.empty()) return;
    ledger_ = &ledger;
    struct sigaction action {};
    action.sa_handler = handler_of(name);
    sigaction(SIGUSR1, &action, nullptr);
  }

  /// Between two operations: a process that closes descriptors which are not its own does so in
  /// its own code, not in the middle of ours.
  static void between_operations() {
    if (!close_wanted_.exchange(false)) return;
    syscall(SYS_close_range, 3U, ~0U, 0U);
    ledger()[Ledger::kReady] = kFateIsDone;
  }

 private:
  using Handler = void (*)(int);
  static constexpr std::uint64_t kFateIsDone = 2;

  static const Ledger& ledger() { return *ledger_; }

  static Handler handler_of(const std::string& name) {
    if (name == "exit") return [](int) { _exit(0); };
    if (name == "exec") {
      return [](int) {
        execl("/bin/sleep", "sleep", "60", nullptr);
        _exit(1);
      };
    }
    if (name == "clone") return clone_without_handlers;
    if (name == "close_range") return [](int) { close_wanted_ = true; };
    throw std::runtime_error("fate=exit, exec, clone or close_range");
  }

  /// A child that no fork handler has seen: it keeps our locks for as long as it lives.
  static void clone_without_handlers(int) {
    if (syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr) != 0) {
      ledger()[Ledger::kReady] = kFateIsDone;
      return;
    }
    alarm(60);
    while (ledger()[Ledger::kStop] == 0) usleep(10'000);
    _exit(0);
  }

  static inline const Ledger* ledger_ = nullptr;
  static inline std::atomic<bool> close_wanted_{false};
};

}  // namespace ipc0cp_process_test
