// SPDX-License-Identifier: Apache-2.0
// When a message was published, in the 32 bits that a descriptor in use has left.
#pragma once

#include <cstdint>

#include "shm/layout.hpp"

namespace ipc0cp::shm {

/// When a message was published, in units of 2^20 ns (about 1 ms) of CLOCK_MONOTONIC, modulo 2^32
/// (52 days, of which 26 count as past). Always odd: 0 means that nothing is known, and the lists
/// of holes have even marks.
struct PublishTime {
  static constexpr unsigned kUnitShift = 20;
  static constexpr std::uint32_t of(std::int64_t now_ns) noexcept {
    return static_cast<std::uint32_t>(now_ns >> kUnitShift) | 1U;
  }
  /// 0 if nothing is known. Never later than `now_ns`.
  static constexpr std::int64_t to_ns(std::uint32_t time, std::int64_t now_ns) noexcept {
    if ((time & 1U) == 0) return 0;
    const std::int64_t now = now_ns >> kUnitShift;
    const std::uint32_t age = static_cast<std::uint32_t>(now) - time;
    // What seems to come from the future is of this moment: the clock is coarse.
    const bool is_past = age < 0x8000'0000U;
    return is_past ? (now - age) << kUnitShift : now_ns;
  }
};
static_assert(kQuick % 2 == 0);

}  // namespace ipc0cp::shm
