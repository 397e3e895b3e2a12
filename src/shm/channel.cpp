// SPDX-License-Identifier: Apache-2.0
// What both sides of a channel share: opening, the lock, statistics.
#include "shm/channel.hpp"

#include <algorithm>

#include "platform/clock.hpp"
#include "platform/log.hpp"
#include "platform/processors.hpp"
#include "shm/long_wait.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLockSliceNs = 40 * platform::kMillisecond;
constexpr std::int64_t kStatsPatienceNs = 100 * platform::kMillisecond;

}  // namespace

Channel* Channel::open(const ChannelOptions& options, std::int64_t deadline_ns) {
  auto ring = open_ring(options.open, deadline_ns);
  auto* channel = new Channel(options, std::move(ring), platform::processors());
  process_channels::add(*channel);
  return channel;
}

Channel::Channel(const ChannelOptions& options, std::unique_ptr<AttachedRing> ring,
                 const platform::Processors& processors)
    : HandleLifetime(std::move(ring)),
      options_(options),
      spin_(ring_->header(), processors),
      admission_(*ring_, processors),
      redelivery_(*this),
      ending_(*ring_, options.expected_producers),
      watch_(*ring_, admission_, options.expected_producers),
      fork_copies_(*ring_, options.open.role == Role::kProducer) {}

Channel::~Channel() { process_channels::remove(*this); }

ErrorCode Channel::lock(Deadline& deadline) noexcept {
  if (forked()) [[unlikely]]
    return ErrorCode::forked_handle;
  const ErrorCode locked = ring_->try_lock();
  if (locked != ErrorCode::timeout) [[likely]]
    return locked;
  return lock_slowly(deadline);
}

ErrorCode Channel::lock_slowly(Deadline& deadline) noexcept {
  const std::int64_t start_ns = platform::now_ns();
  const std::int64_t end_ns = deadline.lock_at_ns();
  bool logged = false;
  while (true) {
    const std::int64_t slice_end_ns = std::min(end_ns, platform::now_ns() + kLockSliceNs);
    const ErrorCode locked = ring_->lock(slice_end_ns);
    if (locked != ErrorCode::timeout) return locked;
    const std::int64_t now_ns = platform::now_ns();
    const ErrorCode state = ring_->check_while_waiting(now_ns);
    if (state != ErrorCode::ok) return state;
    if (now_ns >= end_ns) return ErrorCode::timeout;
    if (!logged && now_ns - start_ns > kLongWaitNs) {
      logged = true;
      log_long_wait(*ring_, Wait::kLock);
    }
  }
}

RingStats Channel::stats() noexcept {
  const bool locked =
      !forked() && !closed() && ring_->lock(platform::now_ns() + kStatsPatienceNs) == ErrorCode::ok;
  if (locked) {
    ring_->repair_if_anyone_is_gone();
    ring_->blocks().collect();
  }
  const RingStats stats = stats_of(ring_->segment());
  if (locked) {
    ring_->unlock();
    ring_->wake_everybody();  // Repair or collection may have made what others wait for.
  }
  return stats;
}

}  // namespace ipc0cp::shm
