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
#include <optional>
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

/// Hands queued log lines to Python. Needs the GIL.
void deliver_log_lines();

/// Runs `function` without the GIL. An exception that a signal handler raised meanwhile (Ctrl-C)
/// wins over the error that ended the call.
template <class Function>
auto without_gil(Function&& function) -> decltype(function()) {
  try {
    struct DeliverAtEnd {
      ~DeliverAtEnd() noexcept { deliver_log_lines(); }
    } deliver_at_end;
    const WithoutGil region;
    return std::forward<Function>(function)();
  } catch (const Error&) {
    if (PyErr_Occurred() != nullptr) nb::raise_python_error();
    throw;
  }
}

/// Raises what a signal handler has raised in a call of the core that does not fail for it.
void raise_pending_error();

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
