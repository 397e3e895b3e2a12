// SPDX-License-Identifier: Apache-2.0
// The floor: a few slots in shared memory behind one spin lock, last in, first out.
//
// As little as can be done, and no safety at all: a process that dies in between stops the other
// for ever, sizes are not checked, waiting burns a core. What a ring costs is told against this.
#pragma once

#include <immintrin.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <stdexcept>

#include "transport.hpp"

namespace bench {

struct Floor {
  // More slots were slower: they no longer fit into the cache together.
  static constexpr std::uint32_t kSlots = 4;
  static constexpr std::size_t kSlotBytes = 5 << 20;

  alignas(64) std::atomic<bool> locked;
  std::uint32_t free_count;
  std::uint32_t free_slots[kSlots];
  std::uint32_t queue_first;
  std::uint32_t queue_count;
  std::uint32_t queue[kSlots];
  std::size_t bytes[kSlots];
  bool ended;
  alignas(4096) std::byte payload[kSlots][kSlotBytes];

  static Floor* map(int file) {
    const int protection = PROT_READ | PROT_WRITE;
    void* address = mmap(nullptr, sizeof(Floor), protection, MAP_SHARED, file, 0);
    if (address == MAP_FAILED) throw std::runtime_error("mmap failed");
    return static_cast<Floor*>(address);
  }

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

class FloorSender final : public Sender {
 public:
  explicit FloorSender(const Link& link) : floor_(Floor::map(link.file)) {
    for (std::uint32_t slot = 0; slot < Floor::kSlots; ++slot) floor_->free_slots[slot] = slot;
    floor_->until([this] { return (floor_->free_count = Floor::kSlots) != 0; });
  }
  ~FloorSender() override {
    floor_->until([this] { return floor_->ended = true; });
  }
  void send(std::span<const std::byte> payload) override {
    std::uint32_t slot = 0;
    floor_->until([&] {
      if (floor_->free_count == 0) return false;
      slot = floor_->free_slots[--floor_->free_count];
      return true;
    });
    std::memcpy(floor_->payload[slot], payload.data(), payload.size());
    floor_->bytes[slot] = payload.size();
    floor_->until([&] {
      const std::uint32_t last = floor_->queue_first + floor_->queue_count++;
      floor_->queue[last % Floor::kSlots] = slot;
      return true;
    });
  }

 private:
  Floor* floor_;
};

class FloorReceiver final : public Receiver {
 public:
  explicit FloorReceiver(const Link& link) : floor_(Floor::map(link.file)) {}
  std::span<const std::byte> receive() override {
    bool is_end = false;
    floor_->until([&] {
      if (has_slot_) floor_->free_slots[floor_->free_count++] = slot_;
      has_slot_ = false;
      is_end = floor_->queue_count == 0 && floor_->ended;
      if (floor_->queue_count == 0) return is_end;
      slot_ = floor_->queue[floor_->queue_first];
      floor_->queue_first = (floor_->queue_first + 1) % Floor::kSlots;
      --floor_->queue_count;
      return has_slot_ = true;
    });
    if (is_end) return {};
    return {floor_->payload[slot_], floor_->bytes[slot_]};
  }

 private:
  Floor* floor_;
  std::uint32_t slot_ = 0;
  bool has_slot_ = false;
};

inline constexpr Transport kFloor = transport<FloorSender, FloorReceiver>("floor", [] {
  const int file = memfd_create("floor", MFD_CLOEXEC);
  if (file < 0 || ftruncate(file, sizeof(Floor)) != 0) throw std::runtime_error("no memory file");
  return Files{file, file};
});

}  // namespace bench
