// SPDX-License-Identifier: Apache-2.0
#include "log_bridge.hpp"

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "gil.hpp"
#include "ipc0cp/log.hpp"

namespace ipc0cp::python {
namespace {

struct Line {
  int level;
  std::string text;
};

/// Older lines are dropped first; nobody reads more than this at once.
constexpr std::size_t kMostLines = 1000;

std::mutex g_mutex;
// Never destroyed: a thread may log while the process is exiting.
std::deque<Line>& lines() {
  static auto* queue = new std::deque<Line>();
  return *queue;
}
std::atomic<bool> g_lines_wait{false};
PyObject* g_receiver = nullptr;  // Guarded by the GIL, never freed.

void take_line(LogLevel level, std::string_view text) {
  const std::lock_guard guard(g_mutex);
  if (lines().size() == kMostLines) lines().pop_front();
  lines().push_back({static_cast<int>(level), std::string(text)});
  g_lines_wait.store(true, std::memory_order_relaxed);
}

std::deque<Line> take_all_lines() {
  std::deque<Line> taken;
  const std::lock_guard guard(g_mutex);
  taken.swap(lines());
  g_lines_wait.store(false, std::memory_order_relaxed);
  return taken;
}

void set_log_receiver(nb::object receiver) {
  g_receiver = receiver.release().ptr();
  set_log_sink(take_line);
}

}  // namespace

bool log_lines_are_waiting() noexcept { return g_lines_wait.load(std::memory_order_relaxed); }

void deliver_log_lines() {
  // A handler may use a ring itself; its lines wait for the delivery that is running.
  static thread_local bool is_delivering = false;
  if (!log_lines_are_waiting() || g_receiver == nullptr || is_delivering) return;
  is_delivering = true;
  const nb::error_scope keep_pending_error;
  for (const Line& line : take_all_lines()) {
    const nb::object level = nb::steal(PyLong_FromLong(line.level));
    const nb::object text = nb::steal(PyUnicode_DecodeUTF8(
        line.text.data(), static_cast<Py_ssize_t>(line.text.size()), "replace"));
    PyObject* result = PyObject_CallFunctionObjArgs(g_receiver, level.ptr(), text.ptr(), nullptr);
    if (result == nullptr) {
      PyErr_WriteUnraisable(g_receiver);
    } else {
      Py_DECREF(result);
    }
  }
  is_delivering = false;
}

void detach_log_from_python() noexcept {
  set_log_sink({});
  set_log_level(LogLevel::warning);
}

void lock_log_before_fork() { g_mutex.lock(); }
void unlock_log_after_fork() { g_mutex.unlock(); }

void bind_log(nb::module_& module) {
  module.def("set_log_receiver", &set_log_receiver, nb::arg("receiver"),
             nb::sig("def set_log_receiver(receiver: collections.abc.Callable[[int, str], None])"
                     " -> None"),
             "Send the log lines of the core to `receiver(level, text)`.");
  module.def(
      "set_core_log_level", [](int level) { set_log_level(static_cast<LogLevel>(level)); },
      nb::arg("level"), "Drop lines of the core below `level`, a number of the logging module.");
}

}  // namespace ipc0cp::python
