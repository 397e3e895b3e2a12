// SPDX-License-Identifier: Apache-2.0
// What a failing call on a ring says: what was asked, what is there, and the way out.
#pragma once

#include <cstdint>
#include <string>

#include "ipc0cp/error.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

/// For a code that needs no more than the name of the ring.
std::string handle_text(ErrorCode code, const std::string& ring_name);
/// The same for a message that was to be popped.
std::string pop_text(ErrorCode code, const shm::Channel& channel);
/// The same for a message of so many bytes that was to be pushed within `timeout_ns`.
std::string push_text(ErrorCode code, const shm::Channel& channel, std::uint64_t message_bytes,
                      std::int64_t timeout_ns);

}  // namespace ipc0cp
