// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/error.hpp"

#include <array>

namespace ipc0cp {

std::string_view to_string(ErrorCode code) noexcept {
  constexpr std::array<std::string_view, 22> kNames = {
      "ok",
      "timeout",
      "buffer_empty",
      "buffer_full",
      "end_of_stream",
      "no_consumers",
      "message_too_large",
      "unsupported_type",
      "invalid_argument",
      "size_mismatch",
      "option_mismatch",
      "no_space",
      "version_mismatch",
      "not_a_ring",
      "permission_denied",
      "too_many_participants",
      "closed",
      "forked_handle",
      "corrupt_payload",
      "corrupt_buffer",
      "interrupted",
      "out_of_memory",
  };
  const auto index = static_cast<std::size_t>(code);
  return index < kNames.size() ? kNames[index] : "system_error";
}

Error::Error(ErrorCode code, const std::string& message, int system_errno)
    : std::runtime_error(message), code_(code), system_errno_(system_errno) {}

Error::~Error() = default;

}  // namespace ipc0cp
