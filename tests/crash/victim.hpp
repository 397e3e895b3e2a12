// SPDX-License-Identifier: Apache-2.0
// A child process that is led through one operation, instruction by instruction, and may die.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <unordered_map>

namespace ipc0cp::crash {

/// Memory that the victim and its tracer share besides the ring.
struct Board {
  volatile std::uint32_t finished;     ///< The operation is over.
  volatile std::uint32_t result;       ///< Its ErrorCode.
  volatile std::uint64_t popped;       ///< Number of the message it got, 0: none.
  volatile std::uint64_t view_offset;  ///< Where in the arena the victim's view or loan lies.
  volatile std::uint64_t view_bytes;
};

/// An instant of an operation: before the n-th arrival at an instruction, plus steps inside a
/// repeated one.
struct Instant {
  std::uint64_t address = 0;
  std::uint32_t arrival = 0;
  std::uint32_t repetition = 0;
};

/// Pins this process, and so its children, to one processor: a step is then a plain switch.
void pin_to_one_processor() noexcept;
/// Whether this machine lets a process trace its child.
bool tracing_allowed();

class Victim {
 public:
  enum class Status { stopped, ended };

  /// Forks; `body` prepares at full speed, calls `begin`, does the operation, then `end`.
  explicit Victim(const std::function<void(Board&)>& body);
  ~Victim();
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  // For the body.
  static void begin();
  static void end(Board& board);

  [[nodiscard]] Board& board() const noexcept { return *board_; }
  [[nodiscard]] std::uint64_t address() const;
  /// Does one instruction.
  Status step();
  /// Like `step`, and counts arrivals; the instant is the one that was left.
  Status step_counted(Instant& instant);
  /// Goes to an instant of an earlier, stepped run. False: this run went another way.
  bool run_to(const Instant& instant);
  /// Lets it run on, beside us. False: the operation is over.
  bool resume();
  /// Returns when the operation is over.
  Status await_end();
  void kill() noexcept;
  [[nodiscard]] bool alive() const noexcept { return process_ > 0; }
  [[nodiscard]] pid_t process() const noexcept { return process_; }
  /// Why it ended if nobody killed it: a signal number, or 0.
  [[nodiscard]] int ended_by() const noexcept { return ended_by_; }

 private:
  Status wait();
  void poke_byte(std::uint64_t address, std::uint8_t byte, std::uint8_t* before);

  pid_t process_ = 0;
  int ended_by_ = 0;
  Board* board_;
  std::unordered_map<std::uint64_t, std::uint32_t> arrivals_;
  Instant now_;
};

/// Runs `body` in a child that leaves without any goodbye, as after SIGKILL.
void run_and_die(const std::function<void()>& body);

}  // namespace ipc0cp::crash
