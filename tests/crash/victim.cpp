// SPDX-License-Identifier: Apache-2.0
#include "victim.hpp"

#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <string>

namespace ipc0cp::crash {
namespace {

constexpr std::uint8_t kBreakpoint = 0xCC;

[[noreturn]] void fail(const char* what) {
  throw std::runtime_error(std::string(what) + ": " + std::strerror(errno));
}

/// An exception must not unwind into the code of the parent, and no destructor may run.
[[noreturn]] void leave_after(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "in a child: %s\n", error.what());
  }
  kill(getpid(), SIGKILL);
  _exit(1);
}

/// An address of the other process, as ptrace takes it.
void* pointer(std::uint64_t address) {
  return reinterpret_cast<void*>(address);  // NOLINT(performance-no-int-to-ptr)
}

}  // namespace

void pin_to_one_processor() noexcept {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int processor = CPU_SETSIZE - 1; processor >= 0; --processor) {
    if (!CPU_ISSET(processor, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

bool tracing_allowed() {
  const pid_t child = fork();
  if (child == 0) _exit(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0 ? 0 : 1);
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
         WEXITSTATUS(status) == 0;
}

void run_and_die(const std::function<void()>& body) {
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    leave_after(body);
  }
  waitpid(child, nullptr, 0);
}

Victim::Victim(const std::function<void(Board&)>& body) {
  void* memory =
      mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) fail("mmap");
  board_ = static_cast<Board*>(memory);
  process_ = fork();
  if (process_ < 0) fail("fork");
  if (process_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    leave_after([&] { body(*board_); });
  }
  if (wait() == Status::ended) throw std::runtime_error("a victim died before its operation");
  ptrace(PTRACE_SETOPTIONS, process_, nullptr, PTRACE_O_EXITKILL);
}

Victim::~Victim() {
  kill();
  munmap(board_, sizeof(Board));
}

void Victim::begin() {
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  raise(SIGSTOP);
}

void Victim::end(Board& board) {
  board.finished = 1;
  raise(SIGSTOP);
}

std::uint64_t Victim::address() const {
  errno = 0;
  const long value = ptrace(PTRACE_PEEKUSER, process_, offsetof(user_regs_struct, rip), nullptr);
  if (value == -1 && errno != 0) fail("PTRACE_PEEKUSER");
  return static_cast<std::uint64_t>(value);
}

Victim::Status Victim::wait() {
  int status = 0;
  while (waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  if (WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status);
    if (signal == SIGTRAP || signal == SIGSTOP) return Status::stopped;
    ended_by_ = signal;  // SIGSEGV, SIGBUS, SIGABRT: the operation itself failed.
    ::kill(process_, SIGKILL);
    waitpid(process_, &status, 0);
  } else if (WIFSIGNALED(status)) {
    ended_by_ = WTERMSIG(status);
  }
  process_ = 0;
  return Status::ended;
}

Victim::Status Victim::step() {
  if (ptrace(PTRACE_SINGLESTEP, process_, nullptr, nullptr) != 0) fail("PTRACE_SINGLESTEP");
  return wait();
}

Victim::Status Victim::step_counted(Instant& instant) {
  const std::uint64_t here = address();
  if (here == now_.address) {
    ++now_.repetition;
  } else {
    now_ = {here, ++arrivals_[here], 0};
  }
  instant = now_;
  return step();
}

void Victim::poke_byte(std::uint64_t address, std::uint8_t byte, std::uint8_t* before) {
  errno = 0;
  long word = ptrace(PTRACE_PEEKTEXT, process_, pointer(address), nullptr);
  if (errno != 0) fail("PTRACE_PEEKTEXT");
  if (before != nullptr) *before = static_cast<std::uint8_t>(word & 0xFF);
  word = (word & ~0xFFL) | byte;
  if (ptrace(PTRACE_POKETEXT, process_, pointer(address), word) != 0) fail("PTRACE_POKETEXT");
}

bool Victim::run_to(const Instant& instant) {
  std::uint8_t original = 0;
  for (std::uint32_t arrival = 0; arrival < instant.arrival; ++arrival) {
    if (arrival > 0) {
      do {
        if (step() == Status::ended || board_->finished != 0) return false;
      } while (address() == instant.address);
    } else if (address() == instant.address) {
      continue;
    }
    poke_byte(instant.address, kBreakpoint, &original);
    if (ptrace(PTRACE_CONT, process_, nullptr, nullptr) != 0) fail("PTRACE_CONT");
    if (wait() == Status::ended) return false;
    poke_byte(instant.address, original, nullptr);
    if (address() != instant.address + 1) return false;  // It reached the end of the operation.
    if (ptrace(PTRACE_POKEUSER, process_, offsetof(user_regs_struct, rip),
               pointer(instant.address)) != 0) {
      fail("PTRACE_POKEUSER");
    }
  }
  for (std::uint32_t repetition = 0; repetition < instant.repetition; ++repetition) {
    if (step() == Status::ended || address() != instant.address) return false;
  }
  return true;
}

bool Victim::resume() {
  if (board_->finished != 0) return false;
  if (ptrace(PTRACE_CONT, process_, nullptr, nullptr) != 0) fail("PTRACE_CONT");
  return true;
}

Victim::Status Victim::await_end() {
  while (wait() != Status::ended) {
    if (!resume()) return Status::stopped;
  }
  return Status::ended;
}

void Victim::kill() noexcept {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  int status = 0;
  while (waitpid(process_, &status, 0) == process_ && !WIFEXITED(status) && !WIFSIGNALED(status)) {
  }
  process_ = 0;
}

}  // namespace ipc0cp::crash
