// SPDX-License-Identifier: Apache-2.0
#include "ring/put_back.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "platform/clock.hpp"
#include "platform/log.hpp"

namespace ipc0cp {
namespace {

/// @return how many are lost.
std::size_t give_back(shm::Channel& channel, std::span<Message> messages) noexcept {
  const std::int64_t deadline_ns = platform::now_ns() + shm::Redelivery::kRequeueWaitNs;
  std::size_t lost = 0;
  for (Message& message : messages) {
    if (!channel.take_back(message, deadline_ns)) lost += 1;
  }
  if (lost == 0) return lost;
  try {
    log(LogLevel::warning, "ring '" + channel.name() + "': " + std::to_string(lost) +
                               " message(s) are lost with a consumer that closed; it had taken them"
                               " behind one that could not be decoded");
  } catch (const std::bad_alloc&) {
    log(LogLevel::warning, "messages are lost with a consumer that closed");
  }
  return lost;
}

}  // namespace

void PutBack::add(shm::Channel& channel, std::exception_ptr error, std::span<Message> rest) {
  const std::lock_guard guard(mutex_);
  if (is_closed_ || channel.ring().must_finish()) {
    give_back(channel, rest);
  } else {
    // In front: what is here already was queued behind them.
    messages_.insert(messages_.end(), std::make_move_iterator(rest.rbegin()),
                     std::make_move_iterator(rest.rend()));
  }
  if (!is_closed_ && error_ == nullptr) error_ = std::move(error);
  look();
}

std::size_t PutBack::take(std::span<Message> messages) {
  if (!any()) [[likely]]
    return 0;
  const std::lock_guard guard(mutex_);
  throw_error();
  const std::size_t count = std::min(messages.size(), messages_.size());
  for (Message& message : messages.first(count)) {
    message = std::move(messages_.back());
    messages_.pop_back();
  }
  look();
  return count;
}

std::size_t PutBack::give_up_all_but(std::size_t kept) {
  const std::lock_guard guard(mutex_);
  throw_error();
  const std::size_t count = messages_.size() - std::min(kept, messages_.size());
  messages_.resize(messages_.size() - count);  // The oldest come last.
  look();
  return count;
}

bool PutBack::describe(MessageHead& head) {
  if (!any()) [[likely]]
    return false;
  const std::lock_guard guard(mutex_);
  throw_error();
  if (messages_.empty()) return false;
  head.metadata_json = messages_.back().metadata();
  head.payload_bytes = messages_.back().payload().size();
  head.queued = messages_.size();
  return true;
}

std::size_t PutBack::take_rows(const shm::Channel::Likeness& likeness, std::span<std::byte> rows,
                               std::size_t most, bool& is_whole) {
  is_whole = true;
  if (!any()) [[likely]]
    return 0;
  const std::lock_guard guard(mutex_);
  throw_error();
  std::size_t count = 0;
  while (count < most && !messages_.empty()) {
    const Message& next = messages_.back();
    const std::span payload = next.payload();
    if (next.metadata() != likeness.metadata || payload.size() != likeness.payload_bytes) break;
    std::ranges::copy(payload, rows.subspan(count * likeness.payload_bytes).begin());
    messages_.pop_back();
    count += 1;
  }
  is_whole = messages_.empty();
  look();
  return count;
}

std::size_t PutBack::closing(shm::Channel& channel) noexcept {
  const std::lock_guard guard(mutex_);
  is_closed_ = true;
  const std::size_t lost = give_back(channel, messages_);
  messages_.clear();
  error_ = nullptr;
  look();
  return lost;
}

void PutBack::throw_error() {
  const std::exception_ptr error = std::exchange(error_, nullptr);
  look();
  if (error != nullptr && !is_closed_) std::rethrow_exception(error);
}

void PutBack::look() noexcept {
  any_.store(error_ != nullptr || !messages_.empty(), std::memory_order_release);
}

}  // namespace ipc0cp
