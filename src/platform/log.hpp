// SPDX-License-Identifier: Apache-2.0
// How the library itself writes a log line.
#pragma once

#include <string_view>

#include "ipc0cp/log.hpp"

namespace ipc0cp {

/// Hands one line to the sink. Call it without the ring's lock.
void log(LogLevel level, std::string_view text) noexcept;

}  // namespace ipc0cp
