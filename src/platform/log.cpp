// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/log.hpp"

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "platform/fork_safe.hpp"
#include "platform/log.hpp"

namespace ipc0cp {
namespace {

std::atomic<int> g_level{static_cast<int>(LogLevel::warning)};
std::mutex g_sink_mutex;
const platform::UsableAfterFork<g_sink_mutex> g_sink_after_fork;

// A thread may log while the process is exiting.
constinit platform::NeverDestroyed<std::shared_ptr<const LogSink>> g_sink;

void write_to_standard_error(LogLevel level, std::string_view text) {
  const char* name = level >= LogLevel::error     ? "error"
                     : level >= LogLevel::warning ? "warning"
                     : level >= LogLevel::info    ? "info"
                                                  : "debug";
  std::fprintf(stderr, "ipc0cp: %s: %.*s\n", name, static_cast<int>(text.size()), text.data());
}

}  // namespace

void set_log_level(LogLevel level) noexcept {
  g_level.store(static_cast<int>(level), std::memory_order_relaxed);
}

LogLevel log_level() noexcept {
  return static_cast<LogLevel>(g_level.load(std::memory_order_relaxed));
}

void set_log_sink(LogSink sink) {
  auto replacement = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard guard(g_sink_mutex);
  g_sink.value.swap(replacement);
}

void log(LogLevel level, std::string_view text) noexcept {
  if (level < log_level()) return;
  std::shared_ptr<const LogSink> sink;
  {
    const std::lock_guard guard(g_sink_mutex);
    sink = g_sink.value;
  }
  if (sink) {
    (*sink)(level, text);
  } else {
    write_to_standard_error(level, text);
  }
}

}  // namespace ipc0cp
