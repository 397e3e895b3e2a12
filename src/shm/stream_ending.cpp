// SPDX-License-Identifier: Apache-2.0
#include "shm/stream_ending.hpp"

#include <new>
#include <string>

#include "platform/log.hpp"

namespace ipc0cp::shm {

std::optional<StreamEnd> StreamEnding::seen() const noexcept {
  const std::uint64_t killed_plus_1 = killed_plus_1_.load(std::memory_order_relaxed);
  if (killed_plus_1 == 0) return std::nullopt;
  return StreamEnd{static_cast<std::uint32_t>(killed_plus_1 - 1)};
}

void StreamEnding::log() noexcept {
  const std::optional<StreamEnd> ended = seen();
  if (!ended || !ended->died() || is_logged_.exchange(true)) return;
  try {
    ipc0cp::log(LogLevel::warning,
                "ring '" + ring_.name() + "': the stream has ended, but " +
                    std::to_string(ended->killed_producers) +
                    " producer(s) were killed before they closed: it may be cut short");
  } catch (const std::bad_alloc&) {
    ipc0cp::log(LogLevel::warning, "a stream has ended, but producers of it were killed");
  }
}

}  // namespace ipc0cp::shm
