// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <utility>

#include "ipc0cp/copy.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/image_data.hpp"
#include "objects/codec_image.hpp"
#include "objects/codec_metadata.hpp"
#include "objects/objects_internal.hpp"

namespace ipc0cp {
namespace {

using SharedImageLayout = std::shared_ptr<const detail::ImageLayout>;

/// The info that options name, checked.
detail::ImageInfo info_of_user(const ImageOptions& options) {
  detail::ImageInfo info;
  if (!options.info.empty()) {
    info = codec::parse_info(options.info, ErrorCode::invalid_argument);
  }
  if (info.pieces_bytes != options.info_bytes.size()) {
    throw Error(ErrorCode::invalid_argument,
                "image: the marks of the info stand for " + std::to_string(info.pieces_bytes) +
                    " bytes, info_bytes has " + std::to_string(options.info_bytes.size()));
  }
  return info;
}

SharedImageLayout layout_of_user(std::string mode, std::size_t width, std::size_t height,
                                 const ImageOptions& options) {
  detail::ImageLayout layout;
  layout.mode = std::move(mode);
  layout.width = width;
  layout.height = height;
  layout.pixel_bytes = options.pixel_bytes;
  layout.palette_mode = options.palette_mode;
  layout.palette_bytes = options.palette.size();
  if (options.palette_mode.empty() && !options.palette.empty()) {
    throw Error(ErrorCode::invalid_argument, "image: a palette of " +
                                                 std::to_string(options.palette.size()) +
                                                 " bytes needs the palette_mode RGB or RGBA");
  }
  if (!options.transparency.empty()) {
    layout.transparency =
        codec::parse_transparency(options.transparency, ErrorCode::invalid_argument);
  }
  layout.info = info_of_user(options);
  return codec::complete_image(std::move(layout), ErrorCode::invalid_argument);
}

void check_size(const detail::ImageLayout& layout, std::size_t pixels_bytes) {
  if (pixels_bytes == layout.pixels_bytes) return;
  throw Error(ErrorCode::invalid_argument, "image: " + std::to_string(pixels_bytes) +
                                               " bytes of pixels; an image with " +
                                               layout.metadata_json.substr(0, 200) + " has " +
                                               std::to_string(layout.pixels_bytes));
}

/// What the numbers of a mode are, as NumPy calls it.
std::string_view sample_dtype(std::string_view mode) {
  if (mode == "I") return "<i4";
  if (mode == "F") return "<f4";
  if (mode == "I;16B") return ">u2";
  return mode.starts_with("I;16") ? "<u2" : "|u1";
}

[[noreturn]] void refuse_value(const detail::ImageLayout& layout, std::string_view dtype,
                               std::size_t value_bytes) {
  const std::string asked = dtype.empty() ? "a class of " + std::to_string(value_bytes) + " bytes"
                                          : "dtype \"" + std::string(dtype) + "\"";
  std::string found = std::to_string(layout.stored_pixel_bytes) + " bytes of dtype \"" +
                      std::string(sample_dtype(layout.mode)) + '"';
  if (layout.stored_pixel_bytes == 0)
    found = "one bit, to be had as bool by pixel() and set_pixel()";
  throw Error(ErrorCode::unsupported_type, "image: asked for " + asked + ", a pixel of mode \"" +
                                               layout.mode + "\" has " + found);
}

[[noreturn]] void refuse_writing() {
  throw Error(ErrorCode::unsupported_type,
              "this image is a read-only view of a message; clone() makes a writable copy");
}

/// Without the bytes that have no meaning: the first bands of a cell, alpha last.
void pack_row(const detail::ImageLayout& layout, std::span<const std::byte> source,
              std::span<std::byte> target) {
  if (layout.mode == "1") {
    for (std::size_t x = 0; x < source.size(); ++x) {
      if (source[x] != std::byte{0}) target[x / 8] |= std::byte{0x80} >> (x % 8);
    }
    return;
  }
  const std::size_t bands = target.size() / layout.width;
  for (std::size_t x = 0; x < layout.width; ++x) {
    const auto cell = source.subspan(x * 4, 4);
    const auto pixel = target.subspan(x * bands, bands);
    std::copy_n(cell.begin(), bands, pixel.begin());
    if (bands == 2) pixel[1] = cell[3];
    if (layout.mode == "LAB") {  // Signed outside, with an offset of 128 in Pillow's cells.
      pixel[1] ^= std::byte{0x80};
      pixel[2] ^= std::byte{0x80};
    }
  }
}

}  // namespace

std::unique_ptr<ImageData> ImageAccess::view(SharedImageLayout layout, const Payload& payload) {
  return std::unique_ptr<ImageData>(new ImageData(std::move(layout), keep(payload)));
}

ImageData::ImageData(SharedImageLayout layout, Payload payload) noexcept
    : layout_(std::move(layout)), payload_(std::move(payload)) {}

ImageData::ImageData(std::string mode, std::size_t width, std::size_t height,
                     const ImageOptions& options)
    : layout_(layout_of_user(std::move(mode), width, height, options)) {
  const std::size_t bytes_size =
      layout_->pixels_bytes + layout_->palette_bytes + layout_->info.pieces_bytes;
  auto owner = allocate_bytes(bytes_size);
  writable_ = owner.get();
  std::fill_n(writable_, layout_->pixels_bytes, std::byte{0});
  std::byte* const after_palette =
      std::copy(options.palette.begin(), options.palette.end(), writable_ + layout_->pixels_bytes);
  std::copy(options.info_bytes.begin(), options.info_bytes.end(), after_palette);
  payload_ = {{writable_, bytes_size}, std::move(owner)};
}

ImageData::ImageData(std::string mode, std::size_t width, std::size_t height,
                     std::span<const std::byte> pixels, const ImageOptions& options)
    : ImageData(std::move(mode), width, height, options) {
  check_size(*layout_, pixels.size());
  std::copy(pixels.begin(), pixels.end(), writable_);
}

ImageData ImageData::view(std::string mode, std::size_t width, std::size_t height,
                          const Payload& pixels, const ImageOptions& options) {
  SharedImageLayout layout = layout_of_user(std::move(mode), width, height, options);
  if (layout->palette_bytes > 0 || layout->info.pieces_bytes > 0) {
    throw Error(ErrorCode::invalid_argument,
                "image: a view has no palette and no info bytes; the constructors copy pixels, "
                "palette and info");
  }
  check_size(*layout, pixels.size());
  return {std::move(layout), keep(pixels)};
}

ImageData ImageData::from_file(std::string encoding, std::string mode, std::size_t width,
                               std::size_t height, const Payload& file,
                               const ImageOptions& options) {
  detail::ImageLayout layout;
  layout.info = info_of_user(options);
  layout.encoding = std::move(encoding);
  layout.mode = std::move(mode);
  layout.width = width;
  layout.height = height;
  if (layout.encoding == "raw") {
    throw Error(ErrorCode::invalid_argument, "image: from_file takes png and jpeg, not raw");
  }
  if (options.pixel_bytes != 0 || !options.palette_mode.empty() || !options.transparency.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "image: a file keeps pixel bytes, palette and transparency itself; from_file takes "
                "info and info_bytes");
  }
  SharedImageLayout complete =
      codec::complete_image(std::move(layout), ErrorCode::invalid_argument);
  if (options.info_bytes.empty()) return {std::move(complete), keep(file)};
  std::vector<std::byte> together(file.begin(), file.end());
  together.insert(together.end(), options.info_bytes.begin(), options.info_bytes.end());
  return {std::move(complete), keep({together, nullptr})};
}

std::string_view ImageData::encoding() const noexcept { return layout_->encoding; }
std::string_view ImageData::mode() const noexcept { return layout_->mode; }
std::size_t ImageData::width() const noexcept { return layout_->width; }
std::size_t ImageData::height() const noexcept { return layout_->height; }
std::string_view ImageData::palette_mode() const noexcept { return layout_->palette_mode; }
std::string_view ImageData::transparency() const noexcept { return layout_->transparency; }
std::string_view ImageData::metadata_json() const { return layout_->metadata_json; }

void ImageData::check_raw() const {
  if (layout_->encoding != "raw") {
    throw Error(ErrorCode::unsupported_type,
                "this image is a " + layout_->encoding + " file: decode bytes() for its pixels");
  }
}

std::size_t ImageData::row_bytes() const {
  check_raw();
  return layout_->row_bytes;
}

std::span<const std::byte> ImageData::pixels() const {
  check_raw();
  return payload_.bytes.first(layout_->pixels_bytes);
}

std::size_t ImageData::pixel_bytes() const {
  check_raw();
  return layout_->stored_pixel_bytes;
}

std::span<std::byte> ImageData::mutable_pixels() {
  check_raw();
  if (writable_ == nullptr) refuse_writing();
  return {writable_, layout_->pixels_bytes};
}

std::span<const std::byte> ImageData::palette() const noexcept {
  return payload_.bytes.subspan(layout_->pixels_bytes, layout_->palette_bytes);
}

std::span<const std::byte> ImageData::bytes() const noexcept {
  return payload_.bytes.first(payload_.size() - layout_->info.pieces_bytes);
}

std::string_view ImageData::info() const noexcept { return layout_->info.text; }

std::span<const std::byte> ImageData::info_bytes() const noexcept {
  return payload_.bytes.last(layout_->info.pieces_bytes);
}

std::string ImageData::info_entry(std::string_view key) const {
  return codec::info_entry(layout_->info.text, key);
}

std::optional<std::span<const std::byte>> ImageData::info_bytes(
    std::string_view key) const noexcept {
  for (const auto& piece : layout_->info.pieces) {
    if (!piece.is_array_item && piece.key == key) {
      return info_bytes().subspan(piece.offset, piece.bytes);
    }
  }
  return std::nullopt;
}

void ImageData::check_values(std::string_view dtype, std::size_t value_bytes,
                             std::size_t alignment) const {
  check_raw();
  const std::size_t pixel_bytes = layout_->stored_pixel_bytes;
  const bool matches = pixel_bytes != 0 && (dtype.empty() ? value_bytes == pixel_bytes
                                                          : dtype == sample_dtype(layout_->mode));
  if (!matches) refuse_value(*layout_, dtype, value_bytes);
  if (reinterpret_cast<std::uintptr_t>(payload_.data()) % alignment != 0) {
    throw Error(ErrorCode::unsupported_type, "image: the pixels are not aligned to " +
                                                 std::to_string(alignment) +
                                                 " bytes; clone() makes an aligned copy");
  }
}

std::size_t ImageData::check_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                                   std::size_t value_bytes) const {
  check_raw();
  const detail::ImageLayout& layout = *layout_;
  if (x >= layout.width || y >= layout.height) {
    throw Error(ErrorCode::invalid_argument,
                "image: pixel " + std::to_string(x) + ", " + std::to_string(y) + " of " +
                    std::to_string(layout.width) + " x " + std::to_string(layout.height));
  }
  const std::string_view sample = sample_dtype(layout.mode);
  const bool is_bool = dtype == "|b1";
  const bool only_order = dtype == "<u2" && sample == ">u2";
  const bool matches = is_bool ? layout.mode == "1"
                               : value_bytes == layout.stored_pixel_bytes &&
                                     (dtype.empty() || dtype == sample || only_order);
  if (!matches) refuse_value(layout, dtype, value_bytes);
  const std::size_t in_row = layout.stored_pixel_bytes == 0 ? x / 8 : x * layout.stored_pixel_bytes;
  return y * layout.row_bytes + in_row;
}

void ImageData::read_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                           std::span<std::byte> value) const {
  const std::byte* place = payload_.data() + check_pixel(x, y, dtype, value.size());
  if (dtype == "|b1") {
    const bool is_bit = layout_->stored_pixel_bytes == 0;
    const std::byte mask = is_bit ? std::byte{0x80} >> (x % 8) : std::byte{0xFF};
    value[0] = static_cast<std::byte>((*place & mask) != std::byte{0});
    return;
  }
  std::copy_n(place, value.size(), value.begin());
  if (layout_->mode == "I;16B" && !dtype.empty()) std::reverse(value.begin(), value.end());
}

void ImageData::write_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                            std::span<const std::byte> value) {
  const std::size_t at = check_pixel(x, y, dtype, value.size());
  if (writable_ == nullptr) refuse_writing();
  std::byte* place = writable_ + at;
  if (dtype == "|b1") {
    const bool is_bit = layout_->stored_pixel_bytes == 0;
    const std::byte mask = is_bit ? std::byte{0x80} >> (x % 8) : std::byte{0xFF};
    *place = value[0] != std::byte{0} ? *place | mask : *place & ~mask;
    return;
  }
  std::copy(value.begin(), value.end(), place);
  if (layout_->mode == "I;16B" && !dtype.empty()) std::reverse(place, place + value.size());
}

ImageData ImageData::clone() const {
  auto owner = allocate_bytes(payload_.size());
  std::byte* bytes = owner.get();
  write_payload({bytes, payload_.size()});
  ImageData copy(layout_, {{bytes, payload_.size()}, std::move(owner)});
  copy.writable_ = bytes;
  return copy;
}

ImageData ImageData::to_packed() const {
  check_raw();
  if (layout_->pixel_bytes == 0) return clone();
  ImageOptions options;
  options.palette_mode = layout_->palette_mode;
  options.palette.assign(palette().begin(), palette().end());
  options.transparency = layout_->transparency;
  options.info = layout_->info.text;
  options.info_bytes.assign(info_bytes().begin(), info_bytes().end());
  ImageData packed(layout_->mode, layout_->width, layout_->height, options);
  for (std::size_t y = 0; y < layout_->height && layout_->width > 0; ++y) {
    pack_row(*layout_, pixels().subspan(y * layout_->row_bytes, layout_->row_bytes),
             packed.mutable_pixels().subspan(y * packed.row_bytes(), packed.row_bytes()));
  }
  return packed;
}

void ImageData::write_payload(std::span<std::byte> target) const {
  copy_payload(target, payload_.bytes);
}

}  // namespace ipc0cp
