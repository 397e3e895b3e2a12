// SPDX-License-Identifier: Apache-2.0
// What a consumer keeps at one address, whichever handle it is moved to.
#pragma once

#include "ipc0cp/consumer.hpp"
#include "platform/fork_safe.hpp"
#include "ring/put_back.hpp"
#include "shm/channel.hpp"

namespace ipc0cp {

struct SharedRingBufferConsumer::Shared {
  platform::Mutex attaching;
  PutBack put_back;
};

/// At the end of a scope that took from what was put back, also by an exception.
class TellPopped {
 public:
  explicit TellPopped(shm::Channel& channel) noexcept : channel_(channel) {}
  ~TellPopped() { channel_.tell_popped(); }
  TellPopped(const TellPopped&) = delete;
  TellPopped& operator=(const TellPopped&) = delete;

 private:
  shm::Channel& channel_;
};

}  // namespace ipc0cp
