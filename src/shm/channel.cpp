// SPDX-License-Identifier: Apache-2.0
#include "shm/channel.hpp"

#include <algorithm>
#include <cstring>

#include "log_internal.hpp"
#include "platform/clock.hpp"
#include "shm/channel_request.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {
namespace {

constexpr std::int64_t kLockSliceNs = 40 * platform::kMillisecond;
constexpr std::int64_t kLeastLockPatienceNs = 5 * platform::kMillisecond;
constexpr std::int32_t kPassingBudget = 4096;
constexpr std::int64_t kPassingIntervalNs = 50 * platform::kMillisecond;

}  // namespace

std::int64_t Deadline::at_ns() noexcept {
  if (at_ns_ == 0) at_ns_ = platform::deadline_after(timeout_ns_);
  return at_ns_;
}

// ---- entering -----------------------------------------------------------------------------

ErrorCode Channel::enter(Deadline& deadline) noexcept {
  if (forked()) [[unlikely]]
    return ErrorCode::forked_handle;
  if (!ring_->lock.try_acquire()) [[unlikely]] {
    const ErrorCode entered = enter_slowly(deadline);
    if (entered != ErrorCode::ok) return entered;
  }
  const ErrorCode refusal = ring_->refusal.load(std::memory_order_relaxed);
  if (refusal != ErrorCode::ok) [[unlikely]] {
    ring_->leave();
    return refusal;
  }
  if (ring_->header().damaged.load(std::memory_order_relaxed) != 0) [[unlikely]] {
    ring_->leave();
    return ErrorCode::corrupt_buffer;
  }
  return ErrorCode::ok;
}

ErrorCode Channel::enter_slowly(Deadline& deadline) noexcept {
  const ErrorCode refusal = ring_->refusal.load(std::memory_order_relaxed);
  if (refusal != ErrorCode::ok) return refusal;
  // A lock that is merely busy must not make a call that does not wait fail.
  const std::int64_t start_ns = platform::now_ns();
  const std::int64_t end_ns = std::max(deadline.at_ns(), start_ns + kLeastLockPatienceNs);
  bool logged = false;
  while (true) {
    const std::int64_t slice_end_ns = std::min(end_ns, platform::now_ns() + kLockSliceNs);
    const ErrorCode entered = ring_->enter(slice_end_ns);
    if (entered != ErrorCode::timeout) return entered;
    const std::int64_t now_ns = platform::now_ns();
    const ErrorCode state = check_while_waiting(now_ns);
    if (state != ErrorCode::ok) return state;
    if (now_ns >= end_ns) return ErrorCode::timeout;
    if (!logged && now_ns - start_ns > kLongWaitNs) {
      logged = true;
      log_long_wait(Wait::kLock);
    }
  }
}

void Channel::look_around() noexcept {
  passing_budget_ = kPassingBudget;
  if (fork_copies_failed_.exchange(false, std::memory_order_relaxed)) {
    log(LogLevel::warning,
        "no memory to copy the views of a ring for a forked child; there they "
        "show whatever the ring holds later");
  }
  ring_->sweep(platform::now_ns(), kPassingIntervalNs, false);
}

// ---- loan and publish -------------------------------------------------------------------------

ErrorCode Channel::push(std::string_view metadata, std::span<const std::byte> payload,
                        Deadline& deadline) noexcept {
  metadata = stored_form(metadata);
  if (payload.size() + metadata.size() > kInlineBytes) {
    Loan loan;
    const ErrorCode lent =
        this->loan(payload.size(), metadata.size(), metadata.size(), deadline, loan);
    if (lent != ErrorCode::ok) return lent;
    std::memcpy(loan.bytes_.data(), payload.data(), payload.size());
    const ErrorCode published = publish(loan, metadata, deadline);
    if (published != ErrorCode::ok) abandon(loan);
    return published == ErrorCode::timeout ? ErrorCode::buffer_full : published;
  }
  Request request = inline_request(metadata, payload);
  if (request.message_bytes > geometry().total_data_bytes) return ErrorCode::message_too_large;
  in_passing(0);
  heed_soft_cap(request.message_bytes, deadline);
  ErrorCode result = enter(deadline);
  if (result == ErrorCode::timeout) return ErrorCode::buffer_full;
  if (result != ErrorCode::ok) return result;
  result = attempt_push(request);
  const ErrorCode left = ring_->leave();
  if (left != ErrorCode::ok) return left;
  if (result != ErrorCode::ok) result = push_slowly(request, deadline, result);
  if (result == ErrorCode::ok) ring_->data_event.wake_one();
  return result;
}

Channel::Request Channel::inline_request(std::string_view metadata,
                                         std::span<const std::byte> payload) const noexcept {
  static constexpr std::byte kEmpty{};
  Request request;
  request.plan = {payload.size(), metadata.size()};
  request.block_bytes = request.plan.block_bytes();
  request.message_bytes = payload.size() + metadata.size();
  request.inline_payload = payload.empty() ? &kEmpty : payload.data();
  request.inline_metadata = metadata;
  return request;
}

ErrorCode Channel::loan(std::uint64_t payload_bytes, std::uint64_t metadata_capacity,
                        std::uint64_t planned_metadata_bytes, Deadline& deadline,
                        Loan& loan) noexcept {
  Request request;
  const std::uint64_t total = geometry().total_data_bytes;
  if (payload_bytes > total || planned_metadata_bytes > total - payload_bytes ||
      metadata_capacity > kMaxMetadataBytes) {
    return ErrorCode::message_too_large;
  }
  request.plan = {payload_bytes, metadata_capacity};
  request.block_bytes = request.plan.block_bytes();
  request.message_bytes = payload_bytes + planned_metadata_bytes;
  if (request.block_bytes > geometry().relief_bytes) return ErrorCode::message_too_large;
  in_passing(request.message_bytes);
  heed_soft_cap(request.message_bytes, deadline);
  ErrorCode result = enter(deadline);
  if (result == ErrorCode::timeout) return ErrorCode::buffer_full;
  if (result != ErrorCode::ok) return result;
  result = attempt_push(request);
  const ErrorCode left = ring_->leave();
  if (left != ErrorCode::ok) return left;
  if (result != ErrorCode::ok) result = push_slowly(request, deadline, result);
  if (result != ErrorCode::ok) return result;
  std::byte* block = ring_->segment->arena() + request.offset;
  red_zone::write(block, request.plan, request.descriptor, generation_of(request.word));
  loan.channel_ = this;
  loan.bytes_ = {block, static_cast<std::size_t>(payload_bytes)};
  loan.metadata_capacity_ = static_cast<std::size_t>(metadata_capacity);
  loan.word_ = request.word;
  loan.descriptor_ = request.descriptor;
  return ErrorCode::ok;
}

ErrorCode Channel::publish(Loan& loan, std::string_view metadata, Deadline& deadline) noexcept {
  metadata = stored_form(metadata);
  if (metadata.size() > loan.metadata_capacity_) return ErrorCode::message_too_large;
  if (forked()) return ErrorCode::forked_handle;
  const BlockPlan plan{loan.bytes_.size(), loan.metadata_capacity_};
  std::byte* block = loan.bytes_.data();
  if (!red_zone::intact(block, plan, loan.descriptor_, generation_of(loan.word_))) {
    return ErrorCode::corrupt_payload;
  }
  if (!metadata.empty()) {
    std::memcpy(block + plan.metadata_offset(), metadata.data(), metadata.size());
  }
  ErrorCode result = enter(deadline);
  if (result != ErrorCode::ok) return result;
  Descriptor& descriptor = ring_->segment->descriptor(loan.descriptor_);
  if (descriptor.state.load(std::memory_order_relaxed) != loan.word_) {
    ring_->leave();
    return ErrorCode::corrupt_buffer;  // Others took us for dead and freed the block.
  }
  const auto metadata_bytes = static_cast<std::uint32_t>(metadata.size());
  if (loan.descriptor_ != geometry().relief_descriptor()) {
    ring_->header().used_bytes += metadata_bytes - std::uint64_t{descriptor.metadata_bytes};
  }
  descriptor.metadata_bytes = metadata_bytes;
  publish_locked(loan.descriptor_, loan.word_);
  // Counted back under the lock: cheaper than a release, which must be possible without it.
  acquired_.store(acquired_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  result = ring_->leave();
  loan.channel_ = nullptr;
  loan.bytes_ = {};
  ring_->data_event.wake_one();
  return result;
}

void Channel::abandon(Loan& loan) noexcept {
  if (loan.channel_ == nullptr) return;
  loan.channel_ = nullptr;
  loan.bytes_ = {};
  if (forked()) return;
  abandon_block(loan.descriptor_, loan.word_);
  let_go_of_one();
}

/// LOANED -> ABANDONED and onto the stack, from exactly our word; needs no lock.
void Channel::abandon_block(std::uint32_t index, StateWord word) noexcept {
  Descriptor& descriptor = ring_->segment->descriptor(index);
  if (!ring_->token_lost() &&
      descriptor.state.compare_exchange_strong(word, with_state(word, State::kAbandoned),
                                               std::memory_order_acq_rel)) {
    push_returned(index);
    ring_->space_event.wake_all();
  }
}

ErrorCode Channel::attempt_push(Request& request) noexcept {
  const ErrorCode taken = take_block(request);
  if (taken == ErrorCode::ok) complete_taken(request);
  return taken;
}

/// Under the lock: a loan is counted, a small message is written and published at once.
void Channel::complete_taken(const Request& request) noexcept {
  if (request.inline_payload == nullptr) {
    acquired_.store(acquired_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    return;
  }
  std::byte* block = ring_->segment->arena() + request.offset;
  std::memcpy(block, request.inline_payload, request.plan.payload_bytes);
  red_zone::write(block, request.plan, request.descriptor, generation_of(request.word));
  if (!request.inline_metadata.empty()) {
    std::memcpy(block + request.plan.metadata_offset(), request.inline_metadata.data(),
                request.inline_metadata.size());
  }
  publish_locked(request.descriptor, request.word);
}

ErrorCode Channel::take_block(Request& request) noexcept {
  Header& header = ring_->header();
  if (header.retired.load(std::memory_order_relaxed) != 0) return ErrorCode::no_consumers;
  if (header.consumers == 0) return ErrorCode::no_consumers;
  if (header.claimant != 0 && must_stand_back(request)) return ErrorCode::buffer_full;
  // Not only where room lacks: what was returned last is the warmest, and a queue that once grew
  // would go round all its memory for ever (0.5-5 MiB: 40 GB/s instead of 46). A smaller message
  // would take its lines out of the cache of who has just read them (64 KiB: 46 instead of 71).
  if (request.message_bytes >= kWarmBytes) {
    collect_returned(*ring_->segment, ring_->allocator);
  }
  ErrorCode result = take_from_main(request);
  if (request.must_reserve()) return result;
  if (result == ErrorCode::buffer_full && collect_returned(*ring_->segment, ring_->allocator)) {
    result = take_from_main(request);
    if (request.must_reserve()) return result;
  }
  // Relief is for what views and holes keep from fitting, not for a queue that is full.
  if (result == ErrorCode::buffer_full && header.claimant == ring_->participants.self() &&
      !has_most_unread()) {
    return take_relief(request);
  }
  return result;
}

/// Whether `max_messages` are written or queued. What consumers have in their hands does not count,
/// what lies in the relief block does.
bool Channel::has_most_unread() const noexcept {
  const Header& header = ring_->header();
  const std::uint32_t in_main = header.live_blocks - header.borrowed_blocks;
  if (in_main + 1 < geometry().max_messages) [[likely]]
    return false;
  const State relief = state_of(ring_->segment->descriptor(geometry().relief_descriptor())
                                    .state.load(std::memory_order_relaxed));
  const bool relief_is_unread = relief == State::kLoaned || relief == State::kReady;
  return in_main + (relief_is_unread ? 1 : 0) >= geometry().max_messages;
}

ErrorCode Channel::take_from_main(Request& request) noexcept {
  Header& header = ring_->header();
  if (header.used_bytes + request.message_bytes > geometry().total_data_bytes ||
      header.live_blocks >= geometry().max_messages || has_most_unread()) {
    return ErrorCode::buffer_full;
  }
  const std::uint32_t index = ring_->allocator.allocate(request.block_bytes);
  if (index != kNone) return commit_loan(request, index);
  // What was returned is warmer than what was never used, and costs no page faults.
  if (header.returned_head.load(std::memory_order_relaxed) != kNone) return ErrorCode::buffer_full;
  return begin_growth(request);
}

ErrorCode Channel::commit_loan(Request& request, std::uint32_t index) noexcept {
  Header& header = ring_->header();
  Descriptor& descriptor = ring_->segment->descriptor(index);
  const bool relief = index == geometry().relief_descriptor();
  const std::uint64_t offset = descriptor.offset;
  const std::uint64_t end =
      relief ? geometry().arena_bytes() : header.main_mark.load(std::memory_order_relaxed);
  const bool sound = offset % kBlockAlignment == 0 && offset <= end &&
                     request.block_bytes <= end - offset && end <= geometry().arena_bytes() &&
                     request.block_bytes <= descriptor.extent_bytes &&
                     (!relief || offset == geometry().main_bytes);
  if (!sound) [[unlikely]] {
    header.damaged.store(1, std::memory_order_release);
    return ErrorCode::corrupt_buffer;
  }
  request.offset = offset;
  descriptor.payload_bytes = request.plan.payload_bytes;
  descriptor.metadata_bytes =
      static_cast<std::uint32_t>(request.message_bytes - request.plan.payload_bytes);
  descriptor.sequence = 0;
  descriptor.returned_next = kNone;
  const StateWord before = descriptor.state.load(std::memory_order_relaxed);
  request.word =
      make_state(State::kLoaned, ring_->participants.self(), 0, generation_of(before) + 1);
  request.descriptor = index;
  descriptor.state.store(request.word, std::memory_order_release);
  if (relief) return ErrorCode::ok;
  header.used_bytes += request.message_bytes;
  header.live_blocks += 1;
  header.most_used_bytes = std::max<std::uint64_t>(header.most_used_bytes, header.used_bytes);
  return ErrorCode::ok;
}

void Channel::publish_locked(std::uint32_t index, StateWord word) noexcept {
  Header& header = ring_->header();
  Descriptor& descriptor = ring_->segment->descriptor(index);
  descriptor.sequence = header.next_sequence;
  descriptor.state.store(make_state(State::kReady, 0, 0, generation_of(word)),
                         std::memory_order_release);
  header.next_sequence += 1;
  const std::uint64_t bytes = descriptor.payload_bytes + descriptor.metadata_bytes;
  ring_->queue.push_back(index, bytes);
  // A message like this one again: would it leave too much queued?
  over_soft_cap_ = header.queued_bytes + bytes > kSoftCapBytes;
}

}  // namespace ipc0cp::shm
