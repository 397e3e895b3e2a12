// SPDX-License-Identifier: Apache-2.0
// What can be told of a FlatBuffer without its schema: docs/object_format.md, section 8.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "ipc0cp/error.hpp"

namespace ipc0cp::detail {

/// Immutable; buffers of one kind share it.
struct FlatBufferLayout {
  std::string metadata_json;
  std::string identifier;  ///< Four characters, empty: none.
  bool size_prefixed = false;
};

}  // namespace ipc0cp::detail

namespace ipc0cp::codec {

using FlatBufferLayout = std::shared_ptr<const detail::FlatBufferLayout>;

/// Checks the identifier and writes the metadata.
/// @throws Error (`error`) naming the rule.
FlatBufferLayout complete_flatbuffer(std::string identifier, bool size_prefixed, ErrorCode error);

/// What a writer says of `buffer`.
/// @throws Error invalid_argument naming what is wrong with it.
FlatBufferLayout inspect_flatbuffer(std::span<const std::byte> buffer);

/// Checks the payload against what the metadata say.
/// @throws Error corrupt_payload naming the value and the limit.
void check_flatbuffer(const detail::FlatBufferLayout& layout, std::span<const std::byte> payload);

}  // namespace ipc0cp::codec
