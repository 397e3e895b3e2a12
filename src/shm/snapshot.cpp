// SPDX-License-Identifier: Apache-2.0
#include "shm/snapshot.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <span>

#include "platform/process_identity.hpp"

namespace ipc0cp::shm {
namespace {

/// Copies shared words one by one, each as it is at its moment.
void copy_words(std::byte* source, std::span<std::byte> target) noexcept {
  for (std::size_t place = 0; place < target.size(); place += sizeof(std::uint64_t)) {
    const std::atomic_ref<std::uint64_t> shared(*reinterpret_cast<std::uint64_t*>(source + place));
    const std::uint64_t word = shared.load(std::memory_order_relaxed);
    std::memcpy(target.data() + place, &word, sizeof word);
  }
}

/// A private copy of one structure, or of an array of them.
template <class Structure>
class CopyOf {
 public:
  CopyOf(Structure& first, std::size_t count) : words_((count * sizeof(Structure) + 127) / 128) {
    copy_words(reinterpret_cast<std::byte*>(&first),
               {words_.front().bytes.data(), count * sizeof(Structure)});
  }
  const Structure& operator[](std::size_t index) const noexcept {
    return reinterpret_cast<const Structure*>(words_.data())[index];
  }

 private:
  struct alignas(128) Line {
    std::array<std::byte, 128> bytes;
  };
  std::vector<Line> words_;
};

Descriptor& relief_of(const Segment& segment) noexcept {
  return segment.descriptor(segment.geometry().relief_descriptor());
}

/// The allocator counts the main part only: the relief block is one block outside of it.
std::uint64_t bytes_in_relief(const Descriptor& relief) noexcept {
  const State state = state_of(relief.state.load(std::memory_order_relaxed));
  if (state == State::kFree || state == State::kQuarantined) return 0;
  return relief.payload_bytes + relief.metadata_bytes;
}

RingStats stats_of(const Header& header, const Descriptor& relief,
                   const Geometry& geometry) noexcept {
  RingStats stats;
  stats.active_producers = header.producers;
  stats.active_consumers = header.consumers;
  stats.messages = header.queued.load(std::memory_order_relaxed);
  stats.used_bytes = header.used_bytes + bytes_in_relief(relief);
  stats.total_data_bytes = geometry.total_data_bytes;
  stats.max_messages = geometry.max_messages;
  stats.pushed = header.next_sequence - 1;
  stats.dropped = header.dropped;
  // Saturating: what is read without the lock need not belong together.
  const std::uint64_t taken = stats.pushed - std::min(stats.messages, stats.pushed);
  stats.popped = taken - std::min(stats.dropped, taken);
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

bool is_stopped(const Slot& slot) noexcept {
  platform::ProcessIdentity identity;
  identity.process_id = slot.process_id;
  identity.start_time_ticks = slot.start_time_ticks;
  identity.pid_namespace_inode = slot.pid_namespace_inode;
  return platform::is_stopped(identity);
}

Snapshot::Participant participant_of(std::uint32_t index, const Slot& slot, const Header& header) {
  Snapshot::Participant participant;
  participant.slot = index;
  participant.role = role_of(slot.word.load(std::memory_order_relaxed));
  participant.process_id = slot.process_id;
  participant.process_name = std::string(slot.name, strnlen(slot.name, sizeof slot.name));
  participant.attached_ns = slot.attached_ns;
  participant.blocked_since_ns = slot.blocked_since_ns.load(std::memory_order_relaxed);
  participant.want_bytes = slot.want_bytes.load(std::memory_order_relaxed);
  participant.want_since_ns = slot.want_since_ns.load(std::memory_order_relaxed);
  participant.has_priority = slot_of(header.priority) == index;
  const Owner lock_holder = header.lock.load(std::memory_order_relaxed) & ~kLockWaiters;
  participant.has_lock = slot_of(lock_holder) == index;
  return participant;
}

}  // namespace

RingStats stats_of(const Segment& segment) noexcept {
  alignas(Header) std::array<std::byte, sizeof(Header)> copy;
  copy_words(reinterpret_cast<std::byte*>(&segment.header()), copy);
  alignas(Descriptor) std::array<std::byte, sizeof(Descriptor)> relief;
  copy_words(reinterpret_cast<std::byte*>(&relief_of(segment)), relief);
  return stats_of(*reinterpret_cast<const Header*>(copy.data()),
                  *reinterpret_cast<const Descriptor*>(relief.data()), segment.geometry());
}

Snapshot take_snapshot(const Segment& segment) {
  const Geometry& geometry = segment.geometry();
  const CopyOf<Header> headers(segment.header(), 1);
  const CopyOf<Slot> slots(segment.slot(0), kSlotCount);
  const std::uint32_t mark = segment.descriptor_mark();
  const CopyOf<Descriptor> descriptors(segment.descriptor(0), mark);
  const CopyOf<Descriptor> relief(relief_of(segment), 1);
  const Header& header = headers[0];
  Snapshot snapshot;
  snapshot.stats = stats_of(header, relief[0], geometry);
  snapshot.joined_producers = joined_of(header.joined_left.load(std::memory_order_relaxed));
  snapshot.redelivers = (header.options.load(std::memory_order_relaxed) & kOptionRedeliver) != 0;
  snapshot.retired = header.retired.load(std::memory_order_relaxed) != 0;
  snapshot.damaged = header.damaged.load(std::memory_order_relaxed) != 0;
  struct Holding {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;
  };
  std::vector<Holding> holdings(kSlotCount);
  for (std::uint32_t index = 0; index <= mark; ++index) {
    const Descriptor& block = index == mark ? relief[0] : descriptors[index];
    const StateWord word = block.state.load(std::memory_order_relaxed);
    if (state_of(word) == State::kReady) {
      snapshot.queue.push_back(
          {block.sequence, block.payload_bytes, block.metadata_bytes, deliveries_of(word)});
    } else if (state_of(word) != State::kFree) {
      Holding& holding = holdings[slot_of(owner_of(word)) % kSlotCount];
      holding.blocks += 1;
      holding.bytes += block.payload_bytes;
    }
  }
  std::sort(snapshot.queue.begin(), snapshot.queue.end(),
            [](const auto& left, const auto& right) { return left.id < right.id; });
  const std::uint32_t end = std::min<std::uint32_t>(header.slots_end, kSlotCount);
  for (std::uint32_t index = 1; index < end; ++index) {
    Snapshot::Participant participant = participant_of(index, slots[index], header);
    participant.blocks = holdings[index].blocks;
    participant.block_bytes = holdings[index].bytes;
    if (participant.role == Role::kNobody && participant.blocks == 0 && !participant.has_lock) {
      continue;
    }
    participant.stopped = is_stopped(slots[index]);
    snapshot.participants.push_back(std::move(participant));
  }
  return snapshot;
}

}  // namespace ipc0cp::shm
