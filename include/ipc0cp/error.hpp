// SPDX-License-Identifier: Apache-2.0
/// @file
/// The one error vocabulary of ipc0cp. The Python package has the same names.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ipc0cp/export.hpp"

namespace ipc0cp {

/// Every way a call can fail. `Error::code()` returns one of these.
enum class ErrorCode : std::uint8_t {
  ok = 0,                 ///< Never thrown; what the internal layers return for success.
  timeout,                ///< The time given to a blocking call is over.
  buffer_empty,           ///< A non-blocking pop found nothing.
  buffer_full,            ///< Internal: no room now. The public calls return false instead.
  end_of_stream,          ///< Internal: the public calls return an empty optional instead.
  no_consumers,           ///< Nobody is there to read, or the last reader has closed.
  message_too_large,      ///< The message can never fit into this ring.
  unsupported_type,       ///< The object has no encoding that gives it back unchanged.
  invalid_argument,       ///< A value outside its documented range.
  size_mismatch,          ///< The existing ring has another size.
  option_mismatch,        ///< The existing ring has other options.
  no_space,               ///< /dev/shm has too little room (ENOSPC).
  version_mismatch,       ///< The file has another layout version.
  not_a_ring,             ///< The file is something else.
  permission_denied,      ///< The file belongs to somebody else, or may not be opened.
  too_many_participants,  ///< All 1,023 slots of the ring are taken.
  closed,                 ///< The handle is closed.
  forked_handle,          ///< The handle belongs to the parent of this forked process.
  corrupt_payload,        ///< One message is damaged; it was dropped and counted.
  corrupt_buffer,         ///< The ring itself is damaged.
  interrupted,            ///< The caller's interrupt check asked to stop.
  out_of_memory,          ///< This process has no memory left for the copy.
  system_error,           ///< An unexpected error of the operating system.
};

/// The name of a code as it is written in the sources, for example "no_space".
IPC0CP_EXPORT std::string_view to_string(ErrorCode code) noexcept;

/// What every failing public call throws. `what()` says what was asked, what is there, and the
/// way out.
class IPC0CP_EXPORT Error : public std::runtime_error {
 public:
  /// A failure of that kind; also for deserializers, whose errors pass through pop.
  Error(ErrorCode code, const std::string& message, int system_errno = 0);
  ~Error() override;
  Error(const Error&) = default;
  Error& operator=(const Error&) = default;

  /// Which of the failures this is.
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }
  /// The errno behind a `no_space`, `permission_denied` or `system_error`, else 0.
  [[nodiscard]] int system_errno() const noexcept { return system_errno_; }
  /// How many messages a `push_many` had queued before this happened.
  [[nodiscard]] std::size_t pushed() const noexcept { return pushed_; }
  /// Adds to `pushed()`, before the error goes on.
  void add_pushed(std::size_t messages) noexcept { pushed_ += messages; }

 private:
  ErrorCode code_;
  int system_errno_;
  std::size_t pushed_ = 0;
};

}  // namespace ipc0cp
