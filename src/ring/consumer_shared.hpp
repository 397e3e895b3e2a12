// SPDX-License-Identifier: Apache-2.0
// What a consumer keeps at one address, whichever handle it is moved to.
#pragma once

#include "ipc0cp/consumer.hpp"
#include "platform/fork_safe.hpp"
#include "ring/put_back.hpp"

namespace ipc0cp {

struct SharedRingBufferConsumer::Shared {
  platform::Mutex attaching;
  PutBack put_back;
};

}  // namespace ipc0cp
