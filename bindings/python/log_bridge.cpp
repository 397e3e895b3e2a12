// SPDX-License-Identifier: Apache-2.0
#include "log_bridge.hpp"

#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "gil.hpp"
#include "ipc0cp/log.hpp"
#include "platform/fork_safe.hpp"

namespace ipc0cp::python {
namespace {

struct Line {
  int level;
  std::string text;
};

/// Older lines are dropped first; nobody reads more than this at once.
constexpr std::size_t kMostLines = 1000;

std::mutex g_mutex;
const platform::UsableAfterFork<g_mutex> g_usable_after_fork;
// A thread may log while the process is exiting.
platform::NeverDestroyed<std::deque<Line>> g_lines;
std::atomic<bool> g_lines_wait{false};
PyObject* g_receiver = nullptr;  // Guarded by the GIL, never freed.

void take_line(LogLevel level, std::string_view text) {
  const std::lock_guard guard(g_mutex);
  if (g_lines.value.size() == kMostLines) g_lines.value.pop_front();
  g_lines.value.push_back({static_cast<int>(level), std::string(text)});
  g_lines_wait.store(true, std::memory_order_relaxed);
}

std::size_t count_lines() {
  const std::lock_guard guard(g_mutex);
  return g_lines.value.size();
}

std::optional<Line> next_line() {
  const std::lock_guard guard(g_mutex);
  if (g_lines.value.empty()) return std::nullopt;
  Line line = std::move(g_lines.value.front());
  g_lines.value.pop_front();
  g_lines_wait.store(!g_lines.value.empty(), std::memory_order_relaxed);
  return line;
}

/// False: the receiver has raised something that is now pending. Signal handlers run in it, and
/// only they raise in the thread that handles signals what logging does not deal with itself; in
/// other threads it is a mistake of a filter or handler of logging.
bool deliver(const Line& line) {
  const nb::object level = nb::steal(PyLong_FromLong(line.level));
  const nb::object text = nb::steal(
      PyUnicode_DecodeUTF8(line.text.data(), static_cast<Py_ssize_t>(line.text.size()), "replace"));
  const nb::object result =
      nb::steal(PyObject_CallFunctionObjArgs(g_receiver, level.ptr(), text.ptr(), nullptr));
  if (result.is_valid()) return true;
  if (handles_signals() || PyErr_ExceptionMatches(PyExc_Exception) == 0) return false;
  PyErr_WriteUnraisable(g_receiver);
  return true;
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
  if (PyErr_Occurred() != nullptr) return;
  is_delivering = true;
  // No more than there are now: a receiver may add to them.
  for (std::size_t left = count_lines(); left > 0; --left) {
    const std::optional<Line> line = next_line();
    if (!line || !deliver(*line)) break;
  }
  is_delivering = false;
}

void detach_log_from_python() noexcept {
  set_log_sink({});
  set_log_level(LogLevel::warning);
}

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
