// SPDX-License-Identifier: Apache-2.0
// The floor: a few slots in shared memory behind one spin lock; what was freed last is used first.
//
// As little as can be done, and no safety at all: a process that dies in between stops the others
// for ever, sizes are not checked, waiting burns a core. What a ring costs is told against this.
#pragma once

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shared_object.hpp"
#include "transport.hpp"

namespace bench {

/// All zeros is an empty one.
struct Floor {
  static constexpr std::uint32_t kMostSlots = 64;

  alignas(64) std::atomic<bool> locked;
  std::uint32_t producers_ended;
  std::uint32_t slots_used;  ///< Those that were ever used are the first ones.
  std::uint32_t free_count;
  std::uint32_t queue_first;
  std::uint32_t queue_count;
  std::uint32_t free_slots[kMostSlots];
  std::uint32_t queue[kMostSlots];
  std::size_t bytes[kMostSlots];

  /// Repeats `attempt` under the lock until it succeeds.
  template <class Attempt>
  void until(Attempt attempt) {
    for (std::uint32_t rounds = 0;; ++rounds) {
      if (!locked.load(std::memory_order_relaxed) &&
          !locked.exchange(true, std::memory_order_acquire)) {
        const bool done = attempt();
        locked.store(false, std::memory_order_release);
        if (done) return;
      }
      // With more processes than cores the other side needs this one.
      if (rounds % 256 == 255) sched_yield();
      _mm_pause();
    }
  }
};

/// What both ends have: the slots, each of the size of the largest message.
class FloorEnd {
 public:
  explicit FloorEnd(const Link& link)
      : slot_bytes_((link.max_bytes + 63) / 64 * 64),
        // Each endpoint can hold one, and each side of a pair can be one ahead of the other. More
        // were slower: they no longer fit into the cache together.
        slots_(std::min(Floor::kMostSlots, 2 + link.producers + link.consumers)),
        floor_(link.name + "-floor", kHeadBytes + slots_ * slot_bytes_) {}

  void all_have_come() { floor_.forget_name(); }

 protected:
  static constexpr std::size_t kHeadBytes = 4096;
  static_assert(sizeof(Floor) <= kHeadBytes);

  [[nodiscard]] std::byte* slot(std::uint32_t number) const {
    return reinterpret_cast<std::byte*>(&*floor_) + kHeadBytes + number * slot_bytes_;
  }

  std::size_t slot_bytes_;
  std::uint32_t slots_;
  SharedObject<Floor> floor_;
};

struct FloorTransport {
  static constexpr std::string_view kName = "floor";
  static constexpr bool kManyToMany = true;
  static constexpr std::size_t kMaxBytes = 0;

  class Sender : public FloorEnd {
   public:
    using FloorEnd::FloorEnd;
    Sender(const Sender&) = delete;
    Sender& operator=(const Sender&) = delete;
    ~Sender() {
      floor_->until([this] { return ++floor_->producers_ended != 0; });
    }
    void send(std::span<const std::byte> message) {
      std::memcpy(lend(message.size()).data(), message.data(), message.size());
      publish();
    }
    std::span<std::byte> lend(std::size_t bytes) {
      floor_->until([this] {
        if (floor_->free_count > 0) {
          slot_ = floor_->free_slots[--floor_->free_count];
          return true;
        }
        if (floor_->slots_used == slots_) return false;
        slot_ = floor_->slots_used++;
        return true;
      });
      floor_->bytes[slot_] = bytes;
      return {slot(slot_), bytes};
    }
    void publish() {
      floor_->until([this] {
        const std::uint32_t last = floor_->queue_first + floor_->queue_count++;
        floor_->queue[last % Floor::kMostSlots] = slot_;
        return true;
      });
    }

   private:
    std::uint32_t slot_ = 0;
  };

  class Receiver : public FloorEnd {
   public:
    explicit Receiver(const Link& link) : FloorEnd(link), producers_(link.producers) {}
    std::span<const std::byte> receive() {
      bool is_end = false;
      floor_->until([&] {
        if (has_slot_) floor_->free_slots[floor_->free_count++] = slot_;
        has_slot_ = false;
        if (floor_->queue_count == 0) return is_end = floor_->producers_ended == producers_;
        slot_ = floor_->queue[floor_->queue_first];
        floor_->queue_first = (floor_->queue_first + 1) % Floor::kMostSlots;
        --floor_->queue_count;
        return has_slot_ = true;
      });
      if (is_end) return {};
      return {slot(slot_), floor_->bytes[slot_]};
    }

   private:
    std::uint32_t producers_;
    std::uint32_t slot_ = 0;
    bool has_slot_ = false;
  };
};

}  // namespace bench
