// SPDX-License-Identifier: Apache-2.0
// The name of a ring: what it may be, and where its file is.
#pragma once

#include <string>
#include <string_view>

namespace ipc0cp::shm {

/// How the files of rings begin.
inline constexpr std::string_view kFilePrefix = "ipc0cp.";

/// A name that others gave, harmless in a line of text: '?' stands for what is not printable ASCII,
/// and what is longer than a name may be is cut off.
std::string printable(std::string_view text);
std::string path_of(const std::string& name);
/// The name without its leading slash. @throws Error invalid_argument.
std::string checked_name(const std::string& name);

}  // namespace ipc0cp::shm
