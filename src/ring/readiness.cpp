// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/readiness.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include "ipc0cp/error.hpp"
#include "platform/clock.hpp"
#include "platform/poll.hpp"
#include "ring/errors.hpp"
#include "ring/level.hpp"

namespace ipc0cp {
namespace {

constexpr std::int64_t kInterruptCheckNs = 50 * platform::kMillisecond;

void leave(shm::Channel* channel) noexcept {
  if (channel == nullptr || channel->forked()) return;
  Level::of(*channel).leave();
  channel->unreference();
}

}  // namespace

Readiness::Readiness(SharedRingBufferConsumer& consumer) : Readiness(consumer.attached()) {}

Readiness::Readiness(SharedRingBufferProducer& producer) : Readiness(producer.channel()) {}

Readiness::Readiness(shm::Channel& channel) : channel_(&channel) {
  if (!channel.add_reference()) fail(ErrorCode::closed, channel);
  try {
    Level::of(channel).join();
  } catch (...) {
    if (!channel.forked()) channel.unreference();
    throw;
  }
}

Readiness::Readiness(Readiness&& other) noexcept
    : channel_(std::exchange(other.channel_, nullptr)) {}

Readiness& Readiness::operator=(Readiness&& other) noexcept {
  if (this != &other) leave(std::exchange(channel_, std::exchange(other.channel_, nullptr)));
  return *this;
}

Readiness::~Readiness() { leave(channel_); }

int Readiness::fd() const noexcept {
  return channel_ == nullptr ? -1 : Level::of(*channel_).descriptor();
}

bool Readiness::ready() const noexcept {
  return channel_ != nullptr && Level::of(*channel_).look();
}

std::vector<const Readiness*> wait(std::span<const Readiness* const> watched, Timeout timeout) {
  const std::int64_t deadline_ns = platform::deadline_after(timeout.nanoseconds());
  std::vector<int> descriptors;
  std::vector<InterruptCheck> checks;
  for (const Readiness* readiness : watched) {
    if (readiness == nullptr || readiness->channel_ == nullptr) {
      throw Error(ErrorCode::invalid_argument,
                  "wait: object " + std::to_string(descriptors.size()) + " of " +
                      std::to_string(watched.size()) + " is null, or was moved from");
    }
    descriptors.push_back(readiness->fd());
    const InterruptCheck check = readiness->channel_->interrupt_check();
    if (check != nullptr && std::ranges::find(checks, check) == checks.end()) {
      checks.push_back(check);
    }
  }
  std::vector<const Readiness*> found;
  while (!watched.empty()) {
    std::ranges::copy_if(watched, std::back_inserter(found),
                         [](const Readiness* readiness) { return readiness->ready(); });
    std::int64_t left_ns = deadline_ns - platform::now_ns();
    if (deadline_ns == platform::kForever) left_ns = platform::kForever;
    if (!found.empty() || left_ns <= 0) break;
    if (!checks.empty()) left_ns = std::min(left_ns, kInterruptCheckNs);
    const int error = platform::poll_readable(descriptors, left_ns);
    if (error != 0) {
      throw Error(ErrorCode::system_error,
                  "wait: poll of " + std::to_string(descriptors.size()) +
                      " descriptors: " + std::generic_category().message(error),
                  error);
    }
    if (std::ranges::any_of(checks, [](InterruptCheck check) { return check(); })) {
      throw Error(ErrorCode::interrupted, "interrupted while waiting for " +
                                              std::to_string(watched.size()) + " ring handles");
    }
  }
  return found;
}

}  // namespace ipc0cp
