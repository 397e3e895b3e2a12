// SPDX-License-Identifier: Apache-2.0
#include "platform/thread.hpp"

#include <signal.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <optional>
#include <string_view>

namespace ipc0cp::platform {
namespace {

/// Blocks all signals for its lifetime.
class SignalsBlocked {
 public:
  SignalsBlocked() noexcept {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

/// A number that stands alone in a file; nothing for "max", or where there is no such file.
std::optional<std::uint64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  return file >> number ? std::optional(number) : std::nullopt;
}

/// The directories of the control groups that count this process' threads, innermost first.
std::string directory_of_pids_group() {
  std::ifstream groups("/proc/self/cgroup");
  std::string line;
  std::string unified;
  while (std::getline(groups, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string path = line.substr(second + 1);
    if (controllers.find(",pids,") != std::string::npos) return "/sys/fs/cgroup/pids" + path;
    if (controllers == ",,") unified = "/sys/fs/cgroup" + path;
  }
  return unified;
}

/// The innermost full control group: its limit in words.
std::string full_group() {
  constexpr std::string_view kRoot = "/sys/fs/cgroup";
  std::string directory = directory_of_pids_group();
  while (directory.size() > kRoot.size()) {
    const auto most = number_in(directory + "/pids.max");
    const auto now = number_in(directory + "/pids.current");
    if (most && now && *now >= *most) {
      return "pids.max of the control group " + directory + " is " + std::to_string(*most) +
             ", and so many threads run in it";
    }
    directory.resize(directory.rfind('/'));
  }
  return {};
}

}  // namespace

int Thread::start(void (*function)(void*), void* argument) noexcept {
  function_ = function;
  argument_ = argument;
  const SignalsBlocked blocked;
  const int error = pthread_create(&id_, nullptr, run, this);
  if (error != 0) function_ = nullptr;
  return error;
}

void* Thread::run(void* thread) noexcept {
  const auto* self = static_cast<Thread*>(thread);
  self->function_(self->argument_);
  return nullptr;
}

void Thread::join() noexcept { pthread_join(id_, nullptr); }

std::string thread_limit() {
  if (std::string group = full_group(); !group.empty()) return group;
  rlimit space{};
  if (getrlimit(RLIMIT_AS, &space) == 0 && space.rlim_cur != RLIM_INFINITY) {
    return "RLIMIT_AS (ulimit -v) is " + std::to_string(space.rlim_cur) +
           " bytes, and a thread needs a stack";
  }
  rlimit threads{};
  if (getrlimit(RLIMIT_NPROC, &threads) == 0 && threads.rlim_cur != RLIM_INFINITY) {
    return "RLIMIT_NPROC (ulimit -u) is " + std::to_string(threads.rlim_cur) +
           " threads of this user";
  }
  const auto most = number_in("/proc/sys/kernel/threads-max");
  return most ? "kernel.threads-max is " + std::to_string(*most) : "a limit of the system is met";
}

std::uint64_t thread_number() noexcept {
  constinit static std::atomic<std::uint64_t> last{0};
  constinit static thread_local std::uint64_t number = 0;
  if (number == 0) number = last.fetch_add(1, std::memory_order_relaxed) + 1;
  return number;
}

}  // namespace ipc0cp::platform
