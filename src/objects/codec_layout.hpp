// SPDX-License-Identifier: Apache-2.0
// What the metadata of arrays means, checked: docs/object_format.md, section 5.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"
#include "ipc0cp/numpy_array.hpp"

namespace ipc0cp::detail {

/// Immutable; arrays of one kind share it.
struct ArrayLayout {
  std::string metadata_json;
  std::string dtype;  ///< Simple: the name. Structured: canonical JSON text.
  std::vector<std::size_t> shape;
  std::vector<std::ptrdiff_t> strides;
  std::size_t item_bytes = 0;
  std::size_t elements = 0;
  std::size_t payload_bytes = 0;
  ArrayOptions options;
};

}  // namespace ipc0cp::detail

namespace ipc0cp::codec {

inline constexpr unsigned kMaxDtypeLevels = 32;
inline constexpr std::uint64_t kMaxItemBytes = 0x7FFFFFFF;
inline constexpr std::uint64_t kMaxNumber = 0x7FFFFFFFFFFFFFFF;

/// A checked dtype.
struct Dtype {
  std::string text;  ///< As ArrayLayout::dtype.
  std::size_t item_bytes = 0;
  bool structured = false;
};

/// Bytes per item of a simple dtype.
/// @throws Error (`error`) if `name` is none.
std::size_t simple_item_bytes(std::string_view name, ErrorCode error);

/// A dtype from its text: a simple name, or JSON if it starts with '{'. (codec_types.cpp)
Dtype parse_dtype(std::string_view text, ErrorCode error);

/// Product of `shape` times `item_bytes`, checked by the rule of the format.
std::size_t array_bytes(const std::vector<std::size_t>& shape, std::size_t item_bytes,
                        ErrorCode error);

/// Checks and completes the description of an array, its canonical metadata included.
std::shared_ptr<const detail::ArrayLayout> make_layout(Dtype dtype, std::vector<std::size_t> shape,
                                                       ArrayOptions options, ErrorCode error);

}  // namespace ipc0cp::codec
