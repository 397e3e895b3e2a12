// SPDX-License-Identifier: Apache-2.0
/// @file
/// Giving the GIL away and taking it back, also while the interpreter is going away.
///
/// Thread safety: all functions may be called from any thread; which of them need the GIL is said
/// at each. Invariants:
/// 1. No call waits for another process, or copies more than `kLargeCopyBytes`, with the GIL.
/// 2. Once `shut_down` has run, only the thread that ran it takes the GIL again. All others park
///    at the gate: Python would end them with pthread_exit, which aborts in C++ frames.
#pragma once

#include <nanobind/nanobind.h>

#include <cstddef>
#include <cstdlib>
#include <optional>
#include <type_traits>
#include <utility>

#include "ipc0cp/error.hpp"

namespace ipc0cp::python {

namespace nb = nanobind;

/// Copies of more bytes than this are made without the GIL.
inline constexpr std::size_t kLargeCopyBytes = 32 * 1024;

/// Gives the GIL away for its lifetime. Made with the GIL held.
class WithoutGil {
 public:
  WithoutGil() noexcept;
  ~WithoutGil();
  WithoutGil(const WithoutGil&) = delete;
  WithoutGil& operator=(const WithoutGil&) = delete;

  /// Takes the GIL for a moment inside the region; false if Python is going away.
  bool resume() noexcept;
  /// Gives it away again after a successful `resume`.
  void pause() noexcept;

 private:
  PyThreadState* state_;
  WithoutGil* outer_;
};

/// Takes the GIL for its lifetime in a callback of the core, which runs inside a WithoutGil region.
/// Outside of one the GIL is held anyway. An exception that is pending, as Ctrl-C in the call that
/// this cleans up after, is laid aside meanwhile: Python code would lose it.
class WithGil {
 public:
  /// @throws Error (closed) if Python is going away.
  WithGil();
  ~WithGil();
  WithGil(const WithGil&) = delete;
  WithGil& operator=(const WithGil&) = delete;

 private:
  WithoutGil* region_;
  std::optional<nb::error_scope> pending_error_;
};

/// Hands queued log lines to Python. Needs the GIL. What a signal handler raises meanwhile is
/// pending afterwards, and the lines behind it wait for the next delivery, as all do while an error
/// is pending.
void deliver_log_lines();

/// Whether the signal handlers of Python run in this thread. Needs the GIL.
bool handles_signals();

/// Where an exception can neither be raised nor be let through, as in a destructor: takes the
/// pending one, if any. In the thread that handles signals it comes out of what Python does next,
/// elsewhere it is reported as unraisable. Needs the GIL.
void raise_soon();

/// Raises what a signal handler has raised in a call of the core that does not fail for it.
void raise_pending_error();

/// Runs `function` without the GIL, then delivers log lines. An exception that a signal handler
/// raised meanwhile (Ctrl-C) wins over the outcome of the call.
template <class Function>
auto without_gil(Function&& function) -> decltype(function()) {
  using Result = decltype(function());
  const auto run = [&]() -> Result {
    const WithoutGil region;
    return std::forward<Function>(function)();
  };
  try {
    if constexpr (std::is_void_v<Result>) {
      run();
      deliver_log_lines();
    } else {
      Result result = run();
      deliver_log_lines();
      if (PyErr_Occurred() == nullptr) [[likely]]
        return result;
      const WithoutGil region;  // The end of a handle may take its time.
      static_cast<void>(Result(std::move(result)));
    }
  } catch (...) {
    deliver_log_lines();
    raise_pending_error();
    throw;
  }
  raise_pending_error();
  if constexpr (!std::is_void_v<Result>) std::abort();  // Not reached: an error was pending.
}

/// The core calls this about every 50 ms in a blocked call; see `ipc0cp::InterruptCheck`. Runs
/// signal handlers (main thread only) and delivers log lines.
bool interrupt_check();

/// The atexit hook: ends blocked calls, closes all handles, closes the gate. Needs the GIL.
/// @param has_failed streams end without their closing frame
void shut_down(bool has_failed);

/// Closes all handles of this process and nothing else. Needs the GIL.
void close_handles(bool has_failed);

/// Whether `shut_down` has begun.
bool is_shut_down() noexcept;

/// Registers what must happen around fork and remembers the main thread. Needs the GIL.
void set_up_gil(nb::module_& module);

}  // namespace ipc0cp::python
