// SPDX-License-Identifier: Apache-2.0
// A handle that subscribes: its entry, how far it has read, and what it has missed.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

#include "shm/participants.hpp"
#include "shm/segment.hpp"
#include "shm/shares.hpp"

namespace ipc0cp::shm {

class Blocks;

/// One subscriber's place in the table, from joining until the last of its views is given back.
///
/// Thread and process safety: needs the ring's lock, but for what says otherwise. `join` is called
/// before any other thread has the handle.
///
/// Invariants
/// 1. The entry is the truth of who subscribes. It is stored after the cursor, and set to 0 only
///    when no bit of it is left: the next one on this entry inherits nothing.
/// 2. The cursor only rises, so another thread of the handle may be further. What was not handed
///    out stays in hand, and is given again by `Channel`.
class Subscription {
 public:
  Subscription(const Segment& segment, const Participants& participants) noexcept
      : segment_(segment), participants_(participants), shares_(segment) {}

  /// Takes a free entry: from the next publish on, this handle gets everything.
  /// @param drops what it has not read is given up for want of room.
  /// @return whether there was one.
  bool join(bool drops) noexcept;
  /// Whether this handle is a subscriber, be it a closed one. Needs no lock.
  [[nodiscard]] bool is_active() const noexcept { return bit_ != 0; }
  [[nodiscard]] std::uint64_t bit() const noexcept { return bit_; }
  /// Whether the entry still names us: else others take us for dead.
  [[nodiscard]] bool is_ours() const noexcept {
    return owner_of_entry(entry().load(std::memory_order_relaxed)) == participants_.self();
  }

  /// The next message, and its number; kNone: there is none, and everything until now is read, or
  /// the entry is not ours any more.
  [[nodiscard]] std::uint32_t next(std::uint64_t& sequence) noexcept;
  /// The message of this number is given out.
  void take(std::uint64_t sequence) noexcept { move_to(sequence, sequence + 1); }
  /// So many messages are not given: their numbers are behind those given out.
  [[nodiscard]] std::uint64_t missed() const noexcept {
    return missed_.load(std::memory_order_relaxed);
  }
  /// Says once, in the log, that messages were given up before it could read them. Without the
  /// lock, which may not be held while a log is written.
  void log_first_gap(const std::string& ring) noexcept {
    if (gap_.load(std::memory_order_relaxed) == Gap::kFound) [[unlikely]]
      log_gap(ring);
  }
  /// So many messages that were given out were of no use. Needs no lock.
  void count_missed(std::uint64_t count = 1) noexcept {
    missed_.fetch_add(count, std::memory_order_relaxed);
  }
  /// Keeps a message in hand that was not handed out: the next pop gives it. Needs no lock.
  /// @return false: there are too many of them.
  bool hold(std::uint32_t index, StateWord word) noexcept;
  /// The oldest of those. @return false: there is none. Needs no lock.
  bool take_held(std::uint32_t& index, StateWord& word) noexcept;
  /// Its descriptor; kNone: there is none. Needs no lock.
  [[nodiscard]] std::uint32_t first_held() noexcept {
    const std::lock_guard guard(held_mutex_);
    return any_held() ? held_.front().index : kNone;
  }
  [[nodiscard]] bool any_held() const noexcept {
    return held_count_.load(std::memory_order_relaxed) != 0;
  }
  /// How many messages it has still to read, at most. Needs no lock.
  [[nodiscard]] std::uint64_t backlog() const noexcept {
    const std::uint64_t end = segment_.header().published.load(std::memory_order_relaxed) + 1;
    const std::uint64_t cursor = participants_.own_slot().cursor;
    return end > cursor ? end - cursor : 0;
  }

  /// Leaving, part 1: from here on it gets nothing new.
  void begin_leaving() noexcept;
  /// Part 2, until it answers false: gives back what it has not read, a part at a time.
  bool give_back_unread(Blocks& blocks) noexcept;
  /// Part 3, without the lock, when its last view is given back.
  void end_leaving() noexcept;
  /// Whether parts 1 and 2 are done. Else the rest is for others to recover.
  [[nodiscard]] bool has_left() const noexcept { return has_left_; }

 private:
  [[nodiscard]] std::atomic<EntryWord>& entry() const noexcept {
    return segment_.header().entries[number_];
  }
  void move_to(std::uint64_t given, std::uint64_t cursor) noexcept {
    if (given > expected_) [[unlikely]]
      note_gap(given - expected_);
    if (cursor > expected_) expected_ = cursor;
    participants_.own_slot().cursor = cursor;
  }
  void note_gap(std::uint64_t count) noexcept;
  void log_gap(const std::string& ring) noexcept;

  const Segment& segment_;
  const Participants& participants_;
  Shares shares_;
  std::uint32_t number_ = 0;
  std::uint64_t bit_ = 0;
  bool drops_ = false;
  std::uint64_t expected_ = 0;  ///< The number that follows what was given, or counted as missed.
  std::atomic<std::uint64_t> missed_{0};
  enum class Gap : std::uint8_t { kUnseen, kFound, kLogged };
  std::atomic<Gap> gap_{Gap::kUnseen};
  std::uint64_t given_back_ = 0;  ///< While leaving: what lies below this number is given back.
  bool has_left_ = false;

  struct Held {
    std::uint32_t index;
    StateWord word;
  };
  std::mutex held_mutex_;
  std::array<Held, 64> held_{};  ///< As many as are taken in one hold; oldest first.
  std::atomic<std::size_t> held_count_{0};
};

}  // namespace ipc0cp::shm
