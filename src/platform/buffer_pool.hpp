// SPDX-License-Identifier: Apache-2.0
// Private memory for what is copied out of a ring or read from a stream, kept warm.
#pragma once

#include <cstddef>

namespace ipc0cp::platform {

/// Thread safety: all functions may be called by any thread; a buffer may be given back by
/// another thread than the one that took it.
///
/// Small buffers come from a list of each thread, larger ones from a short list per power of two
/// that the process shares: fresh memory would cost a page fault for every 4 KiB copied.
namespace buffer_pool {

inline constexpr std::size_t kSmallBytes = 1216;

/// At least `bytes`, aligned to 64; null without memory.
std::byte* acquire(std::size_t bytes) noexcept;
/// Has memory ready for the next `count` buffers of up to `kSmallBytes` that this thread takes:
/// they are allocated, and written to once, so that taking and filling them under a ring's lock
/// costs neither a system call nor a page fault. `count` is at most 64; without memory there are
/// fewer.
void prepare_small(int count) noexcept;
/// The same for one.
void prepare_small() noexcept;

// ---- for bytes whose number is only claimed ----

/// How much memory is taken on the word of somebody else; more only as the bytes arrive.
inline constexpr std::size_t kTrustedBytes = std::size_t{16} << 20;

/// A buffer that may be smaller than `bytes` and can grow; null without memory.
std::byte* acquire_growing(std::size_t bytes) noexcept;
[[nodiscard]] std::size_t capacity(const std::byte* buffer) noexcept;
/// Doubles the capacity, up to `bytes`, without copying; `buffer` is invalid then. Null without
/// memory: nothing has changed.
std::byte* grow(std::byte* buffer, std::size_t bytes) noexcept;

/// Null is allowed.
void release(std::byte* buffer) noexcept;

}  // namespace buffer_pool
}  // namespace ipc0cp::platform
