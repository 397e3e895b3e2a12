// SPDX-License-Identifier: Apache-2.0
// The fence that a read-modify-write of x86-64 already is.
#pragma once

#include <atomic>

namespace ipc0cp::platform {

/// A sequentially consistent fence where a read-modify-write of this thread comes before. That is
/// one already on x86-64, so only the compiler is kept from reordering there.
inline void fence_after_rmw() noexcept {
#if defined(__x86_64__)
  std::atomic_signal_fence(std::memory_order_seq_cst);
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace ipc0cp::platform
