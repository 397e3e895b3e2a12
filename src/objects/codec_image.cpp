// SPDX-License-Identifier: Apache-2.0
#include "objects/codec_image.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "objects/codec_json.hpp"

namespace ipc0cp::codec {
namespace {

struct Mode {
  std::string_view name;
  std::size_t pixel_bytes;   ///< 0: one bit.
  std::size_t stored_bytes;  ///< Pillow's own storage where it differs, else 0.
};

constexpr std::array kModes = {
    Mode{"1", 0, 1},    Mode{"L", 1, 0},     Mode{"P", 1, 0},     Mode{"LA", 2, 4},
    Mode{"La", 2, 4},   Mode{"PA", 2, 4},    Mode{"RGB", 3, 4},   Mode{"YCbCr", 3, 4},
    Mode{"LAB", 3, 4},  Mode{"HSV", 3, 4},   Mode{"RGBA", 4, 0},  Mode{"RGBa", 4, 0},
    Mode{"RGBX", 4, 0}, Mode{"CMYK", 4, 0},  Mode{"I", 4, 0},     Mode{"F", 4, 0},
    Mode{"I;16", 2, 0}, Mode{"I;16L", 2, 0}, Mode{"I;16N", 2, 0}, Mode{"I;16B", 2, 0},
};

[[noreturn]] void refuse(ErrorCode error, const std::string& reason) {
  throw Error(error, "image: " + reason);
}

std::string quoted(std::string_view text) { return '"' + std::string(text.substr(0, 40)) + '"'; }

std::string mode_names() {
  std::string names;
  for (const Mode& mode : kModes) names += (names.empty() ? "" : ", ") + std::string(mode.name);
  return names;
}

void set_sizes(detail::ImageLayout& layout, ErrorCode error) {
  const auto* mode = std::find_if(kModes.begin(), kModes.end(),
                                  [&](const Mode& each) { return each.name == layout.mode; });
  if (mode == kModes.end()) {
    refuse(error, "the mode " + quoted(layout.mode) + " is not one of " + mode_names());
  }
  if (layout.pixel_bytes == mode->pixel_bytes) layout.pixel_bytes = 0;
  if (layout.pixel_bytes != 0 && layout.pixel_bytes != mode->stored_bytes) {
    const std::size_t other = mode->stored_bytes;
    refuse(error, std::to_string(layout.pixel_bytes) + " bytes per pixel do not go with mode " +
                      quoted(layout.mode) + ", which has " +
                      (mode->pixel_bytes == 0 ? "bits" : std::to_string(mode->pixel_bytes)) +
                      (other == 0 ? "" : " or " + std::to_string(other)));
  }
  const std::size_t pixel_bytes = layout.pixel_bytes != 0 ? layout.pixel_bytes : mode->pixel_bytes;
  layout.stored_pixel_bytes = pixel_bytes;
  layout.row_bytes = pixel_bytes != 0 ? layout.width * pixel_bytes : (layout.width + 7) / 8;
  // Lengths are at most 2^31-1 and pixels 4 bytes: the products fit into 64 bits.
  layout.pixels_bytes = layout.row_bytes * layout.height;
}

void check_palette(const detail::ImageLayout& layout, ErrorCode error) {
  constexpr std::size_t kMostPaletteBytes = 1024;
  if (layout.palette_mode.empty()) return;
  if (layout.mode != "P" && layout.mode != "PA") {
    refuse(error, "mode " + quoted(layout.mode) + " has no palette, only P and PA do");
  }
  const bool is_rgb = layout.palette_mode == "RGB";
  if (!is_rgb && layout.palette_mode != "RGBA") {
    refuse(error, "the palette mode " + quoted(layout.palette_mode) + " is not RGB or RGBA");
  }
  if (layout.palette_bytes > kMostPaletteBytes || layout.palette_bytes % (is_rgb ? 3 : 4) != 0) {
    refuse(error, "a palette of " + std::to_string(layout.palette_bytes) +
                      " bytes; expected whole entries of " + (is_rgb ? "3" : "4") + ", at most " +
                      std::to_string(kMostPaletteBytes));
  }
}

std::string image_metadata(const detail::ImageLayout& layout) {
  std::string text = R"({"type":"image","version":")";
  text += layout.info.text.empty() ? "1.0" : "2.0";
  text += R"(","encoding":")" + layout.encoding;
  text += R"(","mode":)";
  append_quoted(text, layout.mode);
  text += ",\"size\":[" + std::to_string(layout.width) + ',' + std::to_string(layout.height) + ']';
  if (layout.pixel_bytes != 0) text += ",\"pixel_bytes\":" + std::to_string(layout.pixel_bytes);
  if (!layout.palette_mode.empty()) {
    text += R"(,"palette":{"mode":")" + layout.palette_mode;
    text += R"(","bytes":)" + std::to_string(layout.palette_bytes) + '}';
  }
  if (!layout.transparency.empty()) text += ",\"transparency\":" + layout.transparency;
  if (!layout.info.text.empty()) text += ",\"info\":" + layout.info.text;
  return text + '}';
}

}  // namespace

std::shared_ptr<const detail::ImageLayout> complete_image(detail::ImageLayout layout,
                                                          ErrorCode error) {
  if (layout.width > kMaxImageLength || layout.height > kMaxImageLength) {
    refuse(error, "the size is " + std::to_string(layout.width) + " x " +
                      std::to_string(layout.height) + "; each is at most " +
                      std::to_string(kMaxImageLength));
  }
  if (layout.encoding == "raw") {
    set_sizes(layout, error);
    check_palette(layout, error);
  } else if (layout.encoding == "png" || layout.encoding == "jpeg") {
    if (layout.pixel_bytes != 0 || !layout.palette_mode.empty() || !layout.transparency.empty()) {
      refuse(error, layout.encoding + " keeps pixel bytes, palette and transparency in the file");
    }
  } else {
    refuse(error, "the encoding " + quoted(layout.encoding) + " is not raw, png or jpeg");
  }
  // A palette has at most 1,024 bytes and the info 2^63-1, but pixels nearly 2^64.
  const std::size_t behind_pixels = layout.palette_bytes + layout.info.pieces_bytes;
  if (layout.pixels_bytes > std::numeric_limits<std::size_t>::max() - behind_pixels) {
    refuse(error, "pixels, palette and info together have more than 2^64-1 bytes");
  }
  layout.metadata_json = image_metadata(layout);
  return std::make_shared<const detail::ImageLayout>(std::move(layout));
}

bool is_hex_table(std::string_view digits) noexcept {
  return digits.size() % 2 == 0 &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace ipc0cp::codec
