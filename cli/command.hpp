// SPDX-License-Identifier: Apache-2.0
// A command of the program. The table of all of them is commands.cpp.
#pragma once

#include <functional>
#include <span>

#include "arguments.hpp"

namespace ipc0cp::cli {

struct Command {
  const char* name;
  const char* summary;
  const char* examples;  ///< Each line is what one types, and after "  # " what it does.
  /// Declares the options and returns what the command does, with its exit code. It throws Failure
  /// and Error, each of which ends the program with its sentence.
  std::function<int()> (*prepare)(Arguments& arguments);
};

/// In the order of --help.
std::span<const Command> commands();

}  // namespace ipc0cp::cli
