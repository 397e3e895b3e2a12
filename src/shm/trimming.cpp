// SPDX-License-Identifier: Apache-2.0
#include "shm/trimming.hpp"

#include <chrono>
#include <limits>
#include <thread>

#include "platform/clock.hpp"
#include "platform/deadline.hpp"

namespace ipc0cp::shm {
namespace {

using platform::Deadline;

constexpr std::int64_t kLookAroundNs = 50 * platform::kMillisecond;
/// Left to a producer that may have waited for a piece, to wake up and to grow the ring.
constexpr std::chrono::microseconds kPause(200);

}  // namespace

ErrorCode Trimming::run(std::uint64_t& given_back_bytes) noexcept {
  given_back_bytes = 0;
  const ErrorCode main = part(PushRequest::Reserve::main, given_back_bytes);
  if (main != ErrorCode::ok) return main;
  return part(PushRequest::Reserve::relief, given_back_bytes);
}

ErrorCode Trimming::part(PushRequest::Reserve which, std::uint64_t& given_back_bytes) noexcept {
  std::uint64_t ceiling = std::numeric_limits<std::uint64_t>::max();
  std::int64_t looked_ns = 0;
  while (true) {
    const std::int64_t now_ns = platform::now_ns();
    if (now_ns - looked_ns >= kLookAroundNs) {
      looked_ns = now_ns;
      const ErrorCode state = handle_.ring().check_while_waiting(now_ns);
      if (state != ErrorCode::ok) return state;
    }
    std::uint64_t piece_bytes = 0;
    const ErrorCode result = piece(which, ceiling, piece_bytes);
    given_back_bytes += piece_bytes;
    if (result == ErrorCode::timeout) return ErrorCode::ok;
    if (result != ErrorCode::ok || piece_bytes == 0) return result;
    if (handle_.ring().space_event().someone_waits()) std::this_thread::sleep_for(kPause);
  }
}

/// @param ceiling Where the mark of the part stands, at most: else somebody has grown it since, and
///   needs what would be given back. Lowered to where it stands now.
/// @return ok, with 0 bytes if there is no more to be had; timeout: others have the lock.
ErrorCode Trimming::piece(PushRequest::Reserve which, std::uint64_t& ceiling,
                          std::uint64_t& given_back_bytes) noexcept {
  Deadline patience(0);
  const ErrorCode locked = handle_.lock(patience);
  if (locked != ErrorCode::ok) return locked;
  PushRequest request;
  handle_.ring().blocks().collect();
  const ErrorCode result = growth_.shrink(request, which, ceiling);
  const bool taken = request.must_reserve();
  // Like a loan: close() leaves us the token until it is given back, else others would take us for
  // dead and grow over memory that is about to go.
  if (taken) handle_.count_acquired();
  const ErrorCode unlocked = handle_.ring().unlock();
  if (!taken) return result == ErrorCode::ok ? unlocked : result;
  ceiling = request.reserve_begin -
            (which == PushRequest::Reserve::relief ? handle_.geometry().main_bytes : 0);
  given_back_bytes = growth_.depopulate(request);
  return end_piece(request);
}

ErrorCode Trimming::end_piece(PushRequest& request) noexcept {
  Deadline patience(0);
  const ErrorCode locked = handle_.lock(patience);
  ErrorCode result = locked;
  if (locked == ErrorCode::ok) {
    if (handle_.ring().blocks().word_of(request.descriptor) == request.word) {
      growth_.give_up(request);
    }
    result = handle_.ring().unlock();
    handle_.ring().space_event().wake_all();
  } else {
    // Closed meanwhile, or the holder is stopped: whoever has the lock next finds it given back.
    handle_.ring().abandon_block(request.descriptor, request.word);
  }
  handle_.count_release();  // Last: a handle that was closed meanwhile ends with it.
  return result;
}

}  // namespace ipc0cp::shm
