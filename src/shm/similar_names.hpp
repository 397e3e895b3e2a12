// SPDX-License-Identifier: Apache-2.0
// Rings whose names look like one that was not found.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ipc0cp::shm {

/// Characters to insert, delete or replace (Levenshtein).
std::size_t edit_distance(std::string_view left, std::string_view right);

/// "; rings with similar names: 'a', 'b'", nearest first, at most three; empty if there are none.
std::string similar_names(const std::string& name);

}  // namespace ipc0cp::shm
