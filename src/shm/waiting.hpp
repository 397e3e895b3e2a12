// SPDX-License-Identifier: Apache-2.0
// Event words: sleeping until something was published or returned, and waking who sleeps.
#pragma once

#include <atomic>
#include <cstdint>

namespace ipc0cp::shm {

/// One direction's event word, `sequence << 1 | W`.
///
/// Thread and process safety: all members may be called by any thread of any process, without the
/// lock.
///
/// The rules, each of which failed a model in a simpler form:
/// 1. A waiter announces itself (W, by CAS) *before* it looks for the last time, and sleeps on the
///    value that the announcement left.
/// 2. A waker makes its change visible by a read-modify-write, then reads the word. Both orders are
///    total (seq_cst), so either the waiter sees the change or the waker sees W.
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

/// How long a waiter spins before it sleeps: more after hits, less after long sleeps, and less when
/// more handles than processors are at work.
///
/// At most twice what a sleep costs, which is also what 5 MiB take to be written: a consumer that
/// slept for each of them would lose a tenth of the throughput.
///
/// Thread safety: plain hints of one handle; races between its threads only blur them.
class SpinBudget {
 public:
  explicit SpinBudget(unsigned processors) noexcept : processors_(processors) {}

  [[nodiscard]] std::int64_t nanoseconds(std::uint32_t participants) const noexcept;
  void hit() noexcept;
  void slept(std::int64_t nanoseconds) noexcept;

 private:
  unsigned processors_;
  std::atomic<std::int64_t> budget_ns_{kMostNs};
  static constexpr std::int64_t kMostNs = 120'000;
  static constexpr std::int64_t kMostSharedNs = 50'000;  ///< Where others need the processor.
  static constexpr std::int64_t kLeastNs = 1'000;
};

}  // namespace ipc0cp::shm
