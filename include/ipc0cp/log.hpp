// SPDX-License-Identifier: Apache-2.0
/// @file
/// Log lines of the library: few, each for a person. Off below `warning` unless asked for.
#pragma once

#include <functional>
#include <string_view>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Severity of a log line; the numbers are those of Python's logging module.
enum class LogLevel : int { debug = 10, info = 20, warning = 30, error = 40, off = 100 };

/// Where log lines go. Called from whatever thread has something to say, never under a lock of
/// the ring; must not throw.
using LogSink = std::function<void(LogLevel, std::string_view)>;

/// Lines below `level` are dropped. Default: `warning`. Thread-safe.
IPC0CP_EXPORT void set_log_level(LogLevel level) noexcept;
/// The level below which lines are dropped. Thread-safe.
[[nodiscard]] IPC0CP_EXPORT LogLevel log_level() noexcept;

/// Replaces the sink; an empty function restores the default, standard error. Thread-safe.
IPC0CP_EXPORT void set_log_sink(LogSink sink);

}  // namespace ipc0cp
