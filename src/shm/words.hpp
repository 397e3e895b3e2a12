// SPDX-License-Identifier: Apache-2.0
// The words that several fields share: who owns, what state a block is in, what a slot is.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace ipc0cp::shm {

inline constexpr std::uint32_t kMaxDeliveries = 3;

/// Slot and incarnation of a handle: `slot 10 | incarnation 21`. Never 0 for a real owner.
using Owner = std::uint32_t;
inline constexpr unsigned kIncarnationBits = 21;
inline constexpr std::uint32_t kIncarnationMask = (1U << kIncarnationBits) - 1;
constexpr Owner make_owner(std::uint32_t slot, std::uint32_t incarnation) noexcept {
  return slot << kIncarnationBits | (incarnation & kIncarnationMask);
}
constexpr std::uint32_t slot_of(Owner owner) noexcept { return owner >> kIncarnationBits; }
constexpr std::uint32_t incarnation_of(Owner owner) noexcept { return owner & kIncarnationMask; }

/// Incarnations start at 1 and go round; 0 stays free for "nobody lives here".
constexpr std::uint32_t next_incarnation(std::uint32_t incarnation) noexcept {
  const std::uint32_t next = (incarnation + 1) & kIncarnationMask;
  return next == 0 ? 1 : next;
}

/// The lock word: an owner, and above it whether somebody sleeps. 0: free.
inline constexpr std::uint32_t kLockWaiters = 1U << 31;

/// Life of a block.
///
///   FREE -> LOANED -> READY -> BORROWED -> FREE     under the lock, but for
///           LOANED -> ABANDONED, BORROWED -> RETURNED      which need no lock; they go onto the
///                                                  stack of returned blocks, then -> FREE
///   BORROWED -> KEPT -> RETURNED                   redelivery: finished, but still viewed
///   any -> QUARANTINED                             an impossible descriptor, out of use
///
/// A message that subscribers share goes to SERVED where it would else go to FREE or RETURNED, as
/// long as one of them has not finished it; who finds no share left takes it from there. On a
/// broadcast ring it is published as SERVED.
enum class State : std::uint32_t {
  kFree = 0,
  kLoaned = 1,
  kReady = 2,
  kBorrowed = 3,
  kAbandoned = 4,
  kReturned = 5,
  kKept = 6,
  kQuarantined = 7,
  kServed = 8,  ///< The queue is done with it, subscribers are perhaps not. Of no owner.
};
/// Values from here on have no meaning yet; a block that shows one is impossible.
inline constexpr std::uint32_t kStateCount = 9;

/// The state word of a descriptor:
///
///   63   60 59           50 49                29 28     28 27        24 23              0
///   | state 4 | owner slot 10 | owner incarnation 21 | shared 1 | deliveries 4 | generation 24 |
///
/// `shared`, set by the publish: subscribers had a share of this message. Who has the bit in his
/// copy of the word looks at the word of shares, everybody else at nothing more.
using StateWord = std::uint64_t;
inline constexpr unsigned kStateShift = 60;
inline constexpr unsigned kOwnerShift = 29;
inline constexpr unsigned kDeliveriesShift = 24;
inline constexpr std::uint32_t kDeliveriesMask = 0xF;
inline constexpr StateWord kShared = StateWord{1} << 28;
static_assert(kMaxDeliveries <= kDeliveriesMask);
constexpr StateWord make_state(State state, Owner owner, std::uint32_t deliveries,
                               std::uint32_t generation) noexcept {
  return static_cast<StateWord>(state) << kStateShift |
         static_cast<StateWord>(owner) << kOwnerShift |
         static_cast<StateWord>(deliveries & kDeliveriesMask) << kDeliveriesShift |
         (generation & 0xFF'FFFFU);
}
constexpr State state_of(StateWord word) noexcept {
  return static_cast<State>(word >> kStateShift);
}
constexpr Owner owner_of(StateWord word) noexcept {
  return static_cast<Owner>(word >> kOwnerShift) & 0x7FFF'FFFFU;
}
constexpr std::uint32_t deliveries_of(StateWord word) noexcept {
  return static_cast<std::uint32_t>(word >> kDeliveriesShift) & kDeliveriesMask;
}
constexpr std::uint32_t generation_of(StateWord word) noexcept {
  return static_cast<std::uint32_t>(word) & 0xFF'FFFFU;
}
/// The same block in another state.
constexpr StateWord with_state(StateWord word, State state) noexcept {
  return (word & ~(StateWord{0xF} << kStateShift)) | static_cast<StateWord>(state) << kStateShift;
}

constexpr bool is_shared(StateWord word) noexcept { return (word & kShared) != 0; }
/// The word of a message that only subscribers have still to read. Who knows its generation knows
/// all of it.
constexpr StateWord served(StateWord word) noexcept {
  return make_state(State::kServed, 0, 0, generation_of(word)) | kShared;
}
/// The same given back by `owner`, who found no share left.
constexpr StateWord returned_from_served(StateWord word, Owner owner) noexcept {
  return make_state(State::kReturned, owner, 0, generation_of(word)) | kShared;
}

/// The word of the same block out of use: its generation stays.
constexpr StateWord freed(StateWord word) noexcept {
  return make_state(State::kFree, 0, 0, generation_of(word));
}
/// Given back without the lock, to be freed by whoever collects it.
constexpr bool is_given_back(StateWord word) noexcept {
  return state_of(word) == State::kReturned || state_of(word) == State::kAbandoned;
}

/// Published, and not given back: subscribers may have shares of it.
constexpr bool is_published(StateWord word) noexcept {
  const State state = state_of(word);
  return state == State::kReady || state == State::kBorrowed || state == State::kKept ||
         state == State::kServed;
}

/// The word of shares of a descriptor, `generation 24 | shares 40`. Bit s: subscriber s has not
/// finished this message. The queue's share is the state, not a bit.
using ShareWord = std::uint64_t;
inline constexpr std::uint32_t kSubscriberCount = 40;
inline constexpr ShareWord kShareBits = (ShareWord{1} << kSubscriberCount) - 1;
constexpr ShareWord make_shares(std::uint32_t generation, std::uint64_t bits) noexcept {
  return static_cast<ShareWord>(generation & 0xFF'FFFFU) << kSubscriberCount | bits;
}
constexpr std::uint64_t bits_of(ShareWord word) noexcept { return word & kShareBits; }
constexpr std::uint32_t generation_of_shares(ShareWord word) noexcept {
  return static_cast<std::uint32_t>(word >> kSubscriberCount);
}

/// An entry of the table of subscribers, `leaving 1 | drops 1 | owner 31`; 0: free. `drops`: what
/// it has not read is given up for want of room. `leaving`: it gets no shares any more.
using EntryWord = std::uint64_t;
inline constexpr EntryWord kEntryDrops = EntryWord{1} << 31;
inline constexpr EntryWord kEntryLeaving = EntryWord{1} << 32;
constexpr Owner owner_of_entry(EntryWord word) noexcept {
  return static_cast<Owner>(word) & 0x7FFF'FFFFU;
}

/// What the owner of a slot does. `kLingering` has left but still has loans or views; `kVoided` was
/// certainly gone although its token is held, and waits for recover().
enum class Role : std::uint32_t {
  kNobody = 0,
  kAttaching = 1,
  kProducer = 2,
  kConsumer = 3,
  kLingering = 4,
  kVoided = 5,
  kSubscriber = 6,  ///< A consumer that gets every message.
};
constexpr bool is_reader(Role role) noexcept {
  return role == Role::kConsumer || role == Role::kSubscriber;
}
/// What a call waits for.
enum class Awaited : std::uint32_t {
  kNothing = 0,
  kMessage = 1,
  kRoom = 2,
  kConsumer = 3,
  kLock = 4,
};
/// The slot word: `incarnation 21 | role 8`.
constexpr std::uint64_t make_slot_word(std::uint32_t incarnation, Role role) noexcept {
  return static_cast<std::uint64_t>(incarnation & kIncarnationMask) << 8 |
         static_cast<std::uint64_t>(role);
}
constexpr Role role_of(std::uint64_t word) noexcept { return static_cast<Role>(word & 0xFFU); }
constexpr std::uint32_t incarnation_of_slot(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 8) & kIncarnationMask;
}

/// An event word: `sequence 31 | W 1`; W says that somebody sleeps or is about to.
inline constexpr std::uint32_t kEventWaiters = 1;

/// Producers that ever joined and those that closed: `joined 32 | left 32`.
constexpr std::uint32_t joined_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word >> 32);
}
constexpr std::uint32_t left_of(std::uint64_t word) noexcept {
  return static_cast<std::uint32_t>(word);
}
inline constexpr std::uint64_t kOneJoined = std::uint64_t{1} << 32;

/// A stream that ended so long ago tells no newcomer that it has.
inline constexpr std::int64_t kAnswerKeptNs = 60'000'000'000;

inline constexpr std::uint32_t kOptionsFixed = 1;     ///< A producer has decided the options.
inline constexpr std::uint32_t kOptionRedeliver = 2;  ///< Blocks of dead consumers come again.
inline constexpr std::uint32_t kOptionReserved = 4;   ///< All memory is backed, and stays so.
inline constexpr std::uint32_t kOptionBroadcast = 8;  ///< No queue: all consumers subscribe.

/// A shared field that is written under the lock and may be looked at without it: every access is
/// one relaxed load or store, so the additions are no read-modify-writes.
template <class Word>
class Relaxed {
 public:
  operator Word() const noexcept {  // NOLINT: reads like the plain field it stands for
    return value_.load(std::memory_order_relaxed);
  }
  constexpr Relaxed() noexcept = default;
  constexpr explicit Relaxed(Word value) noexcept : value_(value) {}
  Relaxed& operator=(Word value) noexcept {
    value_.store(value, std::memory_order_relaxed);
    return *this;
  }
  Relaxed& operator=(const Relaxed& other) noexcept { return *this = static_cast<Word>(other); }
  Relaxed& operator+=(Word value) noexcept { return *this = static_cast<Word>(*this + value); }
  Relaxed& operator-=(Word value) noexcept { return *this = static_cast<Word>(*this - value); }

 private:
  std::atomic<Word> value_;
};
static_assert(sizeof(Relaxed<std::uint64_t>) == 8 && sizeof(Relaxed<std::uint32_t>) == 4);

}  // namespace ipc0cp::shm
