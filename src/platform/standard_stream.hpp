// SPDX-License-Identifier: Apache-2.0
// Taking standard input or output away from the rest of the process, and giving it back.
#pragma once

#include "platform/shared_memory.hpp"

namespace ipc0cp::platform {

inline constexpr int kStandardInput = 0;
inline constexpr int kStandardOutput = 1;

/// A second descriptor of the same stream, with a high number and closed by exec. 0 or an errno.
int duplicate(int descriptor, File& copy) noexcept;
/// From now on standard input is empty, or standard output goes to standard error (nowhere, if
/// that is closed). 0 or an errno.
int divert_standard_stream(int descriptor) noexcept;
/// Puts `original` in its place again.
void restore_standard_stream(int descriptor, int original) noexcept;
/// Whether text on standard error would end up between the bytes of standard output.
bool standard_error_is_standard_output() noexcept;

}  // namespace ipc0cp::platform
