// SPDX-License-Identifier: Apache-2.0
// The FIFO of published messages.
#pragma once

#include <cstdint>

#include "platform/processors.hpp"
#include "shm/segment.hpp"

namespace ipc0cp::shm {

/// READY descriptors in the order of their sequence numbers.
///
/// Thread and process safety: every call needs the ring's lock; `Header::queued` may be polled
/// without it. The links are derived state; order and what is in it follow from the descriptors.
class Queue {
 public:
  explicit Queue(const Segment& segment) noexcept : segment_(segment), header_(segment.header()) {}

  [[nodiscard]] std::uint32_t head() const noexcept { return header_.queue_head; }
  [[nodiscard]] std::uint32_t size() const noexcept {
    return header_.queued.load(std::memory_order_relaxed);
  }

  void reset() noexcept {
    header_.queue_head = kNone;
    header_.queue_tail = kNone;
    header_.queued_bytes = 0;
    header_.queued.store(0, std::memory_order_relaxed);
  }

  void push_back(std::uint32_t index, std::uint64_t message_bytes) noexcept {
    segment_.descriptor(index).link_next = kNone;
    if (header_.queue_tail == kNone) {
      header_.queue_head = index;
    } else {
      segment_.descriptor(header_.queue_tail).link_next = index;
    }
    header_.queue_tail = index;
    note_processor(header_.pushed_on);
    count(1, message_bytes);
  }

  [[gnu::always_inline]] inline void pop_front(std::uint64_t message_bytes) noexcept {
    const std::uint32_t index = header_.queue_head;
    const std::uint32_t next = segment_.descriptor(index).link_next;
    header_.queue_head = next;
    if (next == kNone) header_.queue_tail = kNone;
    note_processor(header_.popped_on);
    count(-1, message_bytes);
  }

  /// Puts a message back to its place by its old sequence number: near the head as a rule.
  void insert_by_sequence(std::uint32_t index, std::uint64_t message_bytes) noexcept {
    Descriptor& block = segment_.descriptor(index);
    std::uint32_t previous = kNone;
    std::uint32_t next = header_.queue_head;
    for (std::uint32_t step = 0; next != kNone && step < segment_.geometry().descriptor_count;
         ++step) {
      const Descriptor& candidate = segment_.descriptor(next);
      if (candidate.sequence > block.sequence) break;
      previous = next;
      next = candidate.link_next;
    }
    block.link_next = next;
    (previous == kNone ? header_.queue_head : segment_.descriptor(previous).link_next) = index;
    if (next == kNone) header_.queue_tail = index;
    count(1, message_bytes);
  }

  /// Counts a message that comes (1) or goes (-1) without a place in the queue.
  void count(int messages, std::uint64_t message_bytes) noexcept {
    const std::uint32_t queued = size() + static_cast<std::uint32_t>(messages);
    header_.queued_bytes += messages > 0 ? message_bytes : 0 - message_bytes;
    header_.queued.store(queued, std::memory_order_relaxed);
    if (queued > header_.peak_messages) header_.peak_messages = queued;
  }
  void note_push() noexcept { note_processor(header_.pushed_on); }
  void note_pop() noexcept { note_processor(header_.popped_on); }

 private:
  /// Stored only when it changes: waiters poll the same cache line, and would fetch it twice.
  static void note_processor(Relaxed<std::uint32_t>& last) noexcept {
    const std::uint32_t processor = platform::current_processor();
    if (last != processor) last = processor;
  }

  const Segment& segment_;
  Header& header_;
};

}  // namespace ipc0cp::shm
