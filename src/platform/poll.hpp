// SPDX-License-Identifier: Apache-2.0
// Waiting for descriptors.
#pragma once

#include <cstdint>
#include <span>

namespace ipc0cp::platform {

/// Sleeps until one of them is readable, at most `wait_ns`. Returns for a signal alike: the caller
/// looks again.
/// @return 0, or the errno.
[[nodiscard]] int poll_readable(std::span<const int> descriptors, std::int64_t wait_ns);

}  // namespace ipc0cp::platform
