// SPDX-License-Identifier: Apache-2.0
// How the program ends: docs/command_line.md, "Exit codes".
#pragma once

#include <stdexcept>
#include <string>

namespace ipc0cp::cli {

enum ExitCode : int {
  kDone = 0,
  kFailed = 1,       ///< Also: findings of `doctor`, refusals of `rm`.
  kTimedOut = 2,     ///< The time given by --timeout is over.
  kNoSuchRing = 3,   ///< Nothing has this name.
  kWrongUsage = 64,  ///< As sysexits.h has it.
  kInterrupted = 130,
};

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

}  // namespace ipc0cp::cli
