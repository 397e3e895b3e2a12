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
/// Whether a ring can have this name; other files that begin like rings are somebody else's.
bool is_ring_name(std::string_view name) noexcept;
/// A command that removes what has the name, and does nothing else when it is typed as it stands,
/// whatever characters others have put into the name.
std::string removal_command(const std::string& name);
/// The name without its leading slash. @throws Error invalid_argument.
std::string checked_name(const std::string& name);

}  // namespace ipc0cp::shm
