// SPDX-License-Identifier: Apache-2.0
// Event words: sleeping until something was published or returned, and waking who sleeps.
#pragma once

#include <atomic>
#include <cstdint>

#include "platform/clock.hpp"
#include "platform/processors.hpp"
#include "shm/layout.hpp"

namespace ipc0cp::shm {

/// One direction's event word, `sequence << 1 | W`.
///
/// Thread and process safety: all members may be called by any thread of any process, without the
/// lock.
///
/// The rules, each of which failed a model in a simpler form:
/// 1. A waiter announces itself (W, by CAS) *before* it looks for the last time, and sleeps on the
///    value that the announcement left.
/// 2. A waker makes its change visible by a read-modify-write, then reads the word. Between these
///    two, as between the announcement and the look of rule 1, stands a sequentially consistent
///    fence: either the waiter sees the change or the waker sees W, even if both use relaxed
///    accesses. (On x86-64 a read-modify-write is such a fence; on arm64 a later load may overtake
///    it.)
/// 3. With W set a waker raises the sequence, wakes one (or all), and keeps W; if nobody woke it
///    clears W by CAS, raising the sequence again, and wakes all, in case somebody fell asleep in
///    between.
/// 4. A wake given to a process that dies before it looks is lost; only the slice saves it.
class Event {
 public:
  explicit Event(std::atomic<std::uint32_t>& word) noexcept : word_(word) {}

  /// Announces a waiter; the value to pass to `sleep` after one more look.
  [[nodiscard]] std::uint32_t announce() noexcept;
  /// Sleeps while the word still holds `announced`, at most `wait_ns`.
  void sleep(std::uint32_t announced, std::int64_t wait_ns) noexcept;

  void wake_one() noexcept {
    if (someone_waits()) [[unlikely]]
      signal(1);
  }
  void wake_all() noexcept {
    if (someone_waits()) [[unlikely]]
      signal(kEverybody);
  }
  [[nodiscard]] bool someone_waits() const noexcept;

 private:
  static constexpr int kEverybody = 0;
  void signal(int count) noexcept;

  std::atomic<std::uint32_t>& word_;
};

inline constexpr std::int64_t kMaxSliceNs = 95 * platform::kMillisecond;

/// A wait for room counts as idle after that.
inline constexpr std::int64_t kBusyWaitNs = 200 * platform::kMillisecond;

/// How long to sleep before the next look for the dead. A wake costs an idle machine about 50 us,
/// so who has waited for a second without any event looks less often.
constexpr std::int64_t idle_slice(std::int64_t waited_ns) noexcept {
  return waited_ns > platform::kSecond ? kMaxSliceNs : 50 * platform::kMillisecond;
}

/// Whether and how long a waiter of one handle spins before it sleeps.
///
/// Spinning saves a sleep and a wake, 5 to 50 us, but only while its peer works on another
/// processor. So a waiter does not spin
/// - for a peer that last worked on the waiter's own processor: it can go on only once the waiter
///   sleeps. Once in 512 waits it does all the same: the scheduler moves a thread away only while
///   both want to run, and two idle processors would else stay unused;
/// - where there is only one processor.
/// With a quota of less than two processors it spins at most as long as the processor time that it
/// saves, that of a sleep and a wake: 5 us. Else it spins more after hits, less after long sleeps,
/// and less when more handles than processors are at work. At most twice what a sleep costs, which
/// is also what 5 MiB take to be written: a consumer that slept for each of them would lose a tenth
/// of the throughput.
///
/// Thread safety: plain hints of one handle; races between its threads only blur them.
class SpinBudget {
 public:
  SpinBudget(Header& header, const platform::Processors& processors) noexcept
      : header_(header), processors_(processors) {}

  /// Polls `condition` with pauses until it holds or the time is used up.
  /// @param peer_on where the peer last worked: Header::pushed_on or Header::popped_on.
  template <class Condition>
  bool spin(const Relaxed<std::uint32_t>& peer_on, Condition condition) noexcept {
    constexpr int kPollsPerClock = 32;
    peer_is_elsewhere_ = is_elsewhere(peer_on);
    const std::int64_t budget_ns = peer_is_elsewhere_ ? nanoseconds() : 0;
    if (budget_ns <= 0) return condition();
    std::int64_t end_ns = 0;
    while (true) {
      for (int poll = 0; poll < kPollsPerClock; ++poll) {
        if (condition()) {
          hit();
          return true;
        }
        platform::pause();
      }
      const std::int64_t now_ns = platform::now_ns();
      if (end_ns == 0) end_ns = now_ns + budget_ns;
      if (now_ns >= end_ns) return false;
    }
  }
  /// After the sleep that followed a spin in vain, which tells how long it should have been.
  void slept(std::int64_t nanoseconds) noexcept;
  /// How long a spin may take.
  [[nodiscard]] std::int64_t nanoseconds() const noexcept;

 private:
  /// @param peer_on 0: not known.
  [[nodiscard]] bool is_elsewhere(std::uint32_t peer_on) noexcept;
  void hit() noexcept;

  static constexpr std::int64_t kMostNs = 120'000;
  static constexpr std::int64_t kMostSharedNs = 50'000;  ///< Where others need the processor.
  static constexpr std::int64_t kMostRationedNs = 5'000;
  static constexpr std::int64_t kLeastNs = 1'000;
  static constexpr std::uint32_t kWaitsPerTrial = 512;

  Header& header_;
  platform::Processors processors_;
  Relaxed<std::int64_t> budget_ns_{kMostNs};
  Relaxed<std::uint32_t> waits_beside_{0};  ///< For a peer on our own processor.
  Relaxed<bool> peer_is_elsewhere_{true};   ///< At the last wait.
};

}  // namespace ipc0cp::shm
