// SPDX-License-Identifier: Apache-2.0
#include "shm/admission.hpp"

#include <algorithm>
#include <cstdlib>

#include "platform/clock.hpp"

namespace ipc0cp::shm {
namespace {

/// From this size on a message reuses the most recently freed block: it is still in the cache, and
/// a queue that once grew would else go round all its memory for ever (0.5-5 MiB: 46 GB/s against
/// 40). A smaller one would take its lines out of the cache of who has just read them (64 KiB: 46
/// GB/s instead of 71).
constexpr std::uint64_t kWarmBytes = 256 << 10;
constexpr std::int64_t kWorkSliceNs = 20 * platform::kMillisecond;  ///< While somebody wants room.
constexpr std::int64_t kPriorityAfterNs = 20 * platform::kMillisecond;
constexpr std::int64_t kPriorityExpiresNs = 200 * platform::kMillisecond;
constexpr std::int64_t kSoftCapWaitNs = platform::kMillisecond;

}  // namespace

// ---- admission ----------------------------------------------------------------------------------

ErrorCode Admission::admit(PushRequest& request) noexcept {
  Header& header = ring_.header();
  if (header.retired.load(std::memory_order_relaxed) != 0) return ErrorCode::no_consumers;
  if (header.consumers == 0) return ErrorCode::no_consumers;
  if (header.priority != 0 && must_yield(request.message_bytes)) {
    // Else what was returned would count as used at the next attempt.
    ring_.blocks().collect();
    return ErrorCode::buffer_full;
  }
  if (request.message_bytes >= kWarmBytes) ring_.blocks().collect();
  ErrorCode result = take_from_main(request);
  if (request.must_reserve()) return result;
  if (result == ErrorCode::buffer_full && ring_.blocks().collect()) {
    result = take_from_main(request);
    if (request.must_reserve()) return result;
  }
  // Relief is for what views and holes keep from fitting, not for a queue that is full.
  if (result == ErrorCode::buffer_full && has_priority() &&
      !ring_.blocks().unread_limit_reached()) {
    return growth_.take_relief(request);
  }
  return result;
}

ErrorCode Admission::take_from_main(PushRequest& request) noexcept {
  Blocks& blocks = ring_.blocks();
  if (!blocks.has_room_for(request.message_bytes)) return ErrorCode::buffer_full;
  if (blocks.lacks_descriptors() && !request.no_memory) [[unlikely]] {
    growth_.begin_descriptors(request);
    return ErrorCode::buffer_full;
  }
  const ErrorCode loaned = blocks.loan(request);
  if (loaned != ErrorCode::buffer_full) return loaned;
  // What was returned is warmer than what was never used, and costs no page faults.
  if (blocks.any_returned() || request.no_memory) return ErrorCode::buffer_full;
  return growth_.begin(request);
}

bool Admission::would_admit(const RoomWanted& wanted) noexcept {
  const Header& header = ring_.header();
  if (header.retired.load(std::memory_order_relaxed) != 0) return true;
  const bool nobody_reads = header.consumers == 0;
  if (nobody_reads || wanted.nobody_reads) return nobody_reads != wanted.nobody_reads;
  const std::uint64_t block_bytes = std::max(wanted.block_bytes, BlockPlan{}.block_bytes());
  Blocks& blocks = ring_.blocks();
  blocks.collect();
  if (header.priority != 0 && must_yield(wanted.message_bytes)) return false;
  if (blocks.has_room_for(wanted.message_bytes)) {
    if (blocks.lacks_descriptors() && !wanted.no_memory) return true;
    if (blocks.has_hole_for(block_bytes)) return true;
    if (!wanted.no_memory && growth_.may_reach(block_bytes)) return true;
  }
  return has_priority() && !blocks.unread_limit_reached() &&
         growth_.may_take_relief(block_bytes, wanted.no_memory);
}

/// Whether this request would take room that an older want, the one with priority, waits for.
bool Admission::must_yield(std::uint64_t message_bytes) noexcept {
  Header& header = ring_.header();
  if (has_priority()) return false;
  const Slot& slot = ring_.segment().slot(slot_of(header.priority));
  const bool expired = slot.want_bytes.load(std::memory_order_relaxed) == 0 ||
                       std::abs(platform::now_ns() - header.priority_seen_ns) > kPriorityExpiresNs;
  if (expired) {
    header.priority = 0;
    return false;
  }
  return header.used_bytes + message_bytes + header.priority_bytes >
         ring_.geometry().total_data_bytes;
}

// ---- wants --------------------------------------------------------------------------------------

void Admission::register_want(std::uint64_t block_bytes, std::int64_t now_ns) noexcept {
  Header& header = ring_.header();
  const Owner self = ring_.self();
  Slot& slot = ring_.participants().own_slot();
  if (slot.want_bytes.load(std::memory_order_relaxed) == 0) {
    slot.want_since_ns.store(now_ns, std::memory_order_relaxed);
  }
  slot.want_bytes.store(block_bytes, std::memory_order_relaxed);
  slot.want_seen_ns.store(now_ns, std::memory_order_relaxed);
  const std::int64_t since_ns = slot.want_since_ns.load(std::memory_order_relaxed);
  if (header.priority == self) {
    header.priority_seen_ns = now_ns;
    header.priority_bytes = block_bytes;
    return;
  }
  if (header.priority != 0 || now_ns - since_ns < priority_after_ns()) return;
  for (std::uint32_t index = 1; index < std::min<std::uint32_t>(header.slots_end, kSlotCount);
       ++index) {
    const Slot& other = ring_.segment().slot(index);
    if (index == slot_of(self) || other.want_bytes.load(std::memory_order_relaxed) == 0) continue;
    const bool waits_still =
        std::abs(now_ns - other.want_seen_ns.load(std::memory_order_relaxed)) < kPriorityExpiresNs;
    if (waits_still && other.want_since_ns.load(std::memory_order_relaxed) < since_ns) return;
  }
  header.priority = self;
  header.priority_bytes = block_bytes;
  header.priority_seen_ns = now_ns;
}

void Admission::note_served(const PushRequest& request) noexcept {
  if (has_priority()) ring_.header().priority = 0;
  served_by_relief_ = request.descriptor == ring_.geometry().relief_descriptor();
}

/// Where views fill the main part for good, waiting long again each time would only cost time.
std::int64_t Admission::priority_after_ns() const noexcept {
  return served_by_relief_ ? platform::kMillisecond : kPriorityAfterNs;
}

std::int64_t Admission::time_to_priority(std::int64_t now_ns) const noexcept {
  if (ring_.header().priority != 0) return kWorkSliceNs;
  const Slot& slot = ring_.participants().own_slot();
  const std::int64_t waited_ns = now_ns - slot.want_since_ns.load(std::memory_order_relaxed);
  return std::clamp(priority_after_ns() - waited_ns, platform::kMillisecond / 10, kWorkSliceNs);
}

void Admission::end_want() noexcept {
  if (!want_is_kept_.load(std::memory_order_relaxed)) {
    // A read-modify-write, as every change before a wake: else the look for sleepers overtakes it.
    ring_.participants().own_slot().want_bytes.exchange(0);
  }
  // Whoever leaves may have taken a wake, or had priority, that others wait for.
  ring_.space_event().wake_all();
}

// ---- waiting ------------------------------------------------------------------------------------

void Admission::spin_for_room() noexcept {
  const Header& header = ring_.header();
  const std::uint32_t freed = header.freed.load(std::memory_order_relaxed);
  const std::uint32_t queued = header.queued.load(std::memory_order_relaxed);
  const std::uint32_t enough = std::min<std::uint32_t>(1024, queued / 8);
  spin_.spin(header.popped_on, [&]() noexcept {
    const std::uint32_t queued_now = header.queued.load(std::memory_order_relaxed);
    if (queued_now > 0 && queued_now + enough > queued) return false;
    return header.freed.load(std::memory_order_relaxed) != freed ||
           header.returned_head.load(std::memory_order_relaxed) != kNone;
  });
}

void Admission::wait_for_soft_cap(std::uint64_t message_bytes, std::uint32_t max_queued,
                                  platform::Deadline& deadline) noexcept {
  const Header& header = ring_.header();
  const auto popped_so_far = [&]() noexcept {
    return header.next_sequence - header.queued.load(std::memory_order_relaxed) + 1;
  };
  const auto below_cap = [&]() noexcept {
    const std::uint32_t queued = header.queued.load(std::memory_order_relaxed);
    return queued == 0 ||
           (queued <= max_queued && header.queued_bytes + message_bytes <= kSoftCapBytes);
  };
  if (below_cap()) return;
  const std::uint64_t popped = popped_so_far();  // Never 0.
  if (popped == idle_popped_) return;  // Nobody has read since the last wait: a burst goes in.
  const std::int64_t start_ns = platform::now_ns();
  const std::int64_t end_ns = std::min(start_ns + kSoftCapWaitNs, deadline.at_ns());
  if (spin_.spin(header.popped_on, below_cap)) return;
  while (ring_.refusal() == ErrorCode::ok) {
    const std::int64_t now_ns = platform::now_ns();
    if (now_ns >= end_ns) break;
    const std::uint32_t announced = ring_.space_event().announce();
    if (below_cap()) return;
    ring_.space_event().sleep(announced, end_ns - now_ns);
    if (below_cap()) return;
  }
  idle_popped_ = popped_so_far() == popped ? popped : 0;
}

}  // namespace ipc0cp::shm
