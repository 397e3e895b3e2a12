// SPDX-License-Identifier: Apache-2.0
// Which process this is, and whether it still is the one that made a handle.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

namespace ipc0cp::platform {

/// What a slot tells people, and the rule for raw clones, about its owner.
struct ProcessIdentity {
  std::uint32_t process_id = 0;
  std::uint64_t start_time_ticks = 0;     ///< Field 22 of /proc/PID/stat.
  std::uint64_t pid_namespace_inode = 0;  ///< Numbers are only comparable inside one namespace.
  std::uint64_t time_namespace_inode = 0;
  std::array<char, 16> name{};
};

ProcessIdentity current_process() noexcept;

/// Whether the process of `other` is certainly gone: it belonged to our namespaces, and the
/// number is free or belongs to a process of another start time. Doubt answers false.
bool certainly_gone(const ProcessIdentity& other, const ProcessIdentity& self,
                    bool compare_start_time) noexcept;

/// The pid namespace of this process; 0: it cannot be seen.
std::uint64_t own_pid_namespace() noexcept;

/// What /proc says that the process does: R, S, D, T, t, Z, ...; '?': it cannot be seen from here,
/// or the number belongs to another process by now.
/// @param own_namespace what `own_pid_namespace` gave.
char process_state(const ProcessIdentity& other, std::uint64_t own_namespace) noexcept;

/// A number that differs in each process, also across fork and raw clone: the page it lives on
/// is wiped by the kernel in a child (MADV_WIPEONFORK).
class ForkGeneration {
 public:
  /// The generation of this process; made on the first call and in a child made anew.
  static std::uint64_t current() noexcept {
    const std::atomic<std::uint64_t>* page = page_.load(std::memory_order_acquire);
    const std::uint64_t generation = page != nullptr ? page->load(std::memory_order_relaxed) : 0;
    return generation != 0 ? generation : make();
  }
  /// Whether `generation` was taken in this very process. One load.
  static bool is_current(std::uint64_t generation) noexcept {
    const std::atomic<std::uint64_t>* page = page_.load(std::memory_order_relaxed);
    return page != nullptr && page->load(std::memory_order_relaxed) == generation;
  }

 private:
  static std::uint64_t make() noexcept;
  static std::atomic<std::atomic<std::uint64_t>*> page_;
};

std::uint32_t current_thread() noexcept;
std::uint32_t effective_user() noexcept;
std::uint64_t random_word() noexcept;

}  // namespace ipc0cp::platform
