// SPDX-License-Identifier: Apache-2.0
#include "shm/handle_lifetime.hpp"

#include <algorithm>
#include <optional>

#include "platform/clock.hpp"
#include "shm/long_wait.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLockSliceNs = 40 * platform::kMillisecond;

/// Tells of a wait for the lock, perhaps inside a wait for something else.
class LockWait {
 public:
  LockWait(AttachedRing& ring, std::int64_t since_ns) noexcept
      : ring_(ring), outer_(static_cast<std::uint32_t>(ring.participants().own_slot().waits_for)) {
    ring_.note_wait(Awaited::kLock, since_ns);
  }
  LockWait(const LockWait&) = delete;
  LockWait& operator=(const LockWait&) = delete;
  ~LockWait() {
    if (outer_ == 0) {
      ring_.note_no_wait();
    } else {
      ring_.note_what(static_cast<Awaited>(outer_));
    }
  }

 private:
  AttachedRing& ring_;
  std::uint32_t outer_;
};

}  // namespace

ErrorCode HandleLifetime::lock(platform::Deadline& deadline) noexcept {
  if (forked()) [[unlikely]]
    return ErrorCode::forked_handle;
  const ErrorCode locked = ring_->try_lock();
  if (locked != ErrorCode::timeout) [[likely]]
    return locked;
  return lock_slowly(deadline);
}

ErrorCode HandleLifetime::lock_slowly(platform::Deadline& deadline) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  const std::int64_t end_ns = deadline.lock_at_ns();
  bool logged = false;
  std::optional<LockWait> wait;
  while (true) {
    const std::int64_t slice_end_ns = std::min(end_ns, platform::now_ns() + kLockSliceNs);
    const ErrorCode locked = ring_->lock(slice_end_ns);
    if (locked != ErrorCode::timeout) return locked;
    const std::int64_t now_ns = platform::now_ns();
    const ErrorCode state = ring_->check_while_waiting(now_ns);
    if (state != ErrorCode::ok) return state;
    if (now_ns >= end_ns) return ErrorCode::timeout;
    if (!wait) wait.emplace(*ring_, start_ns);
    if (!logged && now_ns - start_ns > kLongWaitNs) {
      logged = true;
      log_long_wait(*ring_, Wait::kLock);
    }
  }
}

bool HandleLifetime::add_reference() noexcept {
  int references = references_.load(std::memory_order_relaxed);
  while (references > 0) {
    if (references_.compare_exchange_weak(references, references + 1)) return true;
  }
  return false;
}

void HandleLifetime::unreference() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void HandleLifetime::end_when_all_is_given_back() noexcept {
  const std::int64_t acquired = acquired_.load(std::memory_order_relaxed);
  if (released_.fetch_sub(acquired, std::memory_order_acq_rel) == acquired) drop_token();
}

void HandleLifetime::drop_token() noexcept {
  ring_->drop_token(leaves_unclean_.load());
  unreference();
}

}  // namespace ipc0cp::shm
