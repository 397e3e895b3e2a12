// SPDX-License-Identifier: Apache-2.0
// What the program says of itself besides --help: the man page, and completion for shells. Both are
// made of the options as they are declared, so neither can differ from what is parsed.
#pragma once

#include <string>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11 calls itself so.
class App;
}  // namespace CLI

namespace ipc0cp::cli {

/// Of man(1), in troff.
std::string man_page(const CLI::App& program);
/// A script for bash, zsh or fish.
std::string completion_script(const CLI::App& program, const std::string& shell);

}  // namespace ipc0cp::cli
