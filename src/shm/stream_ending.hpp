// SPDX-License-Identifier: Apache-2.0
// The end of a stream, as one handle was told of it.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "ipc0cp/error.hpp"
#include "ipc0cp/stats.hpp"
#include "shm/attached_ring.hpp"

namespace ipc0cp::shm {

/// Thread safety: all members may be called by any thread; `answer` needs the ring's lock.
class StreamEnding {
 public:
  StreamEnding(AttachedRing& ring, std::uint32_t expected_producers) noexcept
      : ring_(ring), expected_producers_(expected_producers) {}

  /// With nothing queued: may there be more, or is this the end of the stream?
  [[nodiscard]] ErrorCode answer() noexcept {
    if (!ring_.stream_has_ended(expected_producers_)) return ErrorCode::buffer_empty;
    killed_plus_1_.store(std::uint64_t{ring_.killed_producers()} + 1, std::memory_order_relaxed);
    return ErrorCode::end_of_stream;
  }
  /// How the stream ended when a pop found its end last.
  [[nodiscard]] std::optional<StreamEnd> seen() const noexcept;
  /// One line per handle if producers were killed.
  void log() noexcept;

 private:
  AttachedRing& ring_;
  std::uint32_t expected_producers_;
  std::atomic<std::uint64_t> killed_plus_1_{0};  ///< 0: the end was not seen.
  std::atomic<bool> is_logged_{false};
};

}  // namespace ipc0cp::shm
