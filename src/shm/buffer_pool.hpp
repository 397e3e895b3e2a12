// SPDX-License-Identifier: Apache-2.0
// Private memory for what is copied out of a ring, kept warm.
#pragma once

#include <cstddef>

namespace ipc0cp::shm {

/// Thread safety: all functions may be called by any thread; a buffer may be given back by
/// another thread than the one that took it.
///
/// Small buffers come from a list of each thread, larger ones from a short list per power of two
/// that the process shares: fresh memory would cost a page fault for every 4 KiB copied.
namespace buffer_pool {

inline constexpr std::size_t kSmallBytes = 1216;

/// At least `bytes`, aligned to 64; null without memory.
std::byte* acquire(std::size_t bytes) noexcept;
/// Null is allowed.
void release(std::byte* buffer) noexcept;

}  // namespace buffer_pool
}  // namespace ipc0cp::shm
