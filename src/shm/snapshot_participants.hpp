// SPDX-License-Identifier: Apache-2.0
// The part of a snapshot that tells who takes part.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ipc0cp/inspect.hpp"
#include "shm/control_copy.hpp"

namespace ipc0cp::shm {

/// Whether the owner of a slot with this role lives, by its locks in the file; true if that cannot
/// be asked (`probe_file` -1).
bool slot_lives(int probe_file, std::uint32_t slot, Role role) noexcept;

/// By slot; those that have left only if something of them is still there.
std::vector<inspect::Participant> participants_of(const ControlCopy& copy, int probe_file);

}  // namespace ipc0cp::shm
