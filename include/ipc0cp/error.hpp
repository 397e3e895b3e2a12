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

// The one table of failures: code, class in Python, sentence. Numbered in this order, which other
// languages share, so a new one goes to the end. docs/errors.md is checked against it.
// clang-format off
#define IPC0CP_ERROR_CODES(X)                                                                      \
  X(ok, Error, "Nothing failed.")                                                                  \
  X(timeout, Timeout, "The time given to a blocking call is over.")                                \
  X(buffer_empty, BufferEmpty, "A pop that does not wait found nothing.")                          \
  X(buffer_full, BufferFull, "A push or loan that does not wait found no room.")                   \
  X(end_of_stream, Error, "Nothing is queued, and all producers have gone.")                       \
  X(no_consumers, NoConsumers, "Nobody is there to read, or the last reader has closed.")          \
  X(message_too_large, MessageTooLarge, "The message can never fit into this ring.")               \
  X(unsupported_type, UnsupportedType, "The object has no encoding that gives it back unchanged.") \
  X(invalid_argument, InvalidArgument, "A value outside its documented range.")                    \
  X(size_mismatch, SizeMismatch, "The existing ring has another size.")                            \
  X(option_mismatch, OptionMismatch, "The existing ring has other options.")                       \
  X(no_space, NoSpace, "The memory behind /dev/shm has too little room (ENOSPC).")                 \
  X(version_mismatch, VersionMismatch, "The file or stream has another version.")                  \
  X(not_a_ring, NotARing, "The file is something else.")                                           \
  X(permission_denied, PermissionDenied, "The file is another user's, or may not be opened.")      \
  X(too_many_participants, TooManyParticipants, "All places in the ring are taken.")              \
  X(closed, Closed, "The handle is closed, perhaps by another thread during the call.")            \
  X(forked_handle, ForkedHandle, "The handle belongs to the parent of this forked process.")       \
  X(corrupt_payload, CorruptPayload, "One message is damaged; it was dropped and counted.")        \
  X(corrupt_buffer, CorruptBuffer, "The ring itself is damaged.")                                  \
  X(interrupted, Interrupted, "The interrupt check of the caller asked to stop.")                  \
  X(out_of_memory, OutOfMemory, "This process has no memory left for the copy.")                   \
  X(system_error, SystemFailure, "An unexpected error of the operating system; see its errno.")
// clang-format on

/// Every way a call can fail. `Error::code()` returns one of these.
enum class ErrorCode : std::uint8_t {
#define IPC0CP_CODE(code, python_class, sentence) code,
  IPC0CP_ERROR_CODES(IPC0CP_CODE)
#undef IPC0CP_CODE
};

/// The name of a code as it is written in the sources, for example "no_space".
IPC0CP_EXPORT std::string_view to_string(ErrorCode code) noexcept;
/// One sentence for people, for example "The existing ring has another size."
IPC0CP_EXPORT std::string_view explain(ErrorCode code) noexcept;

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
