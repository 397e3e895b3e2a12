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
/// What consumers have in their hands may lie between the messages that are queued, and a large one
/// then finds no room however many are given up. Where that is too long a walk to be looked up, it
/// stops at so many times its own size and waits, as who blocks does, for the relief block.
constexpr std::uint64_t kMaxGivenUpPerByte = 4;

}  // namespace

// ---- admission ----------------------------------------------------------------------------------

ErrorCode Admission::admit(PushRequest& request) noexcept {
  Header& header = ring_.header();
  if (header.retired.load(std::memory_order_relaxed) != 0) return ErrorCode::no_consumers;
  if (header.consumers < wanted_consumers_) return ErrorCode::no_consumers;
  if (wanted_consumers_ > 1) [[unlikely]]
    wanted_consumers_ = 1;
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
  if (result == ErrorCode::buffer_full && has_priority() && !unread_limit_is_reached()) {
    return growth_.take_relief(request);
  }
  return result;
}

/// Counted exactly: what one subscriber has viewed and another has still to read is unread.
bool Admission::unread_limit_is_reached() noexcept {
  if (ring_.header().subscriber_bits != 0) ring_.blocks().recount_views();
  return ring_.blocks().unread_limit_reached();
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
  const bool nobody_reads = header.consumers < wanted_consumers_;
  if (nobody_reads || wanted.nobody_reads) return nobody_reads != wanted.nobody_reads;
  if (would_find_room(wanted)) return true;
  return may_give_up() && shortage_of(wanted.message_bytes) == Shortage::of_capacity;
}

bool Admission::would_find_room(const RoomWanted& wanted) noexcept {
  const Header& header = ring_.header();
  const std::uint64_t block_bytes = std::max(wanted.block_bytes, BlockPlan{}.block_bytes());
  Blocks& blocks = ring_.blocks();
  blocks.collect();
  if (header.priority != 0 && must_yield(wanted.message_bytes)) return false;
  if (blocks.has_room_for(wanted.message_bytes)) {
    if (blocks.lacks_descriptors() && !wanted.no_memory) return true;
    if (blocks.has_hole_for(block_bytes)) return true;
    if (!wanted.no_memory && growth_.may_reach(block_bytes)) return true;
  }
  return has_priority() && !unread_limit_is_reached() &&
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

// ---- giving up ----------------------------------------------------------------------------------

ErrorCode Admission::give_up_and_admit(PushRequest& request) noexcept {
  Blocks& blocks = ring_.blocks();
  ErrorCode result = ErrorCode::buffer_full;
  // What all the memory that there is could not hold is an error, not a reason to give up others.
  if (request.no_memory && !growth_.fits(request)) return result;
  Blocks::Answer fits = Blocks::Answer::not_asked;
  std::uint32_t count = 0;
  for (std::uint32_t step = 0; step < GivingUp::kMaxInOneHold; ++step) {
    // What consumers have given back meanwhile costs nobody a message.
    if (!blocks.any_returned()) {
      const Shortage shortage = shortage_of(request.message_bytes);
      if (shortage == Shortage::hopeless) break;
      if (fits == Blocks::Answer::not_asked) fits = would_fit_then(request);
      if (fits == Blocks::Answer::no) break;
      if (shortage == Shortage::of_holes && !brings_holes(request, fits)) break;
      const std::uint64_t bytes = giving_up_.oldest(whose());
      if (bytes == 0) break;
      request.given_up_bytes += bytes;
      count += 1;
    }
    result = admit(request);
    if (result != ErrorCode::buffer_full || request.must_reserve()) break;
  }
  // Whoever waits may find more room than this message takes.
  if (count > 0) ring_.signal_space(count);
  return result;
}

/// What a message that was refused lacks, besides the room that is left to who has priority.
Admission::Shortage Admission::shortage_of(std::uint64_t message_bytes) const noexcept {
  const Header& header = ring_.header();
  const Geometry& geometry = ring_.geometry();
  const Blocks& blocks = ring_.blocks();
  const bool leaves_room = header.priority != 0 && !has_priority();
  const std::uint64_t wanted_bytes =
      message_bytes + (leaves_room ? std::uint64_t{header.priority_bytes} : 0);
  const Blocks::Unread unread = to_be_given_up(wanted_bytes);
  if (unread.blocks == 0 && blocks.head() == kNone) return Shortage::hopeless;
  const std::uint64_t in_hands =
      header.used_bytes - std::min<std::uint64_t>(header.used_bytes, unread.bytes);
  if (in_hands + wanted_bytes > geometry.total_data_bytes ||
      header.live_blocks >= geometry.max_messages + unread.blocks) {
    return Shortage::hopeless;
  }
  const bool has_room = header.used_bytes + wanted_bytes <= geometry.total_data_bytes &&
                        blocks.has_room_for(message_bytes);
  return has_room ? Shortage::of_holes : Shortage::of_capacity;
}

/// At least what a message of so many bytes needs, if there is so much.
Blocks::Unread Admission::to_be_given_up(std::uint64_t wanted_bytes) const noexcept {
  // Without subscribers all that is queued, which is counted.
  if (!giving_up_.any_drops() && ring_.header().subscriber_bits == 0) {
    return ring_.blocks().unread_in_main();
  }
  const Header& header = ring_.header();
  const Geometry& geometry = ring_.geometry();
  const std::uint64_t bytes = header.used_bytes + wanted_bytes;
  const std::uint32_t blocks = header.live_blocks + 1;
  return giving_up_.to_be_had(whose(),
                              {bytes - std::min(bytes, geometry.total_data_bytes),
                               std::max(1U, blocks - std::min(blocks, geometry.max_messages))});
}

/// Asked once in a hold: what is in other hands only becomes less.
Blocks::Answer Admission::would_fit_then(const PushRequest& request) const noexcept {
  const Blocks& blocks = ring_.blocks();
  const std::uint32_t head = blocks.head();
  const bool takes_its_place = head != kNone && head != ring_.geometry().relief_descriptor() &&
                               giving_up_.would_be_free(head, whose()) &&
                               ring_.segment().descriptor(head).extent_bytes >= request.block_bytes;
  const bool nothing_is_in_hands = ring_.header().subscriber_bits == 0 &&
                                   ring_.header().live_blocks <= blocks.unread_in_main().blocks;
  if (takes_its_place || nothing_is_in_hands) return Blocks::Answer::yes;
  const std::uint64_t end_of_memory = request.no_memory
                                          ? ring_.header().main_mark.load(std::memory_order_relaxed)
                                          : ring_.geometry().main_bytes;
  return blocks.would_fit_without(
      request.block_bytes, end_of_memory,
      [this](std::uint32_t index) noexcept { return giving_up_.would_be_free(index, whose()); });
}

/// Whether a hole that is large enough is worth another message.
bool Admission::brings_holes(const PushRequest& request, Blocks::Answer fits) const noexcept {
  if (growth_.in_progress()) return false;
  return fits == Blocks::Answer::yes ||
         request.given_up_bytes < kMaxGivenUpPerByte * request.block_bytes;
}

void Admission::heed_depth() noexcept {
  const std::uint32_t count = giving_up_.all_but(max_unread_);
  if (count > 0) ring_.signal_space(count);
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
  if (!want_is_kept_.load(std::memory_order_relaxed)) ring_.forget_want();
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
