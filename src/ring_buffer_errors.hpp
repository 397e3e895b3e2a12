// SPDX-License-Identifier: Apache-2.0
// What a failing call on a ring says to its user.
#pragma once

#include <cstdint>
#include <string>

#include "ipc0cp/error.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// Throws the Error of a code that needs no more than the ring's name.
[[noreturn]] void fail(ErrorCode code, const shm::Channel& channel);
/// The same with the size of the message that was asked for.
[[noreturn]] void fail_push(ErrorCode code, const shm::Channel& channel,
                            std::uint64_t message_bytes, std::int64_t timeout_ns);

}  // namespace ipc0cp
