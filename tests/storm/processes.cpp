// SPDX-License-Identifier: Apache-2.0
#include "processes.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

namespace ipc0cp::storm {
namespace {

constexpr unsigned kWatchdogSeconds = 120;
constexpr int kFailed = 1;

[[noreturn]] void run_and_exit(const std::function<void()>& work) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  alarm(kWatchdogSeconds);
  try {
    work();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "VIOLATION  process %d: %s\n", static_cast<int>(getpid()), error.what());
    _exit(kFailed);
  }
  _exit(0);
}

void write_text(const char* path, const std::string& text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  static_cast<void>(!write(file, text.data(), text.size()));
  close(file);
}

/// The user of outside, as root of the inside.
bool enter_namespaces(uid_t user, gid_t group) {
  if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) return false;
  write_text("/proc/self/setgroups", "deny");
  write_text("/proc/self/uid_map", "0 " + std::to_string(user) + " 1");
  write_text("/proc/self/gid_map", "0 " + std::to_string(group) + " 1");
  return true;
}

/// The end of `child`, handed on as our own.
[[noreturn]] void end_like(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFSIGNALED(status)) {
    ::kill(getpid(), WTERMSIG(status));
  }
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : kFailed);
}

pid_t fork_or_throw() {
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  return child;
}

/// A child whose child is PID 1; `worker` is that one's number outside.
pid_t fork_pid_1(const std::function<void()>& work, std::atomic<pid_t>& worker) {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  const pid_t outer = fork_or_throw();
  if (outer != 0) return outer;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const pid_t inner = enter_namespaces(user, group) ? fork() : -1;
  if (inner == 0) run_and_exit(work);
  worker.store(inner);
  if (inner < 0) _exit(kFailed);
  end_like(inner);
}

End end_of(int status) {
  if (WIFSIGNALED(status)) {
    if (WTERMSIG(status) == SIGKILL) return End::killed;
    std::fprintf(stderr, "a process was ended by signal %d\n", WTERMSIG(status));
    return End::failed;
  }
  return WEXITSTATUS(status) == 0 ? End::orderly : End::failed;
}

}  // namespace

Child::Child(const std::function<void()>& work, bool own_namespaces) {
  if (!own_namespaces) {
    child_ = fork_or_throw();
    if (child_ == 0) run_and_exit(work);
    return;
  }
  void* memory = mmap(nullptr, sizeof(std::atomic<pid_t>), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  auto& worker = *static_cast<std::atomic<pid_t>*>(memory);
  child_ = fork_pid_1(work, worker);
  while (worker.load() == 0) sched_yield();
  // By number it could be somebody else by the time of a signal: its parent waits for it, not we.
  if (worker.load() > 0) {
    worker_file_ = static_cast<int>(syscall(SYS_pidfd_open, worker.load(), 0));
  }
  munmap(memory, sizeof(std::atomic<pid_t>));
}

Child::Child(Child&& other) noexcept
    : child_(std::exchange(other.child_, 0)), worker_file_(std::exchange(other.worker_file_, -1)) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(child_, other.child_);
  std::swap(worker_file_, other.worker_file_);
  return *this;
}

Child::~Child() {
  if (child_ > 0) {
    kill();
    static_cast<void>(wait());
  }
}

void Child::signal(int number) const {
  if (worker_file_ >= 0) {
    syscall(SYS_pidfd_send_signal, worker_file_, number, nullptr, 0);
  } else if (child_ > 0) {
    ::kill(child_, number);
  }
}

void Child::forget() {
  if (worker_file_ >= 0) close(std::exchange(worker_file_, -1));
  child_ = 0;
}

void Child::stop() { signal(SIGSTOP); }
void Child::go_on() { signal(SIGCONT); }
void Child::kill() { signal(SIGKILL); }

std::optional<End> Child::poll() {
  int status = 0;
  const pid_t ended = waitpid(child_, &status, WNOHANG);
  if (ended == 0) return std::nullopt;
  forget();
  return end_of(status);
}

End Child::wait() {
  int status = 0;
  while (waitpid(child_, &status, 0) < 0 && errno == EINTR) {
  }
  forget();
  return end_of(status);
}

bool namespaces_are_permitted() {
  const uid_t user = geteuid();
  const gid_t group = getegid();
  const pid_t child = fork_or_throw();
  if (child == 0) _exit(enter_namespaces(user, group) && fork() >= 0 ? 0 : kFailed);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace ipc0cp::storm
