// SPDX-License-Identifier: Apache-2.0
// Giving memory back that is not in use, a piece at a time.
#pragma once

#include <cstdint>

#include "shm/growth.hpp"
#include "shm/handle_lifetime.hpp"
#include "shm/push_request.hpp"

namespace ipc0cp::shm {

/// Growing in reverse, for as long as nobody else needs what would be given back.
///
/// Thread safety: any number of threads; the handle may be closed meanwhile.
class Trimming {
 public:
  Trimming(HandleLifetime& handle, Growth& growth) noexcept : handle_(handle), growth_(growth) {}

  /// Gives back the memory behind what is in use.
  /// @param given_back_bytes is set also if the call fails.
  /// @return ok, also if there is nothing to be had or others have the lock; closed, interrupted,
  ///   forked_handle, corrupt_buffer.
  ErrorCode run(std::uint64_t& given_back_bytes) noexcept;

 private:
  ErrorCode part(PushRequest::Reserve which, std::uint64_t& given_back_bytes) noexcept;
  ErrorCode piece(PushRequest::Reserve which, std::uint64_t& ceiling,
                  std::uint64_t& given_back_bytes) noexcept;
  ErrorCode end_piece(PushRequest& request) noexcept;

  HandleLifetime& handle_;
  Growth& growth_;
};

}  // namespace ipc0cp::shm
