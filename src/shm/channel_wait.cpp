// SPDX-License-Identifier: Apache-2.0
// The waiting half of a channel: for room, for memory to be reserved, for a message.
#include <algorithm>
#include <utility>

#include "platform/clock.hpp"
#include "shm/channel.hpp"
#include "shm/long_wait.hpp"

namespace ipc0cp::shm {
namespace {

constinit thread_local RoomWanted t_refused;

}  // namespace

// ---- producers --------------------------------------------------------------------------------

ErrorCode Channel::push_slowly(PushRequest& request, Deadline& deadline,
                               ErrorCode first_result) noexcept {
  Slot& slot = ring_->participants().own_slot();
  const std::int64_t start_ns = platform::now_ns();
  std::int64_t nobody_since_ns = start_ns;
  bool logged = false;
  const bool turns_away = admission_.overflow() == Overflow::drop_newest;
  std::int64_t patient_until_ns = 0;  // Of a call that never waits; 0: it has not looked again yet.
  ErrorCode result = first_result;
  while (true) {
    if (request.must_reserve()) {
      result = request.reserve == PushRequest::Reserve::descriptors
                   ? add_descriptors_and_try_push(request, deadline)
                   : reserve_and_try_push(request, deadline);
      if (request.must_reserve()) continue;
    }
    const bool nobody_reads = result == ErrorCode::no_consumers;
    if (result != ErrorCode::buffer_full && !nobody_reads) break;
    if (deadline.never_waits() || (turns_away && !nobody_reads)) {
      const bool is_patient = patient_until_ns == 0 || (!nobody_reads && request.beside_growth &&
                                                        platform::now_ns() < patient_until_ns);
      if (!is_patient) break;
      result = try_push_beside_growth(request, deadline, patient_until_ns);
      continue;
    }
    if (nobody_reads && ring_->retired()) break;
    const std::int64_t now_ns = platform::now_ns();
    const ErrorCode state = ring_->check_while_waiting(now_ns);
    if (state != ErrorCode::ok) {
      result = state;
      break;
    }
    std::int64_t left_ns =
        deadline.at_ns() == platform::kForever ? kMaxSliceNs : deadline.at_ns() - now_ns;
    if (nobody_reads) {
      left_ns = std::min(left_ns, options_.consumer_wait_ns - (now_ns - nobody_since_ns));
    } else {
      nobody_since_ns = now_ns;
    }
    if (left_ns <= 0) break;
    if (!nobody_reads && slot.want_bytes.load(std::memory_order_relaxed) == 0) {
      admission_.spin_for_room();
    }
    ring_->note_wait(nobody_reads ? Awaited::kConsumer : Awaited::kRoom, start_ns);
    const std::uint32_t announced = ring_->space_event().announce();
    result = try_push_while_waiting(request, deadline);
    if (result != ErrorCode::buffer_full && result != ErrorCode::no_consumers) continue;
    // The last consumer may have left, and woken whoever slept, before we announced ourselves.
    if (request.must_reserve() || (result == ErrorCode::no_consumers && ring_->retired())) continue;
    ring_->header().producer_waits.fetch_add(1, std::memory_order_relaxed);
    // A wait that has lasted is looked at less often, so that an idle handle costs next to nothing.
    const std::int64_t waited_ns = now_ns - start_ns;
    const std::int64_t slice_ns =
        waited_ns > kBusyWaitNs ? idle_slice(waited_ns) : admission_.time_to_priority(now_ns);
    ring_->space_event().sleep(announced, std::min(left_ns, slice_ns));
    request.no_memory = false;
    if (!logged && now_ns - start_ns > kLongWaitNs) {
      logged = true;
      log_long_wait(*ring_, nobody_reads ? Wait::kConsumer : Wait::kRoom);
    }
  }
  ring_->note_no_wait();
  admission_.end_want();
  tell_result(request, result);
  return result;
}

void Channel::tell_result(const PushRequest& request, ErrorCode result) noexcept {
  const bool nobody_reads = result == ErrorCode::no_consumers;
  if (result != ErrorCode::buffer_full && !nobody_reads) return;
  if (!nobody_reads && admission_.overflow() == Overflow::drop_newest) {
    ring_->header().refused.fetch_add(1, std::memory_order_relaxed);
  }
  tell_refused({request.message_bytes, request.block_bytes, nobody_reads, request.no_memory});
}

void Channel::tell_refused(const RoomWanted& wanted) noexcept {
  note_refused(wanted);
  if (CallObserver* observer = observers_.of_calls()) observer->refused(wanted);
}

RoomWanted Channel::refused_here() noexcept { return t_refused; }

void Channel::note_refused(const RoomWanted& wanted) noexcept { t_refused = wanted; }

/// Again as long as old messages are given up for it: a hold may do so with but a few.
ErrorCode Channel::try_push_while_waiting(PushRequest& request, Deadline& deadline) noexcept {
  while (true) {
    const std::uint64_t given_up_bytes = request.given_up_bytes;
    const ErrorCode result = try_push_once_while_waiting(request, deadline);
    if (result != ErrorCode::buffer_full || request.must_reserve() ||
        request.given_up_bytes == given_up_bytes) {
      return result;
    }
  }
}

ErrorCode Channel::try_push_once_while_waiting(PushRequest& request, Deadline& deadline) noexcept {
  const ErrorCode locked = lock(deadline);
  if (locked == ErrorCode::timeout) return ErrorCode::buffer_full;
  if (locked != ErrorCode::ok) return locked;
  admission_.register_want(request.block_bytes, platform::now_ns());
  const ErrorCode result = try_push(request);
  // Under the lock: a moment later the piece may be there, and its end would pass unseen.
  request.beside_growth = admission_.growth().in_progress();
  if (result == ErrorCode::ok) admission_.note_served(request);
  const ErrorCode unlocked = ring_->unlock();
  return unlocked == ErrorCode::ok ? result : unlocked;
}

/// For a call that never waits. A piece of memory that somebody has reserved, which takes about
/// 2 ms, is to it like a lock that is merely busy.
/// @param end_ns of its patience: one for the whole call, also if it grows the ring itself. 0: this
///   is its first look.
ErrorCode Channel::try_push_beside_growth(PushRequest& request, Deadline& deadline,
                                          std::int64_t& end_ns) noexcept {
  if (end_ns == 0) {
    const std::int64_t now_ns = platform::now_ns();
    end_ns = now_ns + Deadline::kLockPatienceNs;
    // Not waiting is no reason not to notice that somebody died with the room in his hands; and
    // whoever died while reserving memory gives no sign, however long we are patient.
    const bool grows = admission_.growth().in_progress();
    const ErrorCode state = ring_->sweep(now_ns, grows ? 0 : AttachedRing::kSweepIntervalNs);
    if (state != ErrorCode::ok) return state;
  }
  while (true) {
    const std::uint32_t announced = ring_->space_event().announce();
    const ErrorCode result = try_push_while_waiting(request, deadline);
    if (result != ErrorCode::buffer_full || request.must_reserve()) return result;
    const std::int64_t left_ns = end_ns - platform::now_ns();
    if (!request.beside_growth || left_ns <= 0) return result;
    ring_->space_event().sleep(announced, left_ns);
  }
}

/// Without the lock: reserves the memory that the request asks for, and tries again.
ErrorCode Channel::reserve_and_try_push(PushRequest& request, Deadline& deadline) noexcept {
  // The block to reserve is ours, and counted nowhere else.
  const AttachedRing::Busy busy(*ring_);
  const PushRequest::Reserve part = std::exchange(request.reserve, PushRequest::Reserve::nothing);
  const std::uint64_t wanted = request.reserve_bytes;
  Growth& growth = admission_.growth();
  const std::uint64_t got = growth.populate(request);
  // Memory was reserved, which may have taken long; so for the lock there is patience once more.
  Deadline patience(deadline.left_ns());
  const ErrorCode locked = lock(patience);
  if (locked != ErrorCode::ok) {
    // Whoever holds the lock is stopped; whoever has it next finds the piece given back.
    ring_->abandon_block(request.descriptor, request.word);
    return locked == ErrorCode::timeout ? ErrorCode::buffer_full : locked;
  }
  ErrorCode result = ErrorCode::corrupt_buffer;
  request.no_memory = got < wanted;
  if (ring_->blocks().word_of(request.descriptor) == request.word) {
    growth.move_mark(request, part, got);
    if (part == PushRequest::Reserve::relief && got == wanted && !ring_->lacks_subscribers()) {
      fill_inline(request);
      result = ErrorCode::ok;
    } else {
      growth.give_up(request);
      result = try_push(request);
      request.beside_growth = growth.in_progress();
      if (got < wanted && result == ErrorCode::buffer_full && !growth.fits(request)) {
        result = ErrorCode::no_space;
      }
    }
    if (result == ErrorCode::ok) admission_.note_served(request);
  }
  const ErrorCode unlocked = ring_->unlock();
  ring_->space_event().wake_all();
  return unlocked == ErrorCode::ok ? result : unlocked;
}

/// Without the lock: backs more descriptors with memory, and tries again. Without memory the ring
/// has as many as it has.
ErrorCode Channel::add_descriptors_and_try_push(PushRequest& request, Deadline& deadline) noexcept {
  const AttachedRing::Busy busy(*ring_);
  request.reserve = PushRequest::Reserve::nothing;
  Growth& growth = admission_.growth();
  request.no_memory = !growth.populate_descriptors(request);
  Deadline patience(deadline.left_ns());
  const ErrorCode locked = lock(patience);
  if (locked != ErrorCode::ok) {
    return locked == ErrorCode::timeout ? ErrorCode::buffer_full : locked;
  }
  if (!request.no_memory) growth.move_descriptor_mark(request);
  const ErrorCode result = try_push(request);
  request.beside_growth = growth.in_progress();
  if (result == ErrorCode::ok) admission_.note_served(request);
  const ErrorCode unlocked = ring_->unlock();
  return unlocked == ErrorCode::ok ? result : unlocked;
}

// ---- consumers --------------------------------------------------------------------------------

template <class Target>
ErrorCode Channel::pop_slowly(Target& target, Deadline& deadline) noexcept {
  if (deadline.never_waits()) {
    // A poller must notice a death as well: the end of the stream may depend on it.
    const ErrorCode state = ring_->sweep(platform::now_ns(), AttachedRing::kSweepIntervalNs);
    if (state != ErrorCode::ok) return state;
    const ErrorCode result = lock_and_try_pop(target, deadline);
    return result == ErrorCode::timeout ? ErrorCode::buffer_empty : result;
  }
  Header& header = ring_->header();
  const auto something_came = [&]() noexcept {
    return ring_->waiting_messages() != 0 || ring_->refusal() != ErrorCode::ok;
  };
  ErrorCode result = ErrorCode::buffer_empty;
  std::int64_t start_ns = 0;
  std::int64_t explain_at_ns = 0;
  while (true) {
    const bool hit = spin_.spin(header.pushed_on, something_came);
    const std::uint32_t announced = hit ? 0 : ring_->answer_event().announce();
    result = lock_and_try_pop(target, deadline);
    if (result != ErrorCode::buffer_empty) break;
    const std::int64_t now_ns = platform::now_ns();
    if (start_ns == 0) {
      start_ns = now_ns;
      explain_at_ns = now_ns + kLongWaitNs;
      ring_->note_wait(Awaited::kMessage, now_ns);
    }
    const ErrorCode state = ring_->check_while_waiting(now_ns);
    if (state != ErrorCode::ok) {
      result = state;
      break;
    }
    const std::int64_t left_ns =
        deadline.at_ns() == platform::kForever ? kMaxSliceNs : deadline.at_ns() - now_ns;
    if (left_ns <= 0) {
      result = ErrorCode::timeout;
      break;
    }
    if (now_ns > explain_at_ns) {
      const bool said = log_silence(*ring_, options_.expected_producers, now_ns - start_ns);
      explain_at_ns = said ? platform::kForever : now_ns + kLongWaitNs;
    }
    if (hit) continue;
    header.consumer_waits.fetch_add(1, std::memory_order_relaxed);
    // With redelivery a message may come back from the dead at any time.
    const std::int64_t slice_ns = idle_slice(ring_->must_finish() ? 0 : now_ns - start_ns);
    ring_->answer_event().sleep(announced, std::min(left_ns, slice_ns));
    spin_.slept(platform::now_ns() - now_ns);
  }
  ring_->note_no_wait();
  // A wake that came with the deadline, Ctrl-C or close() is passed on.
  if (result != ErrorCode::ok) ring_->pass_wake_on();
  return result;
}
template ErrorCode Channel::pop_slowly(Message& target, Deadline& deadline) noexcept;
template ErrorCode Channel::pop_slowly(Peek& target, Deadline& deadline) noexcept;
template ErrorCode Channel::pop_slowly(Latest& target, Deadline& deadline) noexcept;

}  // namespace ipc0cp::shm
