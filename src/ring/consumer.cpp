// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/consumer.hpp"

#include <chrono>
#include <mutex>
#include <thread>
#include <utility>

#include "platform/clock.hpp"
#include "ring/consumer_shared.hpp"
#include "ring/error_text.hpp"
#include "ring/errors.hpp"
#include "ring/options.hpp"
#include "shm/channel.hpp"
#include "shm/joining.hpp"

namespace ipc0cp {
namespace {

/// How long a call sleeps at most before it looks whether it should end.
constexpr std::chrono::milliseconds kAttachPause(1);

}  // namespace

SharedRingBufferConsumer::SharedRingBufferConsumer(std::string shm_name,
                                                   std::size_t total_data_bytes,
                                                   ConsumerOptions options)
    : name_(shm::checked_name(shm_name)),
      total_data_bytes_(total_data_bytes),
      options_(std::move(options)),
      shared_(std::make_shared<Shared>()) {
  check_total(total_data_bytes);
  check_consumer_options(options_);
  if (options_.auto_attach) attach(options_.open_timeout);
}

SharedRingBufferConsumer::SharedRingBufferConsumer(SharedRingBufferConsumer&& other) noexcept
    : name_(std::move(other.name_)),
      total_data_bytes_(other.total_data_bytes_),
      channel_(other.channel_.exchange(nullptr)),
      options_(std::move(other.options_)),
      closed_(other.closed_.exchange(true)),
      shared_(std::move(other.shared_)) {}

SharedRingBufferConsumer& SharedRingBufferConsumer::operator=(
    SharedRingBufferConsumer&& other) noexcept {
  if (this != &other) {
    if (shm::Channel* channel = channel_) channel->detach();
    name_ = std::move(other.name_);
    total_data_bytes_ = other.total_data_bytes_;
    channel_ = other.channel_.exchange(nullptr);
    options_ = std::move(other.options_);
    closed_ = other.closed_.exchange(true);
    shared_ = std::move(other.shared_);
  }
  return *this;
}

SharedRingBufferConsumer::~SharedRingBufferConsumer() {
  if (shm::Channel* channel = channel_) channel->detach();
}

void SharedRingBufferConsumer::attach(Timeout timeout) {
  const std::int64_t deadline_ns = platform::deadline_after(timeout.nanoseconds());
  wait_to_attach(deadline_ns);
  const std::lock_guard lock(shared_->attaching, std::adopt_lock);
  check_open();
  if (channel_ != nullptr) return;
  shm::ChannelOptions channel;
  const shm::Role role = options_.subscribe ? shm::Role::kSubscriber : shm::Role::kConsumer;
  channel.open = joining_options(name_, role, total_data_bytes_, options_);
  channel.open.drops = options_.overflow == Overflow::drop_oldest;
  channel.open.given_up = &closed_;
  channel.listener = std::shared_ptr<shm::CloseListener>(shared_, &shared_->put_back);
  channel.expected_producers = options_.expected_producers;
  channel.auto_unlink = options_.auto_unlink;
  shm::Channel* joined = shm::Channel::open(channel, deadline_ns);
  channel_ = joined;
  // Either close() sees the channel, or this sees that it was called.
  if (closed_) joined->close();
  check_open();
}

/// Only one thread at a time attaches; who waits for it heeds its own time-out and close().
void SharedRingBufferConsumer::wait_to_attach(std::int64_t deadline_ns) {
  check_open();
  while (!shared_->attaching.try_lock()) {
    std::this_thread::sleep_for(kAttachPause);
    check_open();
    if (options_.interrupt_check != nullptr && options_.interrupt_check()) {
      throw Error(ErrorCode::interrupted, "interrupted while attaching to ring '" + name_ + "'");
    }
    if (platform::now_ns() >= deadline_ns) {
      throw Error(ErrorCode::timeout,
                  "ring '" + name_ + "': another thread is still attaching this handle");
    }
  }
}

void SharedRingBufferConsumer::check_open() const {
  if (closed()) throw Error(ErrorCode::closed, handle_text(ErrorCode::closed, name_));
}

ErrorCode SharedRingBufferConsumer::take(bool waits, Timeout timeout, Message& message) {
  shm::Channel* channel = channel_.load(std::memory_order_acquire);
  if (channel == nullptr) return ErrorCode::closed;
  if (shared_->put_back.any() && !channel->forked()) [[unlikely]] {
    const TellPopped tell(*channel);
    if (shared_->put_back.take({&message, 1}) == 1) return ErrorCode::ok;
  }
  platform::Deadline deadline(options_.blocking && waits, timeout);
  const ErrorCode result = channel->pop(deadline, message);
  if (result == ErrorCode::ok) [[likely]]
    return result;
  if (result == ErrorCode::end_of_stream) channel->ending().log();
  return outcome_of(result, waits);
}

ErrorCode SharedRingBufferConsumer::take_latest(Timeout timeout, Message& message) {
  shm::Channel& channel = attached();
  if (shared_->put_back.any() && !channel.forked()) [[unlikely]] {
    const TellPopped tell(channel);
    // All that was put back is older than what waits for this handle in the ring.
    const std::size_t kept = channel.ring().waiting_messages() == 0 ? 1 : 0;
    channel.count_given_up(shared_->put_back.give_up_all_but(kept));
    if (shared_->put_back.take({&message, 1}) == 1) return ErrorCode::ok;
  }
  platform::Deadline deadline(options_.blocking, timeout);
  const ErrorCode result = channel.pop_latest(deadline, message);
  if (result == ErrorCode::end_of_stream) channel.ending().log();
  return outcome_of(result, true);
}

std::optional<Message> SharedRingBufferConsumer::pop_latest_raw(Timeout timeout) {
  std::optional<Message> message(std::in_place);
  const ErrorCode result = take_latest(timeout, *message);
  if (result != ErrorCode::ok) {
    if (result != ErrorCode::end_of_stream) fail_pop(result);
    message.reset();
  }
  return message;
}

/// A blocking handle says time-out even for a time of zero.
ErrorCode SharedRingBufferConsumer::outcome_of(ErrorCode result, bool waits) const noexcept {
  const bool is_over = result == ErrorCode::buffer_empty && options_.blocking && waits;
  return is_over ? ErrorCode::timeout : result;
}

std::optional<Message> SharedRingBufferConsumer::pop_raw(Timeout timeout) {
  std::optional<Message> message(std::in_place);  // Returned in place: one variable, one return.
  const ErrorCode result = take(true, timeout, *message);
  if (result != ErrorCode::ok) {
    if (result != ErrorCode::end_of_stream) fail_pop(result);
    message.reset();
  }
  return message;
}

std::optional<Message> SharedRingBufferConsumer::try_pop_raw() {
  std::optional<Message> message(std::in_place);
  const ErrorCode result = take(false, Timeout::none(), *message);
  if (result != ErrorCode::ok) {
    if (result != ErrorCode::end_of_stream) fail_pop(result);
    message.reset();
  }
  return message;
}

std::optional<Message> SharedRingBufferConsumer::take(bool waits, Timeout timeout,
                                                      ErrorCode& outcome) {
  std::optional<Message> message(std::in_place);
  try {
    outcome = take(waits, timeout, *message);
  } catch (const Error& error) {  // What a pop_many has left behind.
    if (error.code() != ErrorCode::corrupt_payload) throw;
    outcome = error.code();
  }
  if (outcome != ErrorCode::ok) message.reset();
  return message;
}

std::optional<Message> SharedRingBufferConsumer::pop_raw(Timeout timeout, ErrorCode& outcome) {
  return take(true, timeout, outcome);
}

std::optional<Message> SharedRingBufferConsumer::try_pop_raw(ErrorCode& outcome) {
  return take(false, Timeout::none(), outcome);
}

shm::Channel& SharedRingBufferConsumer::attached() const {
  if (shm::Channel* channel = channel_.load(std::memory_order_acquire)) return *channel;
  check_open();
  throw Error(ErrorCode::closed, "ring '" + name_ + "': call attach() first");
}

void SharedRingBufferConsumer::fail_pop(ErrorCode result) const {
  throw Error(result, pop_text(result, attached()));
}

void SharedRingBufferConsumer::done() noexcept {
  if (shm::Channel* channel = channel_) channel->redelivery().finish_popped(false);
}

void SharedRingBufferConsumer::requeue() noexcept {
  if (shm::Channel* channel = channel_) channel->redelivery().requeue_latest();
}

void SharedRingBufferConsumer::count_damaged(std::uint64_t id) noexcept {
  if (shm::Channel* channel = channel_) channel->count_damaged(id);
}

std::size_t SharedRingBufferConsumer::trim() { return trim_or_fail(attached()); }

void SharedRingBufferConsumer::close() noexcept {
  closed_.store(true);  // Before the channel is looked for: `attach` does it the other way round.
  if (shm::Channel* channel = channel_) channel->close();
}

bool SharedRingBufferConsumer::closed() const noexcept {
  const shm::Channel* channel = channel_;
  return closed_.load(std::memory_order_acquire) || (channel != nullptr && channel->closed());
}

const std::string& SharedRingBufferConsumer::name() const noexcept { return name_; }

std::uint64_t SharedRingBufferConsumer::missed() const noexcept {
  const shm::Channel* channel = channel_.load(std::memory_order_acquire);
  return channel == nullptr ? 0 : channel->ring().subscription().missed();
}

std::optional<StreamEnd> SharedRingBufferConsumer::end() const {
  shm::Channel* channel = channel_.load(std::memory_order_acquire);
  return channel == nullptr ? std::nullopt : channel->ending().seen();
}

RingStats SharedRingBufferConsumer::stats() const { return stats_or_fail(attached()); }

}  // namespace ipc0cp
