// SPDX-License-Identifier: Apache-2.0
// What the metadata of images means, checked: docs/object_format.md, section 7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"

namespace ipc0cp::detail {

/// Immutable; images of one kind share it.
struct ImageLayout {
  std::string metadata_json;
  std::string encoding = "raw";
  std::string mode;
  std::size_t width = 0;
  std::size_t height = 0;
  std::size_t pixel_bytes = 0;  ///< 0: as the mode has it.
  std::string palette_mode;     ///< Empty: no palette.
  std::size_t palette_bytes = 0;
  std::string transparency;            ///< JSON text, empty: none.
  std::size_t stored_pixel_bytes = 0;  ///< What a pixel takes; 0: one bit. Raw only, as the rest.
  std::size_t row_bytes = 0;
  std::size_t pixels_bytes = 0;  ///< Of all rows.
};

}  // namespace ipc0cp::detail

namespace ipc0cp::codec {

/// Checks `layout`, whose members up to `transparency` are given, and completes it.
/// @throws Error (`error`) naming the rule.
std::shared_ptr<const detail::ImageLayout> complete_image(detail::ImageLayout layout,
                                                          ErrorCode error);

/// Whether `digits` are the small hex digits of whole bytes.
bool is_hex_table(std::string_view digits) noexcept;

}  // namespace ipc0cp::codec
