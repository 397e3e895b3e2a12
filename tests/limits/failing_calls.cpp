// SPDX-License-Identifier: Apache-2.0
// The n-th system call fails, for every n: each operation ends in success or an error, nothing
// leaks, nobody hangs, and the ring works for whoever comes next.
//
//   failing_calls [SCENARIO [N ERRNO]]
//
// A tracer (ptrace) makes one call of a child fail with one errno, without executing it.
// Exit status: 0 all is well, 1 a violation, 77 this machine forbids tracing.
#include <dirent.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "ipc0cp/log.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "shm/ring_name.hpp"

namespace ipc0cp::limits {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kRingBytes = 1 << 20;
constexpr int kSkipped = 77;
constexpr unsigned kWatchdogSeconds = 20;
/// Arguments of prctl that no kernel knows: where the calls that may fail begin and end.
constexpr unsigned long kBegin = 0x69706301;
constexpr unsigned long kEnd = 0x69706302;

/// How a child ended: the last two are violations.
enum Outcome { kSuccess = 0, kError = 3, kLeak = 4, kWrong = 5 };

std::vector<std::byte> payload(std::size_t bytes) {
  return std::vector<std::byte>(bytes, std::byte{7});
}

// ---- what the child does ------------------------------------------------------------------------

/// The whole life of a ring: made, grown, used, removed.
void live(const std::string& name) {
  SharedRingBufferConsumer consumer(name, kRingBytes);
  SharedRingBufferProducer producer(name, kRingBytes);
  const auto large = payload(200'000);
  producer.push_raw({}, payload(100), 1s);
  producer.push_raw({}, large, 1s);
  if (consumer.pop_raw(1s)->payload().size() != 100) throw std::runtime_error("wrong message");
  const auto view = consumer.pop_raw(1s);
  if (view->payload().size() != large.size()) throw std::runtime_error("wrong message");
}

/// A ring that others have made and that stays; the parent has a handle of each kind.
void visit(const std::string& name) {
  SharedRingBufferProducer producer(name, 0);
  Loan loan = producer.loan(300'000, 1s);
  loan.publish({}, 1s);
  SharedRingBufferConsumer consumer(name, 0);
  const auto message = consumer.pop_raw(1s);
  if (message->payload().size() != 300'000) throw std::runtime_error("wrong message");
}

/// Nothing comes, and there is no room: the calls that sleep.
void wait(const std::string& name) {
  SharedRingBufferConsumer consumer(name, 0);
  try {
    static_cast<void>(consumer.pop_raw(3ms));
  } catch (const Error& error) {
    if (error.code() != ErrorCode::timeout) throw;
  }
  SharedRingBufferProducer producer(name, 0);
  while (producer.push_raw({}, payload(400'000), 3ms)) {
  }
  while (producer.stats().messages > 0) static_cast<void>(consumer.pop_raw(1s));
}

struct Scenario {
  const char* name;
  void (*run)(const std::string& ring);
  bool ring_is_there;
};
constexpr std::array<Scenario, 3> kScenarios = {
    Scenario{"live", live, false}, Scenario{"visit", visit, true}, Scenario{"wait", wait, true}};

std::size_t open_descriptors() {
  std::size_t count = 0;
  DIR* directory = opendir("/proc/self/fd");
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

[[noreturn]] void be_victim(const Scenario& scenario, const std::string& ring) {
  alarm(kWatchdogSeconds);
  set_log_level(LogLevel::off);
  const std::size_t before = open_descriptors();
  ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
  raise(SIGSTOP);
  Outcome outcome = kSuccess;
  prctl(static_cast<int>(kBegin));
  try {
    scenario.run(ring);
  } catch (const Error&) {
    outcome = kError;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    outcome = kWrong;
  }
  prctl(static_cast<int>(kEnd));
  if (open_descriptors() > before) outcome = kLeak;
  _exit(outcome);
}

// ---- the tracer ---------------------------------------------------------------------------------

struct Failure {
  std::size_t number = 0;  ///< Which call fails, counted from 1; 0: none.
  int error = 0;
};

struct Result {
  std::size_t calls = 0;
  long failed_call = -1;  ///< Its number in the kernel's table.
  int status = 0;
};

/// Only what the kernel does: a close or munmap that fails is done all the same, a brk that fails
/// returns another number, and only waiting for a futex is interrupted.
bool may_fail(const user_regs_struct& registers, int error) {
  const auto call = static_cast<long>(registers.orig_rax);
  const bool waits = (registers.rsi & FUTEX_CMD_MASK) == FUTEX_WAIT;
  if (call == SYS_futex) return error == EINTR && waits;
  return call != SYS_close && call != SYS_munmap && call != SYS_brk && call != SYS_exit_group;
}

class Tracer {
 public:
  explicit Tracer(Failure failure) : failure_(failure) {}

  /// @return nothing where tracing is forbidden.
  std::optional<Result> run(const Scenario& scenario, const std::string& ring) {
    child_ = fork();
    if (child_ == 0) be_victim(scenario, ring);
    int status = 0;
    waitpid(child_, &status, 0);
    if (!WIFSTOPPED(status)) return std::nullopt;
    ptrace(PTRACE_SETOPTIONS, child_, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
    int signal = 0;
    while (true) {
      ptrace(PTRACE_SYSCALL, child_, nullptr, signal);
      waitpid(child_, &status, 0);
      if (!WIFSTOPPED(status)) break;
      signal = 0;
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
        at_system_call();
      } else {
        signal = WSTOPSIG(status);
      }
    }
    result_.status = status;
    return result_;
  }

 private:
  void at_system_call() {
    user_regs_struct registers{};
    ptrace(PTRACE_GETREGS, child_, nullptr, &registers);
    entering_ = !entering_;
    if (!entering_) {
      if (failing_) {
        registers.rax = static_cast<unsigned long long>(-failure_.error);
        ptrace(PTRACE_SETREGS, child_, nullptr, &registers);
        failing_ = false;
      }
      return;
    }
    const auto call = static_cast<long>(registers.orig_rax);
    if (call == SYS_prctl && registers.rdi == kBegin) counting_ = true;
    if (call == SYS_prctl && registers.rdi == kEnd) counting_ = false;
    if (!counting_ || call == SYS_prctl || ++result_.calls != failure_.number) return;
    if (!may_fail(registers, failure_.error)) return;
    result_.failed_call = call;
    registers.orig_rax = ~0ULL;  // No such call: nothing is executed.
    ptrace(PTRACE_SETREGS, child_, nullptr, &registers);
    failing_ = true;
  }

  Failure failure_;
  Result result_;
  pid_t child_ = 0;
  bool entering_ = false;
  bool counting_ = false;
  bool failing_ = false;
};

// ---- what must hold afterwards ------------------------------------------------------------------

/// Whoever comes next uses the name as if nothing had happened.
void use_as_newcomer(const std::string& name) {
  SharedRingBufferConsumer consumer(name, kRingBytes);
  SharedRingBufferProducer producer(name, kRingBytes);
  // A child that failed half-way may have left a message to somebody.
  while (producer.stats().messages > 0) static_cast<void>(consumer.pop_raw(1s));
  producer.push_raw({}, payload(5000), 1s);
  const auto message = consumer.pop_raw(1s);
  if (!message || message->payload().size() != 5000) throw std::runtime_error("a wrong message");
}

class Checker {
 public:
  explicit Checker(const Scenario& scenario)
      : scenario_(scenario), ring_("failing-" + std::to_string(getpid()) + "-" + scenario.name) {}

  /// One run; throws what is wrong.
  Result check(Failure failure) {
    std::optional<SharedRingBufferConsumer> consumer;
    std::optional<SharedRingBufferProducer> producer;
    if (scenario_.ring_is_there) {
      consumer.emplace(ring_, kRingBytes);
      producer.emplace(ring_, kRingBytes);
    }
    const std::optional<Result> result = Tracer(failure).run(scenario_, ring_);
    if (!result) std::exit(kSkipped);
    if (WIFSIGNALED(result->status)) {
      throw std::runtime_error("system call " + std::to_string(result->failed_call) +
                               ": ended by " + strsignal(WTERMSIG(result->status)));
    }
    const int outcome = WEXITSTATUS(result->status);
    if (outcome == kLeak) throw std::runtime_error("descriptors leaked");
    if (outcome != kSuccess && outcome != kError) throw std::runtime_error("went wrong");
    if (outcome == kError) ++errors_;
    use_as_newcomer(ring_);
    producer.reset();
    consumer.reset();
    if (access(shm::path_of(ring_).c_str(), F_OK) == 0) {
      throw std::runtime_error("the file is still there");
    }
    return *result;
  }

  /// @return the number of violations.
  int check_all() {
    const std::size_t calls = check({}).calls;
    int violations = 0;
    std::size_t runs = 0;
    for (const int error : {ENOMEM, EINTR, ENOSPC, EMFILE, EACCES}) {
      for (std::size_t number = 1; number <= calls; ++number) {
        ++runs;
        violations += check_one({number, error}) ? 0 : 1;
      }
    }
    std::printf("%-8s %5zu calls %6zu runs %6zu ended in an error %4d violations\n", scenario_.name,
                calls, runs, errors_, violations);
    return violations;
  }

  bool check_one(Failure failure) {
    try {
      check(failure);
      return true;
    } catch (const std::exception& problem) {
      std::printf("VIOLATION  %s, call %zu fails with %s: %s\n", scenario_.name, failure.number,
                  strerror(failure.error), problem.what());
      unlink(shm::path_of(ring_).c_str());
      return false;
    }
  }

 private:
  const Scenario& scenario_;
  std::string ring_;
  std::size_t errors_ = 0;
};

}  // namespace
}  // namespace ipc0cp::limits

int main(int count, char** arguments) {
  using namespace ipc0cp::limits;
  ipc0cp::set_log_level(ipc0cp::LogLevel::off);
  int violations = 0;
  for (const Scenario& scenario : kScenarios) {
    if (count > 1 && arguments[1] != std::string(scenario.name)) continue;
    Checker checker(scenario);
    if (count > 3) {
      const Failure failure{std::stoull(arguments[2]), std::stoi(arguments[3])};
      violations += checker.check_one(failure) ? 0 : 1;
    } else {
      violations += checker.check_all();
    }
  }
  return violations == 0 ? 0 : 1;
}
