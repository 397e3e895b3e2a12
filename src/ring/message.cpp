// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/message.hpp"

#include <utility>

#include "ring/errors.hpp"
#include "rules/metadata.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

Loan::Loan(Loan&& other) noexcept { *this = std::move(other); }

Loan& Loan::operator=(Loan&& other) noexcept {
  if (this == &other) return *this;
  abandon();
  channel_ = std::exchange(other.channel_, nullptr);
  bytes_ = std::exchange(other.bytes_, {});
  metadata_capacity_ = other.metadata_capacity_;
  word_ = other.word_;
  descriptor_ = other.descriptor_;
  return *this;
}

bool Loan::publish(std::string_view metadata_json, Timeout timeout) {
  if (channel_ == nullptr) {
    throw Error(ErrorCode::closed, "this loan is over: it was published or abandoned already");
  }
  codec::check_pushed_metadata(metadata_json);
  shm::Channel& channel = *channel_;
  const std::size_t payload_bytes = bytes_.size();
  platform::Deadline deadline(timeout.nanoseconds());
  const ErrorCode result = channel.publish(*this, metadata_json, deadline);
  if (result == ErrorCode::ok) return true;
  if (result == ErrorCode::timeout) return false;
  if (result == ErrorCode::message_too_large) {
    throw Error(result, "the metadata has " + std::to_string(metadata_json.size()) +
                            " bytes, this loan has room for " + std::to_string(metadata_capacity_) +
                            "; ask for more metadata_capacity");
  }
  if (result == ErrorCode::corrupt_payload) {
    abandon();
    throw Error(result, "this loan of " + std::to_string(payload_bytes) +
                            " bytes was written past its end; it is abandoned");
  }
  fail(result, channel);
}

void Loan::abandon() noexcept {
  if (channel_ != nullptr) channel_->abandon(*this);
}

Message::Message(Message&& other) noexcept { *this = std::move(other); }

Message& Message::operator=(Message&& other) noexcept {
  if (this == &other) return *this;
  release();
  channel_ = std::exchange(other.channel_, nullptr);
  metadata_ = std::exchange(other.metadata_, {});
  payload_ = std::exchange(other.payload_, {});
  id_ = other.id_;
  word_ = other.word_;
  buffer_ = std::exchange(other.buffer_, nullptr);
  descriptor_ = std::exchange(other.descriptor_, kNoBlock);
  deliveries_ = other.deliveries_;
  is_view_ = std::exchange(other.is_view_, false);
  return *this;
}

void Message::done() noexcept {
  if (channel_ != nullptr) channel_->finish(*this);
}

void Message::requeue() noexcept {
  if (channel_ != nullptr) channel_->requeue(*this);
}

void Message::release() noexcept { shm::Channel::release(*this); }

Payload Message::share() && {
  auto keeper = std::make_shared<Message>(std::move(*this));
  const std::span<const std::byte> bytes = keeper->payload();
  return {bytes, std::shared_ptr<const void>(std::move(keeper))};
}

}  // namespace ipc0cp
