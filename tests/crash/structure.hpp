// SPDX-License-Identifier: Apache-2.0
// The invariants of the control pages, checked from outside in O(descriptors + bins).
#pragma once

#include <optional>

#include "ledger.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::crash {

/// Who may still own something in the ring that is checked.
enum class Inhabitants { none, some };

/// Checks that no block is lost and no list is broken: blocks, holes and wilderness cover the main
/// part exactly, each descriptor is in exactly one list, the queue is in order, counts are right.
/// Nobody may be inside the ring. `none`: everything must look as recover() leaves a dead ring.
void check_structure(const shm::Segment& segment, Inhabitants inhabitants, Violations& violations);

/// The messages of the queue, front first, each proved by its payload, metadata and red zone.
std::vector<MessageId> read_queue(const shm::Segment& segment, const std::byte* arena,
                                  Violations& violations);

/// The message in one block; nothing if its payload, metadata or red zone is damaged.
std::optional<MessageId> read_block(const shm::Segment& segment, const std::byte* arena,
                                    std::uint32_t index);

}  // namespace ipc0cp::crash
