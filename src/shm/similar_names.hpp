// SPDX-License-Identifier: Apache-2.0
// Rings whose names look like one that was not found.
#pragma once

#include <string>

namespace ipc0cp::shm {

/// "; rings with similar names: 'a', 'b'", nearest first, at most three; empty if there are none.
std::string similar_names(const std::string& name);

}  // namespace ipc0cp::shm
