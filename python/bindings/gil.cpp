// SPDX-License-Identifier: Apache-2.0
#include "gil.hpp"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "ipc0cp/ring_buffer.hpp"
#include "ipc0cp/stdio.hpp"
#include "log_bridge.hpp"

namespace ipc0cp::python {
namespace {

std::atomic<bool> g_gate_closed{false};
/// Threads between the gate and the GIL. `shut_down` waits until they are through.
std::atomic<int> g_threads_in_gate{0};
pthread_t g_exit_thread;
pthread_t g_main_thread;
thread_local WithoutGil* t_region = nullptr;

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
  g_main_thread = pthread_self();
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
  const bool is_main_thread = pthread_equal(pthread_self(), g_main_thread) != 0;
  if (!is_main_thread && !log_lines_are_waiting()) return false;
  // Python code that runs here may block in a ring again, with a region of its own.
  if (!region->resume()) return false;
  t_region = nullptr;
  deliver_log_lines();
  const bool interrupted = is_main_thread && PyErr_CheckSignals() != 0;
  t_region = region;
  region->pause();
  return interrupted;
}

void raise_pending_error() {
  if (PyErr_Occurred() != nullptr) nb::raise_python_error();
}

void close_handles(bool has_failed) {
  without_gil([&] {
    close_all_handles();
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
    close_all_handles();
    close_all_streams(has_failed);
  });
  deliver_log_lines();
  detach_log_from_python();
  raise_pending_error();
}

bool is_shut_down() noexcept { return g_gate_closed.load(); }

void set_up_gil(nb::module_& module) {
  // The module may be imported by another thread first, so Python is asked which one is main.
  nb::object main_thread = nb::module_::import_("threading").attr("main_thread")();
  g_main_thread = static_cast<pthread_t>(nb::cast<unsigned long>(main_thread.attr("ident")));
  pthread_atfork(lock_log_before_fork, unlock_log_after_fork, [] {
    unlock_log_after_fork();
    after_fork_in_child();
  });
  module.def("shut_down", &shut_down, nb::arg("has_failed"),
             "Close all handles, end all blocked calls and park threads that come back late.");
  module.def("close_handles", &close_handles, nb::arg("has_failed"),
             "Close all handles of this process.");
}

}  // namespace ipc0cp::python
