// SPDX-License-Identifier: Apache-2.0
#include "ring/errors.hpp"

#include <cerrno>

#include "ring/error_text.hpp"

namespace ipc0cp {

void fail(ErrorCode code, const shm::Channel& channel) {
  throw Error(code, handle_text(code, channel.name()));
}

void fail_push(ErrorCode code, const shm::Channel& channel, std::uint64_t message_bytes,
               std::int64_t timeout_ns) {
  throw Error(code, push_text(code, channel, message_bytes, timeout_ns),
              code == ErrorCode::no_space ? ENOSPC : 0);
}

RingStats stats_or_fail(shm::Channel& channel) {
  const RingStats stats = channel.stats();
  ErrorCode state = channel.forked() ? ErrorCode::forked_handle : channel.ring().refusal();
  if (state == ErrorCode::ok && channel.ring().header().damaged != 0) {
    state = ErrorCode::corrupt_buffer;
  }
  if (state != ErrorCode::ok) fail(state, channel);
  return stats;
}

std::size_t trim_or_fail(shm::Channel& channel) {
  std::uint64_t given_back_bytes = 0;
  const ErrorCode result = channel.trimming().run(given_back_bytes);
  if (result != ErrorCode::ok) fail(result, channel);
  return static_cast<std::size_t>(given_back_bytes);
}

}  // namespace ipc0cp
