// SPDX-License-Identifier: Apache-2.0
/// @file
/// A time-out made of any std::chrono duration, without overflow.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

#include "ipc0cp/error.hpp"

namespace ipc0cp {

/// How long a call may wait for others. Any std::chrono::duration converts to it and saturates;
/// the default waits for ever, zero does not wait.
class Timeout {
 public:
  /// Waits for ever.
  constexpr Timeout() noexcept = default;

  /// @throws Error (invalid_argument) for a negative duration or NaN.
  template <class Rep, class Period>
  constexpr Timeout(std::chrono::duration<Rep, Period> duration)  // NOLINT: implicit by design
      : nanoseconds_(saturate(duration)) {}

  /// Waits for ever.
  [[nodiscard]] static constexpr Timeout forever() noexcept { return {}; }
  /// Does not wait.
  [[nodiscard]] static constexpr Timeout none() noexcept {
    Timeout timeout;
    timeout.nanoseconds_ = 0;
    return timeout;
  }
  /// Whether it never ends.
  [[nodiscard]] constexpr bool is_forever() const noexcept { return nanoseconds_ == kForever; }
  /// Nanoseconds, `INT64_MAX` for ever.
  [[nodiscard]] constexpr std::int64_t nanoseconds() const noexcept { return nanoseconds_; }

 private:
  static constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

  template <class Rep, class Period>
  static constexpr std::int64_t saturate(std::chrono::duration<Rep, Period> duration) {
    using Seconds = std::chrono::duration<long double>;
    const long double seconds = Seconds(duration).count();
    if (!(seconds >= 0)) refuse(seconds);  // Also NaN.
    const long double nanoseconds = seconds * 1e9L;
    if (nanoseconds >= 9.2e18L) return kForever;
    return static_cast<std::int64_t>(nanoseconds + 0.5L);
  }
  [[noreturn]] static void refuse(long double seconds) {
    throw Error(ErrorCode::invalid_argument,
                "a time-out is 0 (does not wait) or more seconds, not " + std::to_string(seconds) +
                    "; leave it out to wait for ever");
  }

  std::int64_t nanoseconds_ = kForever;
};

}  // namespace ipc0cp
