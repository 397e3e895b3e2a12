// SPDX-License-Identifier: Apache-2.0
// What the library logs, as text.
#pragma once

#include <string>
#include <string_view>

#include "ipc0cp/log.hpp"

namespace ipc0cp::testing {

/// Catches what is logged.
class Log {
 public:
  Log() {
    set_log_sink([this](LogLevel, std::string_view text) { text_ += text; });
  }
  ~Log() { set_log_sink({}); }
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace ipc0cp::testing
