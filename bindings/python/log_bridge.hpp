// SPDX-License-Identifier: Apache-2.0
/// @file
/// Log lines of the core on their way to Python's logging module.
///
/// The core logs from any thread, with or without the GIL. Its lines are put into a bounded queue
/// and handed to Python where a thread holds the GIL anyway: at the end of each call and in the
/// interrupt check of blocked calls. So a log line never waits for the GIL and cannot deadlock.
#pragma once

#include <nanobind/nanobind.h>

namespace ipc0cp::python {

namespace nb = nanobind;

/// Whether there is something to deliver. Any thread, no GIL needed.
bool log_lines_are_waiting() noexcept;

/// From now on lines go to standard error: Python is going away. Any thread.
void detach_log_from_python() noexcept;

/// Adds `set_log_receiver` and `set_core_log_level` to the module.
void bind_log(nb::module_& module);

}  // namespace ipc0cp::python
