// SPDX-License-Identifier: Apache-2.0
/// @file
/// ImageData: an image with the modes of Pillow.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/export.hpp"
#include "ipc0cp/message.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace detail {
struct ImageLayout;
}  // namespace detail

struct ImageOptions {
  /// 4: RGB, YCbCr, LAB, HSV, LA, La, PA in cells of 4 bytes; 1: mode "1" as bytes; 0: packed.
  std::size_t pixel_bytes = 0;
  std::string palette_mode = {};        ///< "RGB" or "RGBA"; empty: no palette.
  std::vector<std::byte> palette = {};  ///< Entry by entry.
  std::string transparency =
      {};  ///< JSON as docs/object_format.md, section 7, has it; empty: none.
};

/// An image: rows from top to bottom without gaps, in one of Pillow's modes; or a PNG or JPEG file.
///
/// Popped images are read-only views that keep their block of the ring; images made by users own
/// their memory and are writable. Copies share the pixels. Const calls are thread-safe.
class IPC0CP_EXPORT ImageData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "image";

  /// An owning image, all bytes zero.
  /// @throws Error (invalid_argument) naming what is wrong with mode, size or options.
  ImageData(std::string mode, std::size_t width, std::size_t height,
            const ImageOptions& options = {});
  /// An owning copy of `pixels`, which have exactly the bytes of the image.
  ImageData(std::string mode, std::size_t width, std::size_t height,
            std::span<const std::byte> pixels, const ImageOptions& options = {});
  /// A file; `mode` and size say what decoding it gives.
  /// @param encoding "png" or "jpeg"
  static ImageData from_file(std::string encoding, std::string mode, std::size_t width,
                             std::size_t height, const Payload& file);

  [[nodiscard]] std::string_view encoding() const noexcept;
  [[nodiscard]] std::string_view mode() const noexcept;
  [[nodiscard]] std::size_t width() const noexcept;
  [[nodiscard]] std::size_t height() const noexcept;
  /// Bytes from one row to the next.
  /// @throws Error (unsupported_type), as `pixels`, if the image is a PNG or JPEG file.
  [[nodiscard]] std::size_t row_bytes() const;
  [[nodiscard]] std::span<const std::byte> pixels() const;
  /// @throws Error (unsupported_type) also for a read-only view.
  [[nodiscard]] std::span<std::byte> mutable_pixels();
  /// The payload: the file of a PNG or JPEG; else pixels and palette.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return payload_.bytes; }
  [[nodiscard]] std::string_view palette_mode() const noexcept;
  [[nodiscard]] std::span<const std::byte> palette() const noexcept;
  /// JSON text, empty if there is none.
  [[nodiscard]] std::string_view transparency() const noexcept;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return payload_.bytes.size();
  }
  void write_payload(std::span<std::byte> target) const override;

 private:
  friend class ImageAccess;
  ImageData(std::shared_ptr<const detail::ImageLayout> layout, Payload payload) noexcept;
  void check_raw() const;

  std::shared_ptr<const detail::ImageLayout> layout_;
  Payload payload_;
  std::byte* writable_ = nullptr;
};

}  // namespace ipc0cp
