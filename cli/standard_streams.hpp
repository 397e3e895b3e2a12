// SPDX-License-Identifier: Apache-2.0
// What standard input and output are connected to.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ipc0cp::cli {

/// How an STDIO stream begins: docs/stdio_format.md.
inline constexpr std::string_view kStreamMagic =
    "\x89"
    "0CP";

/// Takes the numbers of standard streams that are closed, so that no file which is opened later
/// gets what is said there. To use them stays an error.
void hold_standard_streams();
bool is_terminal(int descriptor) noexcept;
/// Up to so many bytes, as soon as there are any; 0: the end.
/// @throws Error interrupted; Failure if it cannot be read, with the name of what it is.
std::size_t read_some(int descriptor, char* target, std::size_t bytes, const std::string& name);
/// The first bytes that can be read, fewer at the end of the file.
/// @throws Error interrupted; Failure if it cannot be read.
std::string read_start(int descriptor, std::size_t bytes);

}  // namespace ipc0cp::cli
