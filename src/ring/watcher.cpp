// SPDX-License-Identifier: Apache-2.0
#include "ring/watcher.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <system_error>
#include <utility>

#include "ipc0cp/error.hpp"
#include "platform/futex.hpp"
#include "ring/errors.hpp"

namespace ipc0cp {
namespace {

/// How long the owner of the descriptor may leave a wake-up lying.
constexpr std::int64_t kPassOnAfterNs = platform::kMillisecond;
/// How long a want outlasts the news that there is room: others take it for over by then.
constexpr std::int64_t kForgetWantAfterNs = 200 * platform::kMillisecond;

}  // namespace

Watcher::Watcher(shm::Channel& channel, For purpose) : channel_(channel), purpose_(purpose) {
  if (event_.get() < 0) {
    throw Error(ErrorCode::system_error,
                "ring '" + channel.name() + "': no event descriptor to wait with: " +
                    std::generic_category().message(-event_.get()) +
                    "; RLIMIT_NOFILE (ulimit -n) is the usual limit",
                -event_.get());
  }
  if (!channel.add_reference()) fail(ErrorCode::closed, channel);
  try {
    channel.observers().add(*this);
  } catch (...) {
    channel.unreference();
    throw;
  }
}

Watcher::~Watcher() {
  if (channel_.forked()) return;  // The thread, and the channel, are the parent's.
  channel_.observers().remove(*this);
  stop();
  channel_.unreference();
}

void Watcher::channel_closed() noexcept {
  stop();
  const std::lock_guard lock(mutex_);
  make_readable();
}

/// Ends the thread. It cannot wait for itself, where a log sink of the user's closes the handle.
void Watcher::stop() noexcept {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    if (!thread_.started() || joined_) return;
    given_up_.store(true, std::memory_order_seq_cst);
    changes_.fetch_add(1, std::memory_order_release);
    if (thread_.is_current()) return;
    joined_ = true;
  }
  platform::futex_wake(changes_, 1);
  channel_.ring().wake_everybody();
  thread_.join();
  if (purpose_ == For::room) channel_.watch().forget_want();
}

void Watcher::arm(const shm::RoomWanted& wanted) {
  if (channel_.forked()) return;
  bool was_armed = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return make_readable();
    if (!thread_.started()) start_thread();
    was_armed = begin_wait(wanted);
  }
  if (!was_armed) platform::futex_wake(changes_, 1);
}

void Watcher::rearm(const shm::RoomWanted& wanted) noexcept {
  if (channel_.forked()) return;
  bool was_armed = false;
  bool is_less = false;
  {
    const std::lock_guard lock(mutex_);
    if (ended_) return make_readable();
    if (readable_) {
      readable_ = false;
      static_cast<void>(event_.take());
    }
    shm::RoomWanted least = wanted;
    if (armed_) {
      is_less =
          wanted.block_bytes < wanted_.block_bytes || wanted.nobody_reads != wanted_.nobody_reads;
      least.block_bytes = std::min(wanted.block_bytes, wanted_.block_bytes);
      least.message_bytes = std::min(wanted.message_bytes, wanted_.message_bytes);
    }
    was_armed = begin_wait(least);
    // The thread sleeps for more: it begins anew.
    if (is_less) given_up_.store(true, std::memory_order_seq_cst);
  }
  if (!was_armed) platform::futex_wake(changes_, 1);
  if (is_less) channel_.ring().space_event().wake_all();
}

/// Under the mutex. @return whether a wait was under way; else the thread is to be woken.
bool Watcher::begin_wait(const shm::RoomWanted& wanted) noexcept {
  wanted_ = wanted;
  given_up_.store(false, std::memory_order_release);
  changes_.fetch_add(1, std::memory_order_release);
  return std::exchange(armed_, true);
}

void Watcher::start() {
  const std::lock_guard lock(mutex_);
  if (!ended_ && !thread_.started()) start_thread();
}

void Watcher::start_thread() {
  const int error =
      thread_.start([](void* watcher) { static_cast<Watcher*>(watcher)->run(); }, this);
  if (error == 0) return;
  throw Error(ErrorCode::system_error,
              "ring '" + channel_.name() +
                  "': no thread can be started to wait for it: " + platform::thread_limit() +
                  "; raise the limit or end other threads, or call pop() and push() instead",
              error);
}

void Watcher::disarm() noexcept {
  if (channel_.forked()) return;
  {
    const std::lock_guard lock(mutex_);
    armed_ = false;
    given_up_.store(true, std::memory_order_release);
  }
  if (purpose_ == For::room) channel_.watch().forget_want();
}

bool Watcher::take() noexcept {
  if (channel_.forked()) return false;  // A child would take what is the parent's.
  const std::lock_guard lock(mutex_);
  return std::exchange(readable_, false) && event_.take();
}

void Watcher::tell() noexcept {
  if (channel_.forked()) return;
  const std::lock_guard lock(mutex_);
  if (armed_) {
    armed_ = false;
    given_up_.store(true, std::memory_order_release);
  }
  make_readable();
}

bool Watcher::is_readable() noexcept {
  const std::lock_guard lock(mutex_);
  return readable_;
}

/// Under the mutex.
void Watcher::make_readable() noexcept {
  if (!std::exchange(readable_, true)) event_.signal();
}

void Watcher::run() noexcept {
  std::unique_lock lock(mutex_);
  bool told = false;
  while (!ended_) {
    const std::uint32_t seen = changes_.load(std::memory_order_acquire);
    const bool armed = armed_;
    const shm::RoomWanted wanted = wanted_;
    if (armed) given_up_.store(false, std::memory_order_relaxed);
    lock.unlock();
    if (!armed) {
      park(seen, told);
    } else if (purpose_ == For::answer) {
      channel_.watch().await_answer(given_up_);
    } else {
      channel_.watch().await_room(wanted, given_up_);
    }
    lock.lock();
    told = false;
    if (!armed) continue;
    if (!armed_) {
      // The wait may have taken a wake that nobody is told of.
      if (purpose_ == For::answer) channel_.watch().pass_wake_on();
      continue;
    }
    // Armed again meanwhile: what it has seen may be what was popped before that.
    if (changes_.load(std::memory_order_acquire) != seen) continue;
    armed_ = false;
    told = true;
    make_readable();
  }
}

/// Sleeps until there is something to do. If the last wait was told of, what it was told for is
/// looked at once more: the wake-up that this thread took may have been the only one, and others
/// leave room for a want that nobody comes back to.
void Watcher::park(std::uint32_t seen, bool told) noexcept {
  if (told) {
    const bool answer = purpose_ == For::answer;
    const bool at_once = answer && channel_.watch().handle_is_blocked();
    if (!at_once) {
      platform::futex_wait(changes_, seen, answer ? kPassOnAfterNs : kForgetWantAfterNs);
      if (changes_.load(std::memory_order_acquire) != seen) return;
    }
    if (answer) {
      channel_.watch().pass_wake_on();
    } else {
      channel_.watch().forget_want();
    }
  }
  platform::futex_wait(changes_, seen, platform::kForever);
}

}  // namespace ipc0cp
