// SPDX-License-Identifier: Apache-2.0
// Looks at all rings for whoever asks: many browsers cost the rings no more than one does.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>

#include "ring_watch.hpp"

namespace ipc0cp::cli {

/// Thread safety: `get` may be called by any thread; a look is taken by one, the others wait for
/// it. While nobody asks, no ring is looked at.
class SharedLooks {
 public:
  /// A look that is at most half a second old, with the rates since the one before.
  /// @throws Error the directory of rings cannot be read.
  std::shared_ptr<const TopPage> get();

 private:
  using Clock = std::chrono::steady_clock;
  void look();

  std::mutex mutex_;
  RingWatch watch_;
  std::shared_ptr<const TopPage> page_;
  Clock::time_point looked_;
};

}  // namespace ipc0cp::cli
