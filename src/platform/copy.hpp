// SPDX-License-Identifier: Apache-2.0
// Copying payloads, in the way that suits their size and the processor.
//
// A copy that writes past the cache (streaming stores) spares the reading of each line that is
// about to be overwritten, but the reader then finds nothing in the cache. So it pays only for what
// does not stay there anyway. Through a ring, one producer and one consumer that reads every line,
// medians of 3 on an AMD EPYC with 32 MiB of cache, MB/s:
//
//   payload      4 MiB    16 MiB   64 MiB
//   memcpy       57,600   20,300   13,800
//   streaming    23,400   22,800   18,300
//   rep movsb    59,400   27,000   18,200
//
// On an Intel Sapphire Rapids streaming brought 1.25x at 64 MiB, `rep movsb` nothing. From 96 MiB
// on the C library streams by itself on some processors, a third faster than we do, so that it is
// left to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ipc0cp::platform {

enum class CopyKind : std::uint8_t { memcpy, stream, rep_movsb };

/// Copies of `from` <= bytes < `until` are of the kind; the others are memcpy.
struct CopyRule {
  CopyKind kind = CopyKind::memcpy;
  std::size_t from = SIZE_MAX;
  std::size_t until = SIZE_MAX;
};

/// @param forced the value of IPC0CP_COPY: empty or "auto" for the rule above, else "memcpy",
///   "stream" or "rep_movsb" for all copies of 4 KiB and more. An unknown one is logged and
///   ignored, and so is one that this processor cannot do.
/// @param cache_bytes the last cache of the processor, 0: not known.
CopyRule copy_rule(std::string_view forced, std::size_t cache_bytes);

/// The rule of this process, from the environment and /sys as they were when it began.
const CopyRule& copy_rule() noexcept;

/// The part of `copy` that is not memcpy.
void copy_by(CopyKind kind, std::byte* target, const std::byte* source, std::size_t bytes) noexcept;

/// memcpy, or better. What is written is visible to whoever sees a later release store of this
/// thread, as with memcpy. Regions must not overlap; both may be null if there are no bytes.
inline void copy(std::byte* target, const std::byte* source, std::size_t bytes) noexcept {
  constexpr std::size_t kNeverSpecial = 4096;
  if (bytes >= kNeverSpecial) {
    const CopyRule& rule = copy_rule();
    if (bytes >= rule.from && bytes < rule.until) {
      return copy_by(rule.kind, target, source, bytes);
    }
  }
  if (bytes != 0) std::memcpy(target, source, bytes);
}

}  // namespace ipc0cp::platform
