// SPDX-License-Identifier: Apache-2.0
// How the program ends: docs/command_line.md, "Exit codes".
#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace ipc0cp::cli {

using ExitCode = int;
inline constexpr ExitCode kDone = 0;
inline constexpr ExitCode kFailed = 1;       ///< Also: findings of `doctor`, refusals of `rm`.
inline constexpr ExitCode kTimedOut = 2;     ///< The time given by --timeout is over.
inline constexpr ExitCode kNoSuchRing = 3;   ///< Nothing has this name.
inline constexpr ExitCode kWrongUsage = 64;  ///< As sysexits.h has it.
inline constexpr ExitCode kInterrupted = 130;

/// A sentence for the person who typed the command, and what the program ends with.
class Failure : public std::runtime_error {
 public:
  Failure(ExitCode exit_code, const std::string& sentence)
      : std::runtime_error(sentence), exit_code_(exit_code) {}
  [[nodiscard]] ExitCode exit_code() const noexcept { return exit_code_; }

 private:
  ExitCode exit_code_;
};

/// @throws Failure no such ring, with the nearest names there are.
[[noreturn]] void no_such_ring(const std::string& name);

/// What the function returns; what it throws is told on standard error and becomes an exit code.
int told(const std::function<int()>& function);

}  // namespace ipc0cp::cli
