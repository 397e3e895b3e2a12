// SPDX-License-Identifier: Apache-2.0
#include "ring/level.hpp"

#include <mutex>
#include <utility>

#include "ring/errors.hpp"

namespace ipc0cp {

Level& Level::of(shm::Channel& channel) {
  const auto make = [&channel] { return std::make_unique<Level>(channel); };
  return static_cast<Level&>(channel.observers().call_observer(make));
}

void Level::join() {
  if (channel_.forked()) fail(ErrorCode::forked_handle, channel_);
  if (channel_.closed()) fail(ErrorCode::closed, channel_);
  const std::lock_guard lock(mutex_);
  if (watcher_ == nullptr) {
    const bool pops = is_reader(channel_.role());
    auto watcher =
        std::make_unique<Watcher>(channel_, pops ? Watcher::For::answer : Watcher::For::room);
    watcher->start();
    watcher_ = std::move(watcher);
    show(!pops || answer_is_in_sight());
  }
  users_ += 1;
}

void Level::leave() noexcept {
  if (channel_.forked()) return;
  std::unique_ptr<Watcher> last;  // Ends its thread without the mutex.
  const std::lock_guard lock(mutex_);
  users_ -= 1;
  if (users_ == 0) last = std::move(watcher_);
}

/// What is certain without the lock; and the end of the stream, which is not.
bool Level::answer_is_in_sight() const noexcept {
  const shm::AttachedRing& ring = channel_.ring();
  const shm::CloseListener* listener = channel_.listener();
  return ring.waiting_messages() != 0 || ring.refusal() != ErrorCode::ok ||
         (listener != nullptr && listener->has_answer()) ||
         (ring.header().producers == 0 && channel_.watch().has_answer());
}

/// Under the mutex.
bool Level::show(bool is_ready) noexcept {
  if (is_ready) {
    watcher_->tell();
  } else {
    watcher_->rearm();
  }
  return is_ready;
}

bool Level::look() noexcept {
  if (channel_.forked()) return true;  // A call answers with that.
  const std::lock_guard lock(mutex_);
  if (watcher_ == nullptr) return false;
  if (!is_reader(channel_.role())) return watcher_->is_readable();
  return show(answer_is_in_sight() || channel_.watch().has_answer());
}

void Level::popped() noexcept {
  if (channel_.forked()) return;
  const std::lock_guard lock(mutex_);
  if (watcher_ != nullptr) show(answer_is_in_sight());
}

void Level::refused(const shm::RoomWanted& wanted) noexcept {
  if (channel_.forked()) return;
  const std::lock_guard lock(mutex_);
  if (watcher_ != nullptr) watcher_->rearm(wanted);
}

}  // namespace ipc0cp
