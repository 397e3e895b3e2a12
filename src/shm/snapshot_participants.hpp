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

/// A moment as somebody has stored it; 0, which stands for "not known", for one before the clock
/// began. So ages, which are differences, are numbers.
constexpr std::int64_t moment_of(std::int64_t stored_ns) noexcept {
  return stored_ns > 0 ? stored_ns : 0;
}

/// By slot; those that have left only if something of them is still there.
std::vector<inspect::Participant> participants_of(const ControlCopy& copy, int probe_file);

}  // namespace ipc0cp::shm
