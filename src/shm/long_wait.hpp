// SPDX-License-Identifier: Apache-2.0
// The one line that a call writes once it has been blocked for long: who holds what, what to do.
// A consumer that is merely idle writes none, because that is how consumers spend their time; one
// that waits in vain does.
#pragma once

#include <cstdint>

#include "platform/clock.hpp"
#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// A call that has been blocked for so long says why, once.
inline constexpr std::int64_t kLongWaitNs = 5 * platform::kSecond;

/// What a blocked call waits for.
enum class Wait { kLock, kRoom, kConsumer };

void log_long_wait(const AttachedRing& ring, Wait wait) noexcept;
/// Why nothing may ever come to a pop that has found nothing. Silent while any producer is there
/// that could push, and at the end of the stream.
/// @return whether there was something to tell.
bool log_silence(const AttachedRing& ring, std::uint32_t expected_producers,
                 std::int64_t waited_ns) noexcept;

}  // namespace ipc0cp::shm
