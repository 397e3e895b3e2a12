// SPDX-License-Identifier: Apache-2.0
// The end of a channel: closing, lingering.
#include <algorithm>
#include <chrono>
#include <thread>

#include "platform/clock.hpp"
#include "shm/channel.hpp"
#include "shm/ring_file.hpp"

namespace ipc0cp::shm {
namespace {

/// Kept of the time of `close` for threads that are in a call: they look every 40 ms.
constexpr std::int64_t kThreadsWaitNs = 100 * platform::kMillisecond;

}  // namespace

void Channel::detach() noexcept {
  if (forked()) return;  // The parent's; its mapping may still carry views of this child.
  close();
  unreference();
}

void Channel::close(std::int64_t deadline_ns) noexcept {
  if (forked() || !mark_closed()) return;
  ring_->refuse(ErrorCode::closed);
  ring_->wake_everybody();  // Among them threads of this handle, whose calls end with `closed`.
  const std::size_t lost = options_.listener == nullptr ? 0 : options_.listener->closing(*this);
  observers_.close();
  redelivery_.finish_popped(true);
  if (ring_->keeps_token()) {  // Else others have counted us out already.
    const std::int64_t lock_by_ns = deadline_ns - kThreadsWaitNs;
    if (lost > 0 && ring_->lock_although_closed(lock_by_ns) == ErrorCode::ok) {
      ring_->header().lost += lost;
      ring_->unlock();
    }
    if (ring_->subscribes()) release_held();
    ring_->give_up_role(options_.open.role, options_.auto_unlink, holds_anything(), lock_by_ns);
  }
  // A consumer that has closed cleanly lost nothing: its views are KEPT, not BORROWED. With
  // redelivery, finish_popped has done it; what is left is to go back to the queue.
  if (options_.open.role == Role::kConsumer && !ring_->redelivers()) ring_->blocks().keep_all();
  ring_->wake_everybody();
  if (ring_->retired()) remove_if_retired(ring_->participants().token_file(), name());
  // A thread that still waits for the lock must not get it in the name of a dead owner.
  const std::int64_t end_ns = std::max(deadline_ns, platform::now_ns() + kThreadsWaitNs);
  while (ring_->busy() && platform::now_ns() < end_ns) {
    ring_->wake_everybody();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  ring_->clear_notes();
  end_when_all_is_given_back();
}

}  // namespace ipc0cp::shm
