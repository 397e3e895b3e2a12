// SPDX-License-Identifier: Apache-2.0
// The name of a ring: what it may be, and where its file is.
#pragma once

#include <string>

namespace ipc0cp::shm {

std::string path_of(const std::string& name);
/// The name without its leading slash. @throws Error invalid_argument.
std::string checked_name(const std::string& name);

}  // namespace ipc0cp::shm
