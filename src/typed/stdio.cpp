// SPDX-License-Identifier: Apache-2.0
// The stream consumer's pop of objects: pop_raw plus the codec.
#include <optional>
#include <utility>

#include "ipc0cp/stdio.hpp"
#include "typed/ring.hpp"

namespace ipc0cp {

std::optional<ReceivedObject> StdioConsumer::pop(Timeout timeout) {
  std::optional<Message> message = pop_raw(timeout);
  if (!message) return std::nullopt;
  return decode_message(std::move(*message));
}

}  // namespace ipc0cp
