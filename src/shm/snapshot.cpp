// SPDX-License-Identifier: Apache-2.0
#include "shm/snapshot.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>
#include <string_view>

#include "platform/clock.hpp"
#include "platform/liveness.hpp"
#include "shm/publish_time.hpp"
#include "shm/ring_name.hpp"
#include "shm/snapshot_participants.hpp"

namespace ipc0cp::shm {
namespace {

State state_in(const Descriptor& block) noexcept {
  return state_of(block.state.load(std::memory_order_relaxed));
}

/// The allocator counts the main part only: the relief block is one block outside of it.
std::uint64_t bytes_in_relief(const Descriptor& relief) noexcept {
  const State state = state_in(relief);
  if (state == State::kFree || state == State::kQuarantined) return 0;
  return relief.payload_bytes + relief.metadata_bytes;
}

/// @param slot_at Gives the slot of an index.
template <class SlotAt>
void count_subscribers(const Header& header, RingStats& stats, SlotAt slot_at) noexcept {
  for (std::uint64_t rest = header.subscriber_bits & kShareBits; rest != 0; rest &= rest - 1) {
    const EntryWord entry = header.entries[std::countr_zero(rest)].load(std::memory_order_relaxed);
    const std::uint64_t cursor = slot_at(slot_of(owner_of_entry(entry))).cursor;
    const std::uint64_t end = header.next_sequence;
    stats.active_subscribers += 1;
    stats.most_unread = std::max(stats.most_unread, end - std::min(cursor, end));
  }
}

template <class SlotAt>
RingStats stats_of(const Header& header, const Descriptor& relief, const Geometry& geometry,
                   SlotAt slot_at) noexcept {
  RingStats stats;
  stats.active_producers = header.producers;
  stats.active_consumers = header.workers;
  count_subscribers(header, stats, slot_at);
  stats.messages = header.queued.load(std::memory_order_relaxed);
  stats.used_bytes = header.used_bytes + bytes_in_relief(relief);
  stats.total_data_bytes = geometry.total_data_bytes;
  stats.max_messages = geometry.max_messages;
  stats.pushed = header.next_sequence - 1;
  stats.dropped = header.dropped;
  // Saturating: what is read without the lock need not belong together.
  const std::uint64_t taken = stats.pushed - std::min(stats.messages, stats.pushed);
  stats.overflowed = header.overflowed;
  stats.refused = header.refused.load(std::memory_order_relaxed);
  // Where every consumer gets every message, no number says how many were handed out.
  const bool is_broadcast = has_option(header, kOptionBroadcast);
  stats.popped = is_broadcast ? 0 : taken - std::min(stats.dropped + stats.overflowed, taken);
  stats.pushed_bytes = header.pushed_bytes;
  stats.popped_bytes =
      stats.pushed_bytes - std::min<std::uint64_t>(header.queued_bytes, stats.pushed_bytes);
  stats.lost = header.lost;
  stats.repaired_deaths = header.repaired_deaths;
  stats.most_messages = header.peak_messages;
  stats.most_used_bytes = std::max<std::uint64_t>(header.peak_used_bytes, stats.used_bytes);
  stats.producer_waits = header.producer_waits;
  stats.consumer_waits = header.consumer_waits;
  stats.reserved_bytes = header.main_mark.load(std::memory_order_relaxed) +
                         header.relief_mark.load(std::memory_order_relaxed);
  return stats;
}

bool anyone_lives(int probe_file) noexcept {
  if (probe_file < 0) return true;
  return platform::range_is_held(probe_file, kTokenByte, kSlotCount) ||
         platform::range_is_held(probe_file, kClaimByte, kSlotCount);
}

bool is_kept(int probe_file) noexcept {
  if (probe_file < 0) return false;
  return platform::range_is_held(probe_file, kKeeperByte, 1) ||
         platform::range_is_held(probe_file, kKeepByte, kSlotCount);
}

inspect::RingState ring_state_of(const ControlCopy& copy, int probe_file,
                                 const inspect::RingSummary& summary) noexcept {
  using inspect::RingState;
  const Header& header = copy.header();
  if (header.damaged.load(std::memory_order_relaxed) != 0) return RingState::damaged;
  if (header.retired.load(std::memory_order_relaxed) != 0) return RingState::retired;
  if (!anyone_lives(probe_file)) return RingState::orphan;
  const bool is_broadcast = has_option(header, kOptionBroadcast);
  const bool nobody_reads =
      summary.producers > 0 && (is_broadcast ? summary.subscribers : summary.consumers) == 0;
  return nobody_reads ? RingState::waiting_for_consumer : RingState::live;
}

double share(std::uint64_t part, std::uint64_t whole) noexcept {
  if (whole == 0) return 0;
  return std::min(1.0, static_cast<double>(part) / static_cast<double>(whole));
}

/// Living and dead handles by the locks in the file: the counts of the header know of a death only
/// once somebody has noticed it.
void count_handles(const ControlCopy& copy, int probe_file, inspect::RingSummary& summary) {
  for (std::uint32_t index = 1; index < copy.slots_end(); ++index) {
    const Role role = role_of(copy.slot(index).word.load(std::memory_order_relaxed));
    if (role != Role::kProducer && !is_reader(role)) continue;
    if (!slot_lives(probe_file, index, role)) {
      summary.dead += 1;
    } else if (role == Role::kProducer) {
      summary.producers += 1;
    } else {
      (role == Role::kConsumer ? summary.consumers : summary.subscribers) += 1;
    }
  }
}

/// Everything but who lives.
void describe_header(const ControlCopy& copy, inspect::RingSummary& summary) noexcept {
  const Header& header = copy.header();
  summary.layout_version = header.layout_version;
  summary.ring_id = header.ring_id == 0 ? 1 : header.ring_id;  // 0 says that there are no figures.
  summary.created_ns = moment_of(header.created_ns);
  summary.taken_ns = platform::now_ns();
  summary.stats =
      stats_of(header, copy.relief(), copy.geometry(), [&](std::uint32_t index) -> const Slot& {
        return copy.slot(index < copy.slots_end() ? index : 0);
      });
  summary.depth = std::max(share(summary.stats.messages, summary.stats.max_messages),
                           share(summary.stats.used_bytes, summary.stats.total_data_bytes));
  const bool is_front =
      state_in(copy.head()) == State::kServed && copy.head().sequence == header.front;
  if (state_in(copy.head()) == State::kReady || is_front) {
    summary.oldest_published_ns = queued_message(copy.head(), summary.taken_ns).published_ns;
  }
}

void settle_state(const ControlCopy& copy, int probe_file, inspect::RingSummary& summary) {
  summary.kept = is_kept(probe_file);
  summary.state = ring_state_of(copy, probe_file, summary);
  if (summary.state == inspect::RingState::damaged) {
    summary.problem = "blocks overlap or lead outside: producers and consumers get CorruptBuffer";
  }
}

// ---- memory -----------------------------------------------------------------------------------

struct Piece {
  std::uint64_t begin;
  std::uint64_t end;
};

/// Blocks of the main part that a push cannot have now. What was given back counts as free: whoever
/// lacks room collects it.
std::vector<Piece> pieces_in_use(const ControlCopy& copy) {
  std::vector<Piece> pieces;
  for (std::uint32_t place = 0; place + 1 < copy.blocks(); ++place) {
    const Descriptor& block = copy.block(place);
    const StateWord word = block.state.load(std::memory_order_relaxed);
    if (state_of(word) == State::kFree || is_given_back(word)) continue;
    const std::uint64_t end = copy.geometry().main_bytes;
    const std::uint64_t begin = std::min<std::uint64_t>(block.offset, end);
    pieces.push_back({begin, begin + std::min<std::uint64_t>(block.extent_bytes, end - begin)});
  }
  std::ranges::sort(pieces, {}, &Piece::begin);
  return pieces;
}

void find_holes(const ControlCopy& copy, inspect::Memory& memory) {
  const auto add = [&](std::uint64_t bytes) {
    if (bytes == 0) return;
    memory.holes += 1;
    memory.hole_bytes += bytes;
    memory.largest_hole_bytes = std::max(memory.largest_hole_bytes, bytes);
  };
  std::uint64_t end = 0;
  for (const Piece& piece : pieces_in_use(copy)) {
    if (piece.begin > end) add(piece.begin - end);
    end = std::max(end, piece.end);
  }
  add(memory.main_bytes - std::min(end, memory.main_bytes));
}

/// Bytes and number of what counts against the limits of the ring, and of what is unread.
struct Counted {
  std::uint64_t bytes = 0;
  std::uint64_t blocks = 0;
  std::uint64_t unread = 0;
};

/// @param is_viewed a subscriber has it in its hands.
void count_block(const Descriptor& block, bool is_relief, bool is_viewed, inspect::Memory& memory,
                 Counted& counted) noexcept {
  const StateWord word = block.state.load(std::memory_order_relaxed);
  const State state = state_of(word);
  if (state == State::kFree || state == State::kQuarantined || is_given_back(word)) return;
  if (is_relief) {
    memory.relief_in_use = true;
  } else {
    counted.bytes += block.payload_bytes + block.metadata_bytes;
    counted.blocks += 1;
  }
  const bool is_unread = (state == State::kReady || state == State::kServed) && !is_viewed;
  if (state == State::kLoaned || is_unread) counted.unread += 1;
  if (state == State::kLoaned) {
    memory.loans_out += 1;
    memory.loans_out_bytes += block.payload_bytes;
  } else if (!is_unread) {
    memory.views_out += 1;
    memory.views_out_bytes += block.payload_bytes + block.metadata_bytes;
  }
}

inspect::Memory memory_of(const ControlCopy& copy) {
  const Header& header = copy.header();
  const Geometry& geometry = copy.geometry();
  inspect::Memory memory;
  memory.main_bytes = geometry.main_bytes;
  memory.main_backed_bytes = header.main_mark.load(std::memory_order_relaxed);
  memory.relief_bytes = geometry.relief_bytes;
  memory.relief_backed_bytes = header.relief_mark.load(std::memory_order_relaxed);
  memory.quarantined = header.quarantined;
  find_holes(copy, memory);
  Counted counted;
  for (std::uint32_t place = 0; place < copy.blocks(); ++place) {
    const bool is_relief = place + 1 == copy.blocks();
    count_block(copy.block(place), is_relief, copy.viewers(place) != 0, memory, counted);
  }
  const bool too_many =
      counted.blocks >= geometry.max_messages || counted.unread >= geometry.max_messages;
  const std::uint64_t hole = memory.largest_hole_bytes / kBlockAlignment * kBlockAlignment;
  if (!too_many && hole > kRedZoneBytes && counted.bytes < geometry.total_data_bytes) {
    memory.largest_that_fits_bytes =
        std::min(hole - kRedZoneBytes, geometry.total_data_bytes - counted.bytes);
  }
  return memory;
}

}  // namespace

inspect::QueuedMessage queued_message(const Descriptor& block, std::int64_t now_ns) noexcept {
  inspect::QueuedMessage message;
  message.id = block.sequence;
  message.payload_bytes = block.payload_bytes;
  message.metadata_bytes = block.metadata_bytes;
  message.deliveries = deliveries_of(block.state.load(std::memory_order_relaxed));
  message.published_ns = PublishTime::to_ns(block.link_previous, now_ns);
  return message;
}

std::vector<std::uint32_t> queued_places(const ControlCopy& copy) {
  std::vector<std::uint32_t> places;
  const Header& header = copy.header();
  const bool is_broadcast = has_option(header, kOptionBroadcast);
  const std::uint64_t front =
      is_broadcast ? +header.front : std::numeric_limits<std::uint64_t>::max();
  for (std::uint32_t place = 0; place < copy.blocks(); ++place) {
    const Descriptor& block = copy.block(place);
    const State state = state_in(block);
    const bool is_queued =
        state == State::kReady || (state == State::kServed && block.sequence >= front);
    if (!is_queued || !copy.stood_still(place)) continue;
    const BlockFields fields = fields_of(block);
    if (copy.geometry().may_hold(copy.index_of(place), fields)) places.push_back(place);
  }
  std::ranges::sort(
      places, {}, [&](std::uint32_t place) -> std::uint64_t { return copy.block(place).sequence; });
  return places;
}

void summarise(const ControlCopy& copy, int probe_file, inspect::RingSummary& summary) {
  describe_header(copy, summary);
  count_handles(copy, probe_file, summary);
  settle_state(copy, probe_file, summary);
}

void describe(const ControlCopy& copy, int probe_file, inspect::Ring& ring) {
  describe_header(copy, ring);
  const Header& header = copy.header();
  const std::uint32_t options = header.options.load(std::memory_order_relaxed);
  ring.redeliver = (options & kOptionRedeliver) != 0;
  ring.broadcast = (options & kOptionBroadcast) != 0;
  ring.reserved = (options & kOptionReserved) != 0;
  ring.options_fixed = (options & kOptionsFixed) != 0;
  const std::uint64_t joined_left = header.joined_left.load(std::memory_order_relaxed);
  ring.joined_producers = joined_of(joined_left);
  ring.left_producers = left_of(joined_left);
  ring.recovery_wanted = header.recovery_wanted.load(std::memory_order_relaxed) != 0;
  ring.memory = memory_of(copy);
  ring.participants = participants_of(copy, probe_file);
  for (const std::uint32_t place : queued_places(copy)) {
    ring.queue.push_back(queued_message(copy.block(place), ring.taken_ns));
  }
  for (const inspect::Participant& participant : ring.participants) {
    const bool lives = participant.process_state != inspect::ProcessState::dead;
    if (participant.role == inspect::Role::producer) (lives ? ring.producers : ring.dead) += 1;
    if (participant.role == inspect::Role::consumer) (lives ? ring.consumers : ring.dead) += 1;
    if (participant.role == inspect::Role::subscriber) (lives ? ring.subscribers : ring.dead) += 1;
  }
  settle_state(copy, probe_file, ring);
}

inspect::Ring take_snapshot(const Segment& segment, int probe_file) {
  inspect::Ring ring;
  describe(ControlCopy(segment, ControlCopy::Extent::everything), probe_file, ring);
  return ring;
}

RingStats stats_of(const Segment& segment) noexcept {
  const Descriptor& relief = segment.descriptor(segment.geometry().relief_descriptor());
  return stats_of(segment.header(), relief, segment.geometry(),
                  [&](std::uint32_t index) -> const Slot& { return segment.slot(index); });
}

}  // namespace ipc0cp::shm
