// SPDX-License-Identifier: Apache-2.0
// Joining a ring from the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipc0cp/consumer.hpp"
#include "ipc0cp/producer.hpp"
#include "ipc0cp/timeout.hpp"

namespace ipc0cp::cli {

/// What a ring holds that is made here and nobody has given a size for, as in Python.
inline constexpr std::uint64_t kDefaultRingBytes = std::uint64_t{256} << 20;

Timeout timeout_of(const std::optional<double>& seconds);

/// Joins the ring as it is, or makes it.
SharedRingBufferProducer open_producer(const std::string& name,
                                       const std::optional<std::uint64_t>& size, Timeout timeout);
/// Joins the ring, waiting for somebody to make it unless `size` is given.
/// @param removes_ring as the last consumer; else it stays for the next one.
SharedRingBufferConsumer open_consumer(const std::string& name,
                                       const std::optional<std::uint64_t>& size, Timeout timeout,
                                       bool removes_ring);

/// Joins the ring as a subscriber that takes nothing from anybody and slows nobody: what it has not
/// read is given up for want of room. The ring stays when it leaves.
SharedRingBufferConsumer open_subscriber(const std::string& name, Timeout timeout);

/// Leaves a ring whose stream has ended, and removes it although `consumer` would not: as a
/// consumer that does, and is there for a moment only. A ring that others have still to read stays.
void leave_ended_ring(SharedRingBufferConsumer& consumer);

}  // namespace ipc0cp::cli
