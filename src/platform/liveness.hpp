// SPDX-License-Identifier: Apache-2.0
// Who lives: open-file-description locks on single bytes far behind the end of the file.
//
// The kernel drops such a lock when the last descriptor of its open file description is closed,
// which every death does. A forked child shares the description, so it must close its copies; a
// mapping of the description would keep it open, so files that hold locks are never mapped.
#pragma once

#include <cstdint>

namespace ipc0cp::platform {

enum class LockKind { read, write };
enum class LockResult { taken, busy, failed };

/// Takes the byte without waiting.
LockResult lock_byte(int file, std::uint64_t byte, LockKind kind) noexcept;
void unlock_byte(int file, std::uint64_t byte) noexcept;

/// Whether another open file description holds a write lock in the range. A probe that fails
/// answers true: nobody is declared dead for want of knowledge.
bool range_is_held(int file, std::uint64_t first_byte, std::uint64_t count) noexcept;

/// The same for a byte that this process locks itself, through another of its descriptors. Whoever
/// closes all descriptors of a process closes that one, too: then the lock is gone as well.
bool own_byte_is_held(int file, std::uint64_t byte) noexcept;

/// Moves a descriptor to a high number, out of the way of close_range() and of loops over small
/// numbers; gives the same descriptor back where that is not possible.
int move_high(int file) noexcept;

}  // namespace ipc0cp::platform
