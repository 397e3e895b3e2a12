// SPDX-License-Identifier: Apache-2.0
// What a consumer keeps between its calls.
#pragma once

#include <atomic>
#include <deque>
#include <exception>
#include <mutex>

#include "ipc0cp/ring_buffer.hpp"

namespace ipc0cp {

/// What a pop_many took when one of its messages could not be decoded: the error comes out of the
/// next pop, then the messages behind it. On a ring with redelivery what a thread had is finished
/// by its first pop after that.
struct SharedRingBufferConsumer::Stash {
  std::mutex attaching;
  std::mutex mutex;  ///< Guards what follows.
  std::exception_ptr error;
  std::deque<Message> messages;
  std::atomic<bool> any{false};  ///< Whether there is something; looked at without the mutex.
};

}  // namespace ipc0cp
