// SPDX-License-Identifier: Apache-2.0
#include "gil.hpp"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

#include "ipc0cp/ring_buffer.hpp"
#include "ipc0cp/stdio.hpp"
#include "log_bridge.hpp"
#include "platform/fork_safe.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::python {
namespace {

std::atomic<bool> g_gate_closed{false};
/// Threads between the gate and the GIL. `shut_down` waits until they are through.
std::atomic<int> g_threads_in_gate{0};
pthread_t g_exit_thread;
thread_local WithoutGil* t_region = nullptr;
/// `_signal.set_wakeup_fd`. Guarded by the GIL, never freed.
PyObject* g_set_wakeup_fd = nullptr;
enum class Signals : std::uint8_t { not_asked, here, elsewhere };
thread_local Signals t_signals = Signals::not_asked;

/// The store of the flag in `shut_down` and the increment here are both sequentially consistent:
/// either this thread sees the closed gate or `shut_down` sees this thread.
bool enter_gate() noexcept {
  g_threads_in_gate.fetch_add(1, std::memory_order_seq_cst);
  if (!g_gate_closed.load(std::memory_order_seq_cst) ||
      pthread_equal(pthread_self(), g_exit_thread) != 0) {
    return true;
  }
  g_threads_in_gate.fetch_sub(1, std::memory_order_seq_cst);
  return false;
}

void leave_gate() noexcept { g_threads_in_gate.fetch_sub(1, std::memory_order_seq_cst); }

[[noreturn]] void park_for_ever() noexcept {
  for (;;) ::pause();
}

void wait_until_gate_is_empty() noexcept {
  constexpr int kMostRounds = 10'000;
  constexpr timespec kRound{0, 100'000};
  for (int round = 0; round < kMostRounds && g_threads_in_gate.load() != 0; ++round) {
    nanosleep(&kRound, nullptr);
  }
}

void after_fork_in_child() {
  // Only the forking thread lives on, and it is not in the gate.
  g_threads_in_gate.store(0);
  t_signals = Signals::not_asked;  // It is the main thread from now on.
}

}  // namespace

WithoutGil::WithoutGil() noexcept : state_(PyEval_SaveThread()), outer_(t_region) {
  t_region = this;
}

WithoutGil::~WithoutGil() {
  t_region = outer_;
  if (!enter_gate()) park_for_ever();
  PyEval_RestoreThread(state_);
  leave_gate();
}

bool WithoutGil::resume() noexcept {
  if (!enter_gate()) return false;
  PyEval_RestoreThread(state_);
  leave_gate();
  return true;
}

void WithoutGil::pause() noexcept { state_ = PyEval_SaveThread(); }

WithGil::WithGil() : region_(t_region) {
  if (region_ != nullptr) {
    if (!region_->resume()) throw Error(ErrorCode::closed, "Python is going away");
    t_region = nullptr;  // Python code that runs now may give the GIL away in a region of its own.
  }
  pending_error_.emplace();
}

WithGil::~WithGil() {
  pending_error_.reset();
  if (region_ == nullptr) return;
  t_region = region_;
  region_->pause();
}

bool interrupt_check() {
  WithoutGil* region = t_region;
  if (region == nullptr) return false;
  if (t_signals == Signals::elsewhere && !log_lines_are_waiting()) return false;
  // Python code that runs here may block in a ring again, with a region of its own.
  if (!region->resume()) return false;
  t_region = nullptr;
  // A call that was interrupted is asked again while it comes to its end.
  const bool pending = PyErr_Occurred() != nullptr;
  if (!pending && handles_signals()) PyErr_CheckSignals();
  deliver_log_lines();
  const bool interrupted = !pending && PyErr_Occurred() != nullptr;
  t_region = region;
  region->pause();
  return interrupted;
}

/// Asked of the interpreter's own check. What `threading` says is no answer: gevent and others
/// replace its functions by theirs. A descriptor that cannot be is refused after that check, so
/// nothing is changed.
bool handles_signals() {
  if (t_signals == Signals::not_asked) {
    const nb::error_scope keep_pending_error;
    constexpr int kNoDescriptor = -2;
    PyObject* result = PyObject_CallFunction(g_set_wakeup_fd, "i", kNoDescriptor);
    Py_XDECREF(result);
    const bool refused = result == nullptr && PyErr_ExceptionMatches(PyExc_ValueError) != 0;
    PyErr_Clear();
    t_signals = refused ? Signals::elsewhere : Signals::here;
  }
  return t_signals == Signals::here;
}

void raise_soon() {
  if (PyErr_Occurred() == nullptr) return;
  if (!handles_signals()) return PyErr_WriteUnraisable(nullptr);
  const auto raise = [](void* value) {
    const nb::object exception = nb::steal(static_cast<PyObject*>(value));
    PyErr_SetObject(exception.type().ptr(), exception.ptr());
    return -1;
  };
  const nb::python_error error;  // Takes what is pending.
  nb::object exception = nb::borrow(error.value());
  if (Py_AddPendingCall(raise, exception.ptr()) == 0) {
    exception.release();
  } else {
    PyErr_SetObject(exception.type().ptr(), exception.ptr());
    PyErr_WriteUnraisable(nullptr);
  }
}

void raise_pending_error() {
  if (PyErr_Occurred() != nullptr) nb::raise_python_error();
}

/// Those of queues stay usable until multiprocessing has waited for the children.
void close_most_handles() noexcept {
  shm::process_channels::close_all(shm::process_channels::Exempt::outliving);
}

void close_handles(bool has_failed) {
  without_gil([&] {
    close_most_handles();
    close_all_streams(has_failed);
  });
  raise_pending_error();
}

void shut_down(bool has_failed) {
  if (g_gate_closed.load()) return;
  g_exit_thread = pthread_self();
  g_gate_closed.store(true, std::memory_order_seq_cst);
  without_gil([&] {
    wait_until_gate_is_empty();
    close_most_handles();
    close_all_streams(has_failed);
  });
  deliver_log_lines();
  detach_log_from_python();
  raise_pending_error();
}

bool is_shut_down() noexcept { return g_gate_closed.load(); }

void set_up_gil(nb::module_& module) {
  nb::object set_wakeup_fd = nb::module_::import_("_signal").attr("set_wakeup_fd");
  g_set_wakeup_fd = set_wakeup_fd.release().ptr();
  platform::on_fork(nullptr, nullptr, after_fork_in_child);
  module.def("shut_down", &shut_down, nb::arg("has_failed"),
             "Close all handles, end all blocked calls and park threads that come back late.");
  module.def("close_handles", &close_handles, nb::arg("has_failed"),
             "Close all handles of this process.");
}

}  // namespace ipc0cp::python
