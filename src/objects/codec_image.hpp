// SPDX-License-Identifier: Apache-2.0
// What the metadata of images means, checked: docs/object_format.md, section 7.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/limits.hpp"

namespace ipc0cp::detail {

/// What an image says about itself.
struct ImageInfo {
  /// An entry whose value lies behind pixels and palette, or behind the file.
  struct Piece {
    std::string key;
    bool is_array_item = false;  ///< Then it is no entry of its own, and has no key.
    bool is_text = false;
    std::size_t offset = 0;  ///< From where the pieces begin.
    std::size_t bytes = 0;
  };

  std::string text;  ///< Canonical JSON, empty: none.
  std::vector<Piece> pieces;
  std::size_t pieces_bytes = 0;  ///< Of all of them.
};

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
  std::string transparency;  ///< JSON text, empty: none.
  ImageInfo info;
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

/// The info of an image from its JSON text, checked. (codec_info.cpp)
detail::ImageInfo parse_info(std::string_view text, ErrorCode error);
/// The JSON text of one entry, empty if there is none. (codec_info.cpp)
std::string info_entry(std::string_view info, std::string_view key);

/// Whether `digits` are the small hex digits of whole bytes.
bool is_hex_table(std::string_view digits) noexcept;

}  // namespace ipc0cp::codec
