// SPDX-License-Identifier: Apache-2.0
// A message in one line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ipc0cp::cli {

/// The `type` of the metadata: "bytes", "ndarray", ...; "?" if there is none.
std::string type_of(std::string_view metadata_json);
/// What it is and how it begins: "<f4 [480,640,3] 0.5 0.25 ...".
/// @param payload its first bytes
std::string preview(std::string_view metadata_json, std::span<const std::byte> payload,
                    std::size_t most_characters);

}  // namespace ipc0cp::cli
