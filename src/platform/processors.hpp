// SPDX-License-Identifier: Apache-2.0
// How many processors this process has, and which one it is on.
#pragma once

#include <sched.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "platform/control_groups.hpp"

namespace ipc0cp::platform {

/// The processors of this process and its peers.
struct Processors {
  /// How many there are, or whose time its groups (cgroups) may use, if that is less but at least
  /// two. A process bound to one counts all that are online: its peers may be there.
  unsigned count = 1;
  /// Whether its groups may use less than two: then all their threads stand still for the rest of
  /// each period (0.1 s) in which they have used up what they have together.
  bool rationed = false;
};
/// As they are now: a handle that is open does not learn of a quota that is set later.
Processors processors(const GroupFiles& groups = {});
/// The part of it that looks at the quotas.
void heed_quotas(const GroupFiles& groups, Processors& processors);

/// The number of the processor that this thread is on, from 1. Out of date as soon as the thread is
/// moved. Takes less than a nanosecond where the kernel keeps the number in the thread's memory
/// (restartable sequences, glibc 2.35), else a call.
inline std::uint32_t current_processor() noexcept {
#ifdef RSEQ_SIG
  if (__rseq_size != 0) {
    const auto* thread = static_cast<const std::byte*>(__builtin_thread_pointer());
    std::uint32_t number = 0;
    std::memcpy(&number, thread + __rseq_offset + offsetof(struct rseq, cpu_id), sizeof number);
    return number + 1;
  }
#endif
  return static_cast<std::uint32_t>(sched_getcpu()) + 1;
}

}  // namespace ipc0cp::platform
