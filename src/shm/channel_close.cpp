// SPDX-License-Identifier: Apache-2.0
// The beginning and the end of a channel: opening, statistics, leaving, lingering.
#include <algorithm>
#include <thread>

#include "platform/clock.hpp"
#include "shm/channel.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kCloseWaitNs = platform::kSecond;

}  // namespace

Channel* Channel::open(const ChannelOptions& options, std::int64_t deadline_ns) {
  auto ring = open_ring(options.open, deadline_ns);
  auto* channel = new Channel(options, std::move(ring));
  process_channels::add(*channel);
  return channel;
}

Channel::Channel(const ChannelOptions& options, std::unique_ptr<Membership> ring)
    : options_(options),
      ring_(std::move(ring)),
      fork_generation_(platform::ForkGeneration::current()),
      spin_(platform::processor_count()) {}

Channel::~Channel() { process_channels::remove(*this); }

void Channel::let_go() noexcept {
  if (forked()) return;  // The parent's; its mapping may still carry views of this child.
  close();
  unreference();
}

bool Channel::add_reference() noexcept {
  int references = references_.load(std::memory_order_relaxed);
  while (references > 0) {
    if (references_.compare_exchange_weak(references, references + 1)) return true;
  }
  return false;
}

void Channel::unreference() noexcept {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Channel::close() noexcept {
  if (forked() || closed_once_.exchange(true)) return;
  ring_->refusal.store(ErrorCode::closed, std::memory_order_seq_cst);
  ring_->wake_everybody();  // Among them threads of this handle, whose calls end with `closed`.
  finish_popped(true);
  if (ring_->keeps_token()) leave_ring();  // Else others have counted us out already.
  // With redelivery, finish_popped has done it; what is left is to go back to the queue.
  if (options_.open.role == Role::kConsumer && !redelivers()) keep_views();
  ring_->wake_everybody();
  if (retired()) remove_if_retired(ring_->participants.token_file(), name());
  // A thread that still waits for the lock must not get it in the name of a dead owner.
  const std::int64_t end_ns = platform::now_ns() + kCloseWaitNs;
  while (ring_->busy() && platform::now_ns() < end_ns) {
    ring_->wake_everybody();
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  const std::int64_t acquired = acquired_.load(std::memory_order_relaxed);
  if (released_.fetch_sub(acquired, std::memory_order_acq_rel) == acquired) drop_token();
}

/// Gives the role up under the lock. Without the lock in time it is left to the others, who find
/// the token free, exactly as after a kill.
void Channel::leave_ring() noexcept {
  const Role role = options_.open.role;
  if (ring_->enter_to_leave(platform::now_ns() + kCloseWaitNs) != ErrorCode::ok) {
    if (acquired_.load() == released_.load()) return;
    ring_->participants.set_role(Role::kLingering);
    ring_->header().recovery_wanted.store(1, std::memory_order_relaxed);
    return;
  }
  Header& header = ring_->header();
  ring_->repair_if_anyone_is_gone();
  if (role == Role::kProducer) {
    header.joined_left.store(header.joined_left.load(std::memory_order_relaxed) + 1,
                             std::memory_order_release);
    header.producers -= 1;
  } else {
    header.consumers -= 1;
  }
  ring_->participants.set_role(Role::kLingering);
  if (header.claimant == ring_->participants.self()) header.claimant = 0;
  if (role == Role::kConsumer && options_.auto_unlink && header.consumers == 0 &&
      !ring_->participants.ring_is_kept()) {
    header.retired.store(1, std::memory_order_release);
  }
  ring_->leave();
}

void Channel::drop_token() noexcept {
  const bool unclean = ring_->busy() || leave_unclean_.load() || ring_->token_lost();
  if (unclean || owns_unfinished_reservation()) {
    ring_->participants.drop_unclean();
  } else {
    ring_->participants.drop();
  }
  unreference();
}

/// A block that another thread was about to reserve when this handle was closed.
bool Channel::owns_unfinished_reservation() const noexcept {
  const auto is_ours = [this](std::uint32_t index) noexcept {
    const StateWord word = ring_->segment->descriptor(index).state.load(std::memory_order_acquire);
    return state_of(word) == State::kLoaned && owner_of(word) == ring_->participants.self();
  };
  const std::uint32_t growing = ring_->header().growing;
  return (growing != kNone && is_ours(growing)) || is_ours(geometry().relief_descriptor());
}

RingStats Channel::stats() noexcept {
  const bool locked =
      !forked() && !closed() &&
      ring_->enter(platform::now_ns() + 100 * platform::kMillisecond) == ErrorCode::ok;
  if (locked) {
    ring_->repair_if_anyone_is_gone();
    collect_returned(*ring_->segment, ring_->allocator);
  }
  const Header& header = ring_->header();
  RingStats stats;
  stats.active_producers = header.producers;
  stats.active_consumers = header.consumers;
  stats.messages = header.queued.load(std::memory_order_relaxed);
  stats.used_bytes = header.used_bytes;
  stats.total_data_bytes = geometry().total_data_bytes;
  stats.max_messages = geometry().max_messages;
  stats.pushed = header.next_sequence - 1;
  stats.dropped = header.dropped;
  stats.popped = stats.pushed - stats.messages - std::min(stats.dropped, stats.pushed);
  stats.lost = header.lost;
  stats.repaired_deaths = header.repaired_deaths;
  stats.most_messages = header.most_messages;
  stats.most_used_bytes = header.most_used_bytes;
  stats.producer_waits = header.producer_waits;
  stats.consumer_waits = header.consumer_waits;
  stats.reserved_bytes = header.main_mark.load(std::memory_order_relaxed) +
                         header.relief_mark.load(std::memory_order_relaxed);
  if (locked) {
    ring_->leave();
    ring_->wake_everybody();  // Repair or collection may have made what others wait for.
  }
  return stats;
}

}  // namespace ipc0cp::shm
