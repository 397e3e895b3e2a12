// SPDX-License-Identifier: Apache-2.0
#include "ring/readiness.hpp"

#include <mutex>
#include <string>
#include <system_error>

#include "ipc0cp/error.hpp"
#include "platform/futex.hpp"
#include "ring/errors.hpp"

namespace ipc0cp {
namespace {

/// How long the owner of the descriptor may leave a wake-up lying.
constexpr std::int64_t kPassOnAfterNs = platform::kMillisecond;

}  // namespace

Readiness::Readiness(shm::Channel& channel, For purpose) : channel_(channel), purpose_(purpose) {
  if (event_.get() < 0) {
    throw Error(ErrorCode::system_error,
                "ring '" + channel.name() + "': no event descriptor to wait with: " +
                    std::generic_category().message(-event_.get()) +
                    "; RLIMIT_NOFILE (ulimit -n) is the usual limit",
                -event_.get());
  }
  if (!channel.add_reference()) fail(ErrorCode::closed, channel);
}

Readiness::~Readiness() {
  if (channel_.forked()) return;  // The thread, and the channel, are the parent's.
  if (thread_.started()) {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      given_up_.store(true, std::memory_order_seq_cst);
    }
    notify();
    channel_.ring().wake_everybody();
    thread_.join();
  }
  channel_.unreference();
}

void Readiness::arm(std::uint64_t message_bytes, std::uint32_t freed_before, bool nobody_reads) {
  if (channel_.forked()) return;
  {
    const std::lock_guard lock(mutex_);
    if (!thread_.started()) start();
    message_bytes_.store(message_bytes, std::memory_order_relaxed);
    freed_before_.store(freed_before, std::memory_order_relaxed);
    nobody_reads_.store(nobody_reads, std::memory_order_relaxed);
    given_up_.store(false, std::memory_order_release);
    armed_ = true;
  }
  notify();
}

void Readiness::start() {
  const int error =
      thread_.start([](void* readiness) { static_cast<Readiness*>(readiness)->run(); }, this);
  if (error == 0) return;
  throw Error(ErrorCode::system_error,
              "ring '" + channel_.name() +
                  "': no thread can be started to wait for it: " + platform::thread_limit() +
                  "; raise the limit or end other threads, or call pop() and push() instead",
              error);
}

void Readiness::disarm() noexcept {
  if (channel_.forked()) return;
  {
    const std::lock_guard lock(mutex_);
    armed_ = false;
    given_up_.store(true, std::memory_order_release);
  }
  if (purpose_ == For::room) channel_.watch().forget_want();
}

bool Readiness::take() noexcept {
  return !channel_.forked() && event_.take();  // A child would take what is the parent's.
}

void Readiness::notify() noexcept {
  changes_.fetch_add(1, std::memory_order_release);
  platform::futex_wake(changes_, 1);
}

void Readiness::run() noexcept {
  std::unique_lock lock(mutex_);
  bool told = false;
  while (!ending_) {
    const std::uint32_t seen = changes_.load(std::memory_order_acquire);
    const bool armed = armed_;
    lock.unlock();
    if (armed) {
      wait();
    } else {
      park(seen, told);
    }
    lock.lock();
    told = false;
    // Disarmed and armed again meanwhile: that wait is still owed.
    if (!armed || !armed_ || given_up_.load(std::memory_order_acquire)) {
      // The wait may have taken a wake that nobody is told of.
      if (armed && purpose_ == For::answer) channel_.watch().pass_wake_on();
      continue;
    }
    armed_ = false;
    told = true;
    event_.signal();
  }
}

/// Sleeps until there is something to do. If the last wait was told of, what it was told for is
/// looked at once more: the wake-up that this thread took may have been the only one.
void Readiness::park(std::uint32_t seen, bool told) noexcept {
  if (told && purpose_ == For::answer) {
    platform::futex_wait(changes_, seen, kPassOnAfterNs);
    if (changes_.load(std::memory_order_acquire) != seen) return;
    channel_.watch().pass_wake_on();
  }
  platform::futex_wait(changes_, seen, platform::kForever);
}

void Readiness::wait() noexcept {
  if (purpose_ == For::answer) {
    channel_.watch().await_answer(given_up_);
  } else {
    channel_.watch().await_room(message_bytes_.load(std::memory_order_relaxed),
                                freed_before_.load(std::memory_order_relaxed),
                                nobody_reads_.load(std::memory_order_relaxed), given_up_);
  }
}

}  // namespace ipc0cp
