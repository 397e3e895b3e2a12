// SPDX-License-Identifier: Apache-2.0
// What both sides of a channel share: opening, statistics.
#include "shm/channel.hpp"

#include <algorithm>

#include "platform/clock.hpp"
#include "platform/log.hpp"
#include "platform/processors.hpp"
#include "shm/long_wait.hpp"
#include "shm/snapshot.hpp"

namespace ipc0cp::shm {
namespace {

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
      admission_(*ring_, processors, options.queue),
      giving_up_(*ring_),
      trimming_(*this, admission_.growth()),
      redelivery_(*this),
      ending_(*ring_, options.expected_producers),
      watch_(*ring_, admission_, options.expected_producers),
      fork_copies_(*ring_, options.open.role == Role::kProducer) {}

Channel::~Channel() { process_channels::remove(*this); }

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
