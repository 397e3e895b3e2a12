// SPDX-License-Identifier: Apache-2.0
// Throwing what a failing call on a ring says (error_text.hpp).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/stats.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// Throws the Error of a code that needs no more than the ring's name.
[[noreturn]] void fail(ErrorCode code, const shm::Channel& channel);
/// The same with the size of the message that was asked for.
[[noreturn]] void fail_push(ErrorCode code, const shm::Channel& channel,
                            std::uint64_t message_bytes, std::int64_t timeout_ns);
/// The statistics of a ring. @throws Error closed, forked_handle, corrupt_buffer.
RingStats stats_or_fail(shm::Channel& channel);
/// Gives memory back. @throws Error closed, interrupted, forked_handle, corrupt_buffer.
std::size_t trim_or_fail(shm::Channel& channel);

}  // namespace ipc0cp
