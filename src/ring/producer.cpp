// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/producer.hpp"

#include <array>
#include <utility>

#include "ring/errors.hpp"
#include "ring/options.hpp"
#include "rules/metadata.hpp"
#include "shm/channel.hpp"
#include "shm/joining.hpp"
#include "shm/push_request.hpp"

namespace ipc0cp {
namespace {

const std::string g_no_producer;           ///< The name of a handle that was moved from.
constexpr std::size_t kStackBytes = 1024;  ///< Objects up to this size are encoded on the stack.

[[noreturn, gnu::cold]] void fail_moved_from() {
  throw Error(ErrorCode::closed, "this SharedRingBufferProducer has been moved from");
}

}  // namespace

SharedRingBufferProducer::SharedRingBufferProducer(std::string shm_name,
                                                   std::size_t total_data_bytes,
                                                   ProducerOptions options)
    : options_(std::move(options)) {
  check_total(total_data_bytes);
  check_ring_options(options_);
  shm::ChannelOptions channel;
  channel.open = joining_options(shm::checked_name(shm_name), shm::Role::kProducer,
                                 total_data_bytes, options_);
  channel.open.max_messages = options_.max_messages;
  channel.open.redeliver = options_.redeliver;
  channel.open.reserve = options_.reserve;
  channel.open.mode = options_.mode;
  channel.consumer_wait_ns = options_.consumer_wait_timeout.nanoseconds();
  channel.open.keep = options_.keep;
  channel.queue = {options_.overflow, options_.depth, options_.expected_consumers};
  channel.open.broadcast = options_.broadcast;
  channel_ =
      shm::Channel::open(channel, platform::deadline_after(options_.open_timeout.nanoseconds()));
}

SharedRingBufferProducer::SharedRingBufferProducer(SharedRingBufferProducer&& other) noexcept
    : channel_(std::exchange(other.channel_, nullptr)), options_(std::move(other.options_)) {}

SharedRingBufferProducer& SharedRingBufferProducer::operator=(
    SharedRingBufferProducer&& other) noexcept {
  if (this != &other) {
    if (channel_ != nullptr) channel_->detach();
    channel_ = std::exchange(other.channel_, nullptr);
    options_ = std::move(other.options_);
  }
  return *this;
}

SharedRingBufferProducer::~SharedRingBufferProducer() {
  if (channel_ != nullptr) channel_->detach();
}

ErrorCode SharedRingBufferProducer::put(const SerializableObject& object,
                                        platform::Deadline& deadline) {
  const std::string_view metadata = object.metadata_json();
  codec::check_pushed_metadata(metadata);
  const std::size_t payload_bytes = object.payload_bytes();
  if (metadata.size() + payload_bytes <= kStackBytes) {
    alignas(64) std::array<std::byte, kStackBytes> buffer;
    const std::span<std::byte> payload(buffer.data(), payload_bytes);
    object.write_payload(payload);
    return channel().push(metadata, payload, deadline);
  }
  ErrorCode published = ErrorCode::no_consumers;
  // Of a broadcast ring the last subscriber may leave in between: the next one is waited for.
  while (published == ErrorCode::no_consumers) {
    Loan loan;
    const ErrorCode lent =
        channel().loan(payload_bytes, metadata.size(), metadata.size(), deadline, loan);
    if (lent != ErrorCode::ok) return lent;
    object.write_payload(loan.bytes());
    published = channel().publish(loan, metadata, deadline);
  }
  return published;
}

/// No room is an answer, not a failure.
bool SharedRingBufferProducer::accepted(ErrorCode result, std::size_t message_bytes,
                                        const platform::Deadline& deadline) const {
  if (result == ErrorCode::ok) return true;
  if (result == ErrorCode::buffer_full || result == ErrorCode::timeout) return false;
  fail_push(result, channel(), message_bytes, deadline.timeout_ns());
}

/// What is called full inside is a time-out to who has waited, or would have. Who turns the newest
/// away never does.
ErrorCode SharedRingBufferProducer::outcome_of(ErrorCode result, bool waits) const noexcept {
  if (result != ErrorCode::buffer_full && result != ErrorCode::timeout) return result;
  const bool has_waited = options_.blocking && waits && options_.overflow != Overflow::drop_newest;
  return has_waited ? ErrorCode::timeout : ErrorCode::buffer_full;
}

bool SharedRingBufferProducer::push(const SerializableObject& object, Timeout timeout) {
  platform::Deadline deadline(options_.blocking, timeout);
  return push_object(object, deadline);
}

bool SharedRingBufferProducer::push_object(const SerializableObject& object,
                                           platform::Deadline& deadline) {
  const ErrorCode result = put(object, deadline);
  if (result == ErrorCode::ok) [[likely]]
    return true;
  const std::size_t message_bytes = object.metadata_json().size() + object.payload_bytes();
  return accepted(result, message_bytes, deadline);
}

bool SharedRingBufferProducer::push(const SerializableObject& object, Timeout timeout,
                                    ErrorCode& outcome) {
  platform::Deadline deadline(options_.blocking, timeout);
  outcome = outcome_of(put(object, deadline), true);
  return outcome == ErrorCode::ok;
}

bool SharedRingBufferProducer::push_raw(std::string_view metadata_json,
                                        std::span<const std::byte> payload, Timeout timeout) {
  metadata_json = shm::stored_form(metadata_json);
  if (!metadata_json.empty()) codec::check_pushed_metadata(metadata_json);
  if (channel_ == nullptr) [[unlikely]]
    fail_moved_from();
  platform::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel_->push(metadata_json, payload, deadline);
  if (result == ErrorCode::ok) [[likely]]
    return true;
  return accepted(result, metadata_json.size() + payload.size(), deadline);
}

bool SharedRingBufferProducer::push_raw(std::string_view metadata_json,
                                        std::span<const std::byte> payload, Timeout timeout,
                                        ErrorCode& outcome) {
  codec::check_pushed_metadata(metadata_json);
  platform::Deadline deadline(options_.blocking, timeout);
  outcome = outcome_of(channel().push(metadata_json, payload, deadline), true);
  return outcome == ErrorCode::ok;
}

bool SharedRingBufferProducer::try_push(const SerializableObject& object) {
  return push(object, Timeout::none());
}

bool SharedRingBufferProducer::try_push_raw(std::string_view metadata_json,
                                            std::span<const std::byte> payload) {
  return push_raw(metadata_json, payload, Timeout::none());
}

bool SharedRingBufferProducer::try_push(const SerializableObject& object, ErrorCode& outcome) {
  push(object, Timeout::none(), outcome);
  outcome = outcome_of(outcome, false);
  return outcome == ErrorCode::ok;
}

bool SharedRingBufferProducer::try_push_raw(std::string_view metadata_json,
                                            std::span<const std::byte> payload,
                                            ErrorCode& outcome) {
  push_raw(metadata_json, payload, Timeout::none(), outcome);
  outcome = outcome_of(outcome, false);
  return outcome == ErrorCode::ok;
}

Loan SharedRingBufferProducer::loan(std::size_t payload_bytes, Timeout timeout,
                                    std::size_t metadata_capacity) {
  Loan loan;
  platform::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel().loan(payload_bytes, metadata_capacity, 0, deadline, loan);
  if (result == ErrorCode::ok) return loan;
  fail_push(outcome_of(result, true), channel(), payload_bytes, deadline.timeout_ns());
}

Loan SharedRingBufferProducer::loan(std::size_t payload_bytes, Timeout timeout, ErrorCode& outcome,
                                    std::size_t metadata_capacity) {
  Loan loan;
  platform::Deadline deadline(options_.blocking, timeout);
  outcome = outcome_of(channel().loan(payload_bytes, metadata_capacity, 0, deadline, loan), true);
  return loan;
}

std::size_t SharedRingBufferProducer::trim() { return trim_or_fail(channel()); }

void SharedRingBufferProducer::close() noexcept {
  if (channel_ != nullptr) channel_->close();
}

bool SharedRingBufferProducer::closed() const noexcept {
  return channel_ == nullptr || channel_->closed();
}

const std::string& SharedRingBufferProducer::name() const noexcept {
  return channel_ != nullptr ? channel_->name() : g_no_producer;
}

shm::Channel& SharedRingBufferProducer::channel() const {
  if (channel_ == nullptr) [[unlikely]]
    fail_moved_from();
  return *channel_;
}

RingStats SharedRingBufferProducer::stats() const { return stats_or_fail(channel()); }

}  // namespace ipc0cp
