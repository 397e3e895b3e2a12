// SPDX-License-Identifier: Apache-2.0
// What a ring looks like at one moment, as plain values: those of ipc0cp/inspect.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "ipc0cp/inspect.hpp"
#include "ipc0cp/stats.hpp"
#include "shm/control_copy.hpp"

namespace ipc0cp::shm {

// Everything that tells of a ring says what stands here: `stats()`, the line of a call that is
// blocked for long, ipc0cp/inspect.hpp and what is built on it. Reading needs no lock and changes
// nothing. `probe_file` is an open file description of the ring that is no handle's own, for asking
// who lives; -1: everybody is taken to live.

/// What the header and the slots tell; name and file are the caller's to fill in.
void summarise(const ControlCopy& copy, int probe_file, inspect::RingSummary& summary);
/// All of it; `copy` has to hold everything.
void describe(const ControlCopy& copy, int probe_file, inspect::Ring& ring);
/// Of a ring that this process has joined. @throws std::bad_alloc
inspect::Ring take_snapshot(const Segment& segment, int probe_file);

/// Places in `copy` of the messages that stood still, oldest first.
std::vector<std::uint32_t> queued_places(const ControlCopy& copy);
inspect::QueuedMessage queued_message(const Descriptor& block, std::int64_t now_ns) noexcept;

/// The figures of the header alone; consistent within themselves under the ring's lock.
RingStats stats_of(const Segment& segment) noexcept;

}  // namespace ipc0cp::shm
