// SPDX-License-Identifier: Apache-2.0
// The writing half of a channel: loan, write, publish; small messages in one go.
#include <cstring>

#include "platform/copy.hpp"
#include "shm/channel.hpp"
#include "shm/red_zone.hpp"

namespace ipc0cp::shm {

/// Under the lock. A part of `try_push` that is inlined where messages are small.
inline ErrorCode Channel::admit_and_fill(PushRequest& request) noexcept {
  const ErrorCode admitted = admission_.admit(request);
  if (admitted != ErrorCode::ok) [[unlikely]]
    return give_up_and_push(request, admitted);
  fill_inline(request);
  return ErrorCode::ok;
}

/// A block for the request, and a small message published with it; waits for room.
inline ErrorCode Channel::take_block(PushRequest& request, Deadline& deadline) noexcept {
  check_for_deaths(request.inline_payload == nullptr ? request.message_bytes : 0);
  admission_.throttle(request.message_bytes, deadline);
  ErrorCode result = lock(deadline);
  if (result == ErrorCode::timeout) [[unlikely]] {
    tell_refused({request.message_bytes, request.block_bytes});
    return ErrorCode::buffer_full;
  }
  if (result != ErrorCode::ok) return result;
  result = admit_and_fill(request);
  const ErrorCode unlocked = ring_->unlock();
  if (unlocked != ErrorCode::ok) return unlocked;
  return result == ErrorCode::ok ? result : push_slowly(request, deadline, result);
}

ErrorCode Channel::push(std::string_view metadata, std::span<const std::byte> payload,
                        Deadline& deadline) noexcept {
  metadata = stored_form(metadata);
  if (payload.size() + metadata.size() > kInlineBytes) {
    ErrorCode published = ErrorCode::no_consumers;
    // Of a broadcast ring the last subscriber may leave in between: the next one is waited for.
    while (published == ErrorCode::no_consumers) {
      Loan loan;
      const ErrorCode lent =
          this->loan(payload.size(), metadata.size(), metadata.size(), deadline, loan);
      if (lent != ErrorCode::ok) return lent;
      platform::copy(loan.bytes_.data(), payload.data(), payload.size());
      published = publish(loan, metadata, deadline);
      if (published != ErrorCode::ok) abandon(loan);
    }
    if (published != ErrorCode::timeout) return published;
    const BlockPlan plan{payload.size(), metadata.size()};
    tell_refused({payload.size() + metadata.size(), plan.block_bytes()});
    return ErrorCode::buffer_full;
  }
  touch(metadata, payload);
  PushRequest request = inline_request(metadata, payload);
  if (request.message_bytes > geometry().total_data_bytes) return ErrorCode::message_too_large;
  const ErrorCode result = take_block(request, deadline);
  if (result == ErrorCode::ok) ring_->wake_readers();
  return result;
}

ErrorCode Channel::loan(std::uint64_t payload_bytes, std::uint64_t metadata_capacity,
                        std::uint64_t planned_metadata_bytes, Deadline& deadline,
                        Loan& loan) noexcept {
  PushRequest request;
  const std::uint64_t total = geometry().total_data_bytes;
  if (payload_bytes > total || planned_metadata_bytes > total - payload_bytes ||
      metadata_capacity > kMaxMetadataBytes) {
    return ErrorCode::message_too_large;
  }
  request.plan = {payload_bytes, metadata_capacity};
  request.block_bytes = request.plan.block_bytes();
  request.message_bytes = payload_bytes + planned_metadata_bytes;
  if (request.block_bytes > geometry().relief_bytes) return ErrorCode::message_too_large;
  const ErrorCode result = take_block(request, deadline);
  if (result != ErrorCode::ok) return result;
  std::byte* block = ring_->segment().arena() + request.offset;
  red_zone::write(block, request.plan, request.descriptor, generation_of(request.word));
  loan.channel_ = this;
  loan.bytes_ = {block, static_cast<std::size_t>(payload_bytes)};
  loan.metadata_capacity_ = static_cast<std::size_t>(metadata_capacity);
  loan.word_ = request.word;
  loan.descriptor_ = request.descriptor;
  return ErrorCode::ok;
}

/// Under the lock.
ErrorCode Channel::try_push(PushRequest& request) noexcept { return admit_and_fill(request); }

/// Under the lock: what was refused is tried again with less queued, if this producer wants that.
ErrorCode Channel::give_up_and_push(PushRequest& request, ErrorCode refused) noexcept {
  if (refused != ErrorCode::buffer_full || !admission_.gives_up_for(request)) return refused;
  const ErrorCode admitted = admission_.give_up_and_admit(request);
  if (admitted == ErrorCode::ok) fill_inline(request);
  return admitted;
}

/// Under the lock: a loan is counted, a small message is written and published at once.
void Channel::fill_inline(const PushRequest& request) noexcept {
  if (request.inline_payload == nullptr) return count_acquired();
  std::byte* block = ring_->segment().arena() + request.offset;
  std::memcpy(block, request.inline_payload, request.plan.payload_bytes);
  red_zone::write(block, request.plan, request.descriptor, generation_of(request.word));
  if (!request.inline_metadata.empty()) {
    std::memcpy(block + request.plan.metadata_offset(), request.inline_metadata.data(),
                request.inline_metadata.size());
  }
  admission_.note_published(ring_->blocks().publish(request.descriptor, request.word));
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
  const ErrorCode locked = lock(deadline);
  if (locked != ErrorCode::ok) {
    // The loan may be published later, so nobody is told; who gives it up has room for another.
    note_refused({plan.payload_bytes + metadata.size(), plan.block_bytes()});
    return locked;
  }
  Blocks& blocks = ring_->blocks();
  if (blocks.word_of(loan.descriptor_) != loan.word_) {
    ring_->unlock();
    return ErrorCode::corrupt_buffer;  // Others took us for dead and freed the block.
  }
  if (ring_->lacks_subscribers()) [[unlikely]] {
    ring_->unlock();
    return ErrorCode::no_consumers;  // Nobody would ever get it.
  }
  blocks.set_metadata_bytes(loan.descriptor_, static_cast<std::uint32_t>(metadata.size()));
  admission_.note_published(blocks.publish(loan.descriptor_, loan.word_));
  const ErrorCode unlocked = ring_->unlock();
  loan.channel_ = nullptr;
  loan.bytes_ = {};
  ring_->wake_readers();
  // Last: a handle that was closed meanwhile, by another thread, ends with what it has handed out.
  count_release();
  return unlocked;
}

void Channel::abandon(Loan& loan) noexcept {
  if (loan.channel_ == nullptr) return;
  loan.channel_ = nullptr;
  loan.bytes_ = {};
  if (forked()) return;
  ring_->abandon_block(loan.descriptor_, loan.word_);
  count_release();
}

}  // namespace ipc0cp::shm
