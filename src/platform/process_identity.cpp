// SPDX-License-Identifier: Apache-2.0
#include "platform/process_identity.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "platform/clock.hpp"
#include "platform/fork_safe.hpp"

namespace ipc0cp::platform {
namespace {

std::mutex g_generation_mutex;
const UsableAfterFork<g_generation_mutex> g_generation_after_fork;

std::uint64_t namespace_inode(const char* path) noexcept {
  struct stat status {};
  return stat(path, &status) == 0 ? status.st_ino : 0;
}

struct ProcessState {
  char state = '?';                    ///< Field 3 of /proc/PID/stat.
  std::uint64_t start_time_ticks = 0;  ///< Field 22; 0 where it cannot be read.
};

ProcessState state_of(std::uint32_t process_id) noexcept {
  std::array<char, 64> path{};
  std::snprintf(path.data(), path.size(), "/proc/%u/stat", process_id);
  const int file = open(path.data(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  std::array<char, 1024> text{};
  const ssize_t size = read(file, text.data(), text.size() - 1);
  close(file);
  if (size <= 0) return {};
  // The name in parentheses may hold anything; the fields begin behind the last parenthesis.
  const char* cursor = std::strrchr(text.data(), ')');
  if (cursor == nullptr || cursor[1] == '\0') return {};
  ProcessState result;
  result.state = cursor[2];
  constexpr int kFieldsBeforeStartTime = 20;
  for (int field = 0; cursor != nullptr && field < kFieldsBeforeStartTime; ++field) {
    cursor = std::strchr(cursor + 1, ' ');
  }
  if (cursor != nullptr) result.start_time_ticks = std::strtoull(cursor + 1, nullptr, 10);
  return result;
}

std::uint64_t start_time_of(std::uint32_t process_id) noexcept {
  return state_of(process_id).start_time_ticks;
}

}  // namespace

ProcessIdentity current_process() noexcept {
  ProcessIdentity identity;
  identity.process_id = static_cast<std::uint32_t>(getpid());
  identity.start_time_ticks = start_time_of(identity.process_id);
  identity.pid_namespace_inode = namespace_inode("/proc/self/ns/pid");
  identity.time_namespace_inode = namespace_inode("/proc/self/ns/time");
  const int file = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);
  if (file >= 0) {
    const ssize_t size = read(file, identity.name.data(), identity.name.size() - 1);
    if (size > 0 && identity.name[static_cast<std::size_t>(size) - 1] == '\n') {
      identity.name[static_cast<std::size_t>(size) - 1] = '\0';
    }
    close(file);
  }
  return identity;
}

bool certainly_gone(const ProcessIdentity& other, const ProcessIdentity& self,
                    bool compare_start_time) noexcept {
  if (other.process_id == 0 || other.pid_namespace_inode == 0) return false;
  if (other.pid_namespace_inode != self.pid_namespace_inode) return false;
  if (other.time_namespace_inode != self.time_namespace_inode) return false;
  if (kill(static_cast<pid_t>(other.process_id), 0) != 0) return errno == ESRCH;
  if (!compare_start_time || other.start_time_ticks == 0) return false;
  const std::uint64_t start_time = start_time_of(other.process_id);
  return start_time != 0 && start_time != other.start_time_ticks;
}

std::uint64_t own_pid_namespace() noexcept { return namespace_inode("/proc/self/ns/pid"); }

char process_state(const ProcessIdentity& other, std::uint64_t own_namespace) noexcept {
  if (own_namespace == 0 || other.pid_namespace_inode != own_namespace) return '?';
  const ProcessState found = state_of(other.process_id);
  return found.start_time_ticks == other.start_time_ticks ? found.state : '?';
}

std::atomic<std::atomic<std::uint64_t>*> ForkGeneration::page_{nullptr};

std::uint64_t ForkGeneration::make() noexcept {
  const std::lock_guard guard(g_generation_mutex);
  auto* page = page_.load(std::memory_order_relaxed);
  if (page == nullptr) {
    const auto page_bytes = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void* memory =
        mmap(nullptr, page_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return 0;
    madvise(memory, page_bytes, MADV_WIPEONFORK);
    page = new (memory) std::atomic<std::uint64_t>(0);
    page_.store(page, std::memory_order_release);
  }
  std::uint64_t generation = page->load(std::memory_order_relaxed);
  if (generation == 0) {
    generation = random_word() | 1U;
    page->store(generation, std::memory_order_relaxed);
  }
  return generation;
}

std::uint32_t current_thread() noexcept { return static_cast<std::uint32_t>(syscall(SYS_gettid)); }

std::uint32_t effective_user() noexcept { return geteuid(); }

std::uint64_t random_word() noexcept {
  std::uint64_t word = 0;
  if (getrandom(&word, sizeof word, GRND_NONBLOCK) == static_cast<ssize_t>(sizeof word)) {
    return word;
  }
  return static_cast<std::uint64_t>(now_ns()) * 0x9E3779B97F4A7C15U ^
         static_cast<std::uint64_t>(getpid());
}

}  // namespace ipc0cp::platform
