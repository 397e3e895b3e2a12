// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <utility>

#include "codec_image.hpp"
#include "codec_metadata.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/image_data.hpp"
#include "objects_internal.hpp"

namespace ipc0cp {
namespace {

using Layout = std::shared_ptr<const detail::ImageLayout>;

Layout layout_of_user(std::string mode, std::size_t width, std::size_t height,
                      const ImageOptions& options) {
  detail::ImageLayout layout;
  layout.mode = std::move(mode);
  layout.width = width;
  layout.height = height;
  layout.pixel_bytes = options.pixel_bytes;
  layout.palette_mode = options.palette_mode;
  layout.palette_bytes = options.palette.size();
  if (options.palette_mode.empty() && !options.palette.empty()) {
    throw Error(ErrorCode::invalid_argument, "image: a palette needs a palette_mode");
  }
  if (!options.transparency.empty()) {
    layout.transparency =
        codec::parse_transparency(options.transparency, ErrorCode::invalid_argument);
  }
  return codec::complete_image(std::move(layout), ErrorCode::invalid_argument);
}

}  // namespace

std::unique_ptr<ImageData> ImageAccess::view(Layout layout, const Payload& payload) {
  return std::unique_ptr<ImageData>(new ImageData(std::move(layout), keep(payload)));
}

ImageData::ImageData(Layout layout, Payload payload) noexcept
    : layout_(std::move(layout)), payload_(std::move(payload)) {}

ImageData::ImageData(std::string mode, std::size_t width, std::size_t height,
                     const ImageOptions& options)
    : layout_(layout_of_user(std::move(mode), width, height, options)) {
  const std::size_t bytes_size = layout_->pixels_bytes + layout_->palette_bytes;
  auto owner = allocate_bytes(bytes_size);
  writable_ = owner.get();
  std::fill_n(writable_, layout_->pixels_bytes, std::byte{0});
  std::copy(options.palette.begin(), options.palette.end(), writable_ + layout_->pixels_bytes);
  payload_ = {{writable_, bytes_size}, std::move(owner)};
}

ImageData::ImageData(std::string mode, std::size_t width, std::size_t height,
                     std::span<const std::byte> pixels, const ImageOptions& options)
    : ImageData(std::move(mode), width, height, options) {
  if (pixels.size() != layout_->pixels_bytes) {
    throw Error(ErrorCode::invalid_argument,
                "image: " + std::to_string(pixels.size()) + " bytes of pixels; an image with " +
                    layout_->metadata_json + " has " + std::to_string(layout_->pixels_bytes));
  }
  std::copy(pixels.begin(), pixels.end(), writable_);
}

ImageData ImageData::from_file(std::string encoding, std::string mode, std::size_t width,
                               std::size_t height, const Payload& file) {
  detail::ImageLayout layout;
  layout.encoding = std::move(encoding);
  layout.mode = std::move(mode);
  layout.width = width;
  layout.height = height;
  if (layout.encoding == "raw") {
    throw Error(ErrorCode::invalid_argument, "image: from_file takes png and jpeg, not raw");
  }
  return {codec::complete_image(std::move(layout), ErrorCode::invalid_argument), keep(file)};
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

std::span<std::byte> ImageData::mutable_pixels() {
  check_raw();
  if (writable_ == nullptr) {
    throw Error(ErrorCode::unsupported_type, "this image is a read-only view of a message");
  }
  return {writable_, layout_->pixels_bytes};
}

std::span<const std::byte> ImageData::palette() const noexcept {
  return payload_.bytes.last(layout_->palette_bytes);
}

void ImageData::write_payload(std::span<std::byte> target) const {
  if (!payload_.bytes.empty()) {
    std::memcpy(target.data(), payload_.bytes.data(), payload_.bytes.size());
  }
}

}  // namespace ipc0cp
