// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/ring_buffer.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "log_internal.hpp"
#include "platform/clock.hpp"
#include "ring_buffer_errors.hpp"
#include "ring_buffer_stash.hpp"
#include "shm/channel.hpp"
#include "shm/joining.hpp"

namespace ipc0cp {
namespace {

constexpr std::size_t kStackBytes = 1024;

/// Refuses an option outside its limits.
void check_range(const char* name, std::uint64_t value, std::uint64_t lowest, std::uint64_t highest,
                 const char* way_out) {
  if (value >= lowest && value <= highest) return;
  throw Error(ErrorCode::invalid_argument,
              std::string(name) + " must be within " + std::to_string(lowest) + ".." +
                  std::to_string(highest) + ", not " + std::to_string(value) + "; " + way_out);
}

void check_total(std::size_t total_data_bytes) {
  if (total_data_bytes == 0) return;
  check_range("total_data_bytes", total_data_bytes, kMinTotalDataBytes, kMaxTotalDataBytes,
              "0 takes the size of the ring that is there");
}

void check_mode(unsigned mode) {
  if (mode >= kMinMode && mode <= kMaxMode) return;
  throw Error(ErrorCode::invalid_argument, "mode must be within " + shm::octal(kMinMode) + ".." +
                                               shm::octal(kMaxMode) + ", not " + shm::octal(mode) +
                                               "; the ring's owner reads and writes, others may");
}

}  // namespace

std::uint32_t default_max_messages(std::size_t total_data_bytes) noexcept {
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(total_data_bytes / 1024, 64, 8192));
}

void close_all_handles() noexcept { shm::process_channels::close_all(); }

// ---- producer -----------------------------------------------------------------------------------

SharedRingBufferProducer::SharedRingBufferProducer(std::string shm_name,
                                                   std::size_t total_data_bytes,
                                                   ProducerOptions options)
    : options_(std::move(options)) {
  check_total(total_data_bytes);
  if (options_.max_messages != 0) {
    check_range("max_messages", options_.max_messages, 1, kMaxMaxMessages, "0 takes the default");
  }
  check_mode(options_.mode);
  shm::ChannelOptions channel;
  channel.open.name = shm::checked_name(shm_name);
  channel.open.role = shm::Role::kProducer;
  channel.open.total_data_bytes = total_data_bytes;
  channel.open.max_messages = options_.max_messages;
  channel.open.redeliver = options_.redeliver;
  channel.open.reserve = options_.reserve;
  channel.open.mode = options_.mode;
  channel.open.stale = options_.stale;
  channel.open.trusted_owners = options_.trusted_owners;
  channel.open.interrupt_check = options_.interrupt_check;
  channel.consumer_wait_ns = options_.consumer_wait_timeout.nanoseconds();
  channel_ = shm::Channel::open(channel, platform::kForever);
}

SharedRingBufferProducer::SharedRingBufferProducer(SharedRingBufferProducer&& other) noexcept
    : channel_(std::exchange(other.channel_, nullptr)), options_(std::move(other.options_)) {}

SharedRingBufferProducer& SharedRingBufferProducer::operator=(
    SharedRingBufferProducer&& other) noexcept {
  if (this != &other) {
    if (channel_ != nullptr) channel_->let_go();
    channel_ = std::exchange(other.channel_, nullptr);
    options_ = std::move(other.options_);
  }
  return *this;
}

SharedRingBufferProducer::~SharedRingBufferProducer() {
  if (channel_ != nullptr) channel_->let_go();
}

bool SharedRingBufferProducer::push(const SerializableObject& object, Timeout timeout) {
  shm::Deadline deadline(options_.blocking, timeout);
  return push_object(object, deadline);
}

bool SharedRingBufferProducer::push_object(const SerializableObject& object,
                                           shm::Deadline& deadline) {
  const std::string_view metadata = object.metadata_json();
  const std::size_t payload_bytes = object.payload_bytes();
  if (metadata.size() + payload_bytes <= kStackBytes) {
    alignas(64) std::array<std::byte, kStackBytes> buffer;
    const std::span<std::byte> payload(buffer.data(), payload_bytes);
    object.write_payload(payload);
    const RawMessage message{metadata, payload};
    return push_batch({&message, 1}, deadline) == 1;
  }
  Loan loan;
  const ErrorCode lent =
      channel_->loan(payload_bytes, metadata.size(), metadata.size(), deadline, loan);
  if (lent == ErrorCode::buffer_full) return false;
  if (lent != ErrorCode::ok) {
    fail_push(lent, *channel_, metadata.size() + payload_bytes, deadline.timeout_ns());
  }
  object.write_payload(loan.bytes());
  const ErrorCode published = channel_->publish(loan, metadata, deadline);
  if (published == ErrorCode::ok) return true;
  if (published == ErrorCode::timeout) return false;
  fail_push(published, *channel_, metadata.size() + payload_bytes, deadline.timeout_ns());
}

bool SharedRingBufferProducer::push_raw(std::string_view metadata_json,
                                        std::span<const std::byte> payload, Timeout timeout) {
  shm::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel_->push(metadata_json, payload, deadline);
  if (result == ErrorCode::ok) return true;
  if (result == ErrorCode::buffer_full) return false;
  fail_push(result, *channel_, metadata_json.size() + payload.size(), deadline.timeout_ns());
}

bool SharedRingBufferProducer::try_push(const SerializableObject& object) {
  return push(object, Timeout::none());
}

bool SharedRingBufferProducer::try_push_raw(std::string_view metadata_json,
                                            std::span<const std::byte> payload) {
  return push_raw(metadata_json, payload, Timeout::none());
}

Loan SharedRingBufferProducer::loan(std::size_t payload_bytes, Timeout timeout,
                                    std::size_t metadata_capacity) {
  Loan loan;
  shm::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel_->loan(payload_bytes, metadata_capacity, 0, deadline, loan);
  if (result == ErrorCode::ok) return loan;
  const bool over = result == ErrorCode::buffer_full && options_.blocking;
  fail_push(over ? ErrorCode::timeout : result, *channel_, payload_bytes, deadline.timeout_ns());
}

void SharedRingBufferProducer::close() noexcept {
  if (channel_ != nullptr) channel_->close();
}

bool SharedRingBufferProducer::closed() const noexcept {
  return channel_ == nullptr || channel_->closed();
}

const std::string& SharedRingBufferProducer::name() const noexcept { return channel_->name(); }

RingStats SharedRingBufferProducer::stats() const { return channel_->stats(); }

// ---- consumer -----------------------------------------------------------------------------------

SharedRingBufferConsumer::SharedRingBufferConsumer(std::string shm_name,
                                                   std::size_t total_data_bytes,
                                                   ConsumerOptions options)
    : name_(shm::checked_name(shm_name)),
      total_data_bytes_(total_data_bytes),
      options_(std::move(options)),
      stash_(std::make_unique<Stash>()) {
  check_total(total_data_bytes);
  if (options_.auto_attach) attach();
}

SharedRingBufferConsumer::SharedRingBufferConsumer(SharedRingBufferConsumer&& other) noexcept
    : name_(std::move(other.name_)),
      total_data_bytes_(other.total_data_bytes_),
      channel_(other.channel_.exchange(nullptr)),
      options_(std::move(other.options_)),
      closed_(other.closed_.load()),
      stash_(std::move(other.stash_)) {}

SharedRingBufferConsumer& SharedRingBufferConsumer::operator=(
    SharedRingBufferConsumer&& other) noexcept {
  if (this != &other) {
    if (shm::Channel* channel = channel_) channel->let_go();
    name_ = std::move(other.name_);
    total_data_bytes_ = other.total_data_bytes_;
    channel_ = other.channel_.exchange(nullptr);
    options_ = std::move(other.options_);
    closed_ = other.closed_.load();
    stash_ = std::move(other.stash_);
  }
  return *this;
}

SharedRingBufferConsumer::~SharedRingBufferConsumer() {
  if (shm::Channel* channel = channel_) channel->let_go();
}

void SharedRingBufferConsumer::attach(Timeout timeout) {
  if (closed_.load(std::memory_order_acquire)) {
    throw Error(ErrorCode::closed, "ring '" + name_ + "': this handle is closed");
  }
  const std::lock_guard guard(stash_->attaching);
  if (channel_ != nullptr) return;
  shm::ChannelOptions channel;
  channel.open.name = name_;
  channel.open.role = shm::Role::kConsumer;
  channel.open.total_data_bytes = total_data_bytes_;
  channel.open.stale = options_.stale;
  channel.open.trusted_owners = options_.trusted_owners;
  channel.open.interrupt_check = options_.interrupt_check;
  channel.expected_producers = options_.expected_producers;
  channel.auto_unlink = options_.auto_unlink;
  channel_ = shm::Channel::open(channel, platform::deadline_after(timeout.nanoseconds()));
}

std::optional<Message> SharedRingBufferConsumer::pop_raw(Timeout timeout) {
  shm::Channel& channel = attached();
  std::optional<Message> message(std::in_place);  // Returned in place: one variable, one return.
  if (!take_stashed(*message)) {
    shm::Deadline deadline(options_.blocking, timeout);
    const ErrorCode result = channel.pop(deadline, *message);
    if (result == ErrorCode::end_of_stream) {
      message.reset();
    } else if (result != ErrorCode::ok) {
      fail_pop(result);
    }
  }
  return message;
}

shm::Channel& SharedRingBufferConsumer::attached() const {
  if (shm::Channel* channel = channel_.load(std::memory_order_acquire)) return *channel;
  throw Error(ErrorCode::closed,
              "ring '" + name_ +
                  (closed_.load(std::memory_order_acquire) ? "': this handle is closed"
                                                           : "': call attach() first"));
}

void SharedRingBufferConsumer::fail_pop(ErrorCode result) const {
  // A blocking handle says time-out even for a time of zero.
  const bool over = result == ErrorCode::buffer_empty && options_.blocking;
  fail(over ? ErrorCode::timeout : result, attached());
}

std::optional<Message> SharedRingBufferConsumer::try_pop_raw() {
  try {
    return pop_raw(Timeout::none());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::timeout) throw;
    fail(ErrorCode::buffer_empty, attached());
  }
}

void SharedRingBufferConsumer::done() noexcept {
  if (shm::Channel* channel = channel_) channel->finish_popped(false);
}

void SharedRingBufferConsumer::requeue() noexcept {
  if (shm::Channel* channel = channel_) channel->requeue_latest();
}

void SharedRingBufferConsumer::count_damaged() noexcept {
  if (shm::Channel* channel = channel_) channel->count_damaged();
}

void SharedRingBufferConsumer::close() noexcept {
  closed_.store(true, std::memory_order_release);
  if (shm::Channel* channel = channel_) channel->close();
}

bool SharedRingBufferConsumer::closed() const noexcept {
  const shm::Channel* channel = channel_;
  return closed_.load(std::memory_order_acquire) || (channel != nullptr && channel->closed());
}

const std::string& SharedRingBufferConsumer::name() const noexcept { return name_; }

RingStats SharedRingBufferConsumer::stats() const { return attached().stats(); }

}  // namespace ipc0cp
