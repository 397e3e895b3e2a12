// SPDX-License-Identifier: Apache-2.0
/// @file
/// ImageData: an image with the modes of Pillow.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc0cp/element_type.hpp"
#include "ipc0cp/export.hpp"
#include "ipc0cp/payload.hpp"
#include "ipc0cp/serializable_object.hpp"

namespace ipc0cp {

namespace detail {
struct ImageLayout;
}  // namespace detail

/// What an image can have besides mode and size.
struct ImageOptions {
  /// 4: RGB, YCbCr, LAB, HSV, LA, La, PA in cells of 4 bytes; 1: mode "1" as bytes; 0: packed.
  std::size_t pixel_bytes = 0;
  std::string palette_mode = {};        ///< Of P and PA: "RGB" or "RGBA"; empty: no palette.
  std::vector<std::byte> palette = {};  ///< Entry by entry, at most 1,024 bytes.
  /// JSON as docs/object_format.md, section 7, has it: `7`, `[0,0,255]`, `{"table":"00ff"}`; empty:
  /// none.
  std::string transparency = {};
  /// What the image says about itself, as docs/object_format.md, section 7, has it:
  /// `{"dpi":[300.0,300.0],"exif":{"$bytes":34}}`; empty: nothing.
  std::string info = {};
  /// What the marks `$bytes` and `$text` in `info` stand for, one after the other.
  std::vector<std::byte> info_bytes = {};
};

/// An image: rows from top to bottom without gaps, in one of Pillow's modes; or a PNG or JPEG file.
///
/// The modes: 1, L, P, LA, La, PA, RGB, YCbCr, LAB, HSV, RGBA, RGBa, RGBX, CMYK, I, F, I;16, I;16L,
/// I;16N, I;16B. Python sends some in cells of 4 bytes because Pillow keeps them so; `to_packed`
/// makes the layout of the mode of them.
///
/// Popped images are read-only views that keep their block of the ring; images made by users own
/// their memory and are writable. Copies share the pixels. Const calls are thread-safe.
class IPC0CP_EXPORT ImageData final : public SerializableObject {
 public:
  static constexpr std::string_view kTypeName = "image";  ///< The tag.

  /// Shares the pixels. There is no move: what one would leave behind could not be looked at.
  ImageData(const ImageData&) = default;
  ImageData& operator=(const ImageData&) = default;
  ~ImageData() override = default;
  /// An owning image, all bytes zero.
  /// @param mode one of Pillow's, as above.
  /// @param width in pixels, at most 2^31-1.
  /// @param height in pixels, at most 2^31-1.
  /// @param options layout of the pixels, palette, transparency.
  /// @throws Error (invalid_argument) naming what is wrong with mode, size or options;
  ///   (out_of_memory).
  ImageData(std::string mode, std::size_t width, std::size_t height,
            const ImageOptions& options = {});
  /// An owning copy of `pixels`, which have exactly the bytes of the image.
  ImageData(std::string mode, std::size_t width, std::size_t height,
            std::span<const std::byte> pixels, const ImageOptions& options = {});
  /// A read-only view of `pixels` that shares their owner; copies if there is no owner.
  /// @param pixels exactly the bytes of the image, at any address.
  /// @param options without palette and info bytes, which would have to follow the pixels in
  /// memory.
  static ImageData view(std::string mode, std::size_t width, std::size_t height,
                        const Payload& pixels, const ImageOptions& options = {});
  /// A file; `mode` and size say what decoding it gives, which is not checked here.
  /// @param encoding "png" or "jpeg"
  /// @param options `info` and `info_bytes` only; with the latter the file is copied.
  static ImageData from_file(std::string encoding, std::string mode, std::size_t width,
                             std::size_t height, const Payload& file,
                             const ImageOptions& options = {});

  /// "raw", "png" or "jpeg".
  [[nodiscard]] std::string_view encoding() const noexcept;
  /// One of Pillow's modes.
  [[nodiscard]] std::string_view mode() const noexcept;
  /// In pixels.
  [[nodiscard]] std::size_t width() const noexcept;
  /// In pixels.
  [[nodiscard]] std::size_t height() const noexcept;
  /// Bytes from one row to the next.
  /// @throws Error (unsupported_type), as all below that look at pixels, if the image is a PNG or
  ///   JPEG file.
  [[nodiscard]] std::size_t row_bytes() const;
  /// Bytes from one pixel to the next; 0: eight pixels share a byte, the first its highest bit.
  [[nodiscard]] std::size_t pixel_bytes() const;
  /// All rows, without the palette.
  [[nodiscard]] std::span<const std::byte> pixels() const;
  /// The same for writing.
  /// @throws Error (unsupported_type) also for a read-only view.
  [[nodiscard]] std::span<std::byte> mutable_pixels();
  /// The rows as numbers, row by row, or as pixels.
  ///
  /// T is std::uint8_t (also of several bands, which alternate), std::uint16_t for I;16, I;16L and
  /// I;16N, std::int32_t for I, float for F; or any trivially copyable class of `pixel_bytes()`,
  /// for example std::array<std::uint8_t, 3> for RGB.
  /// @throws Error (unsupported_type) if the pixels are something else, or not aligned for T.
  template <detail::Element T>
  [[nodiscard]] std::span<const T> values() const {
    check_values(detail::dtype_of<T>(), sizeof(T), alignof(T));
    return {reinterpret_cast<const T*>(pixels().data()), pixels().size() / sizeof(T)};
  }
  /// The same for writing.
  /// @throws Error (unsupported_type) also for a read-only view.
  template <detail::Element T>
  [[nodiscard]] std::span<T> mutable_values() {
    check_values(detail::dtype_of<T>(), sizeof(T), alignof(T));
    return {reinterpret_cast<T*>(mutable_pixels().data()), pixels().size() / sizeof(T)};
  }
  /// One pixel, in any layout: T as `values` has it for modes of one band, bool for mode 1,
  /// std::uint16_t also for I;16B; else a class of `pixel_bytes()`.
  /// @param x column, counted from 0 on the left.
  /// @param y row, counted from 0 at the top.
  /// @throws Error (invalid_argument) outside the image; (unsupported_type) for another T.
  template <detail::Element T>
  [[nodiscard]] T pixel(std::size_t x, std::size_t y) const {
    T value{};
    read_pixel(x, y, detail::dtype_of<T>(), std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  /// The same for writing.
  /// @throws Error (unsupported_type) also for a read-only view.
  template <detail::Element T>
  void set_pixel(std::size_t x, std::size_t y, const T& value) {
    write_pixel(x, y, detail::dtype_of<T>(), std::as_bytes(std::span(&value, 1)));
  }

  /// The file of a PNG or JPEG; else pixels and palette.
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
  /// The payload and its owner, to keep it without the image: `bytes()`, then `info_bytes()`.
  [[nodiscard]] const Payload& payload() const noexcept { return payload_; }
  /// Whether the pixels can be changed: not in popped images and other views.
  [[nodiscard]] bool writable() const noexcept { return writable_ != nullptr; }
  /// "RGB" or "RGBA"; empty: there is no palette.
  [[nodiscard]] std::string_view palette_mode() const noexcept;
  /// Entry by entry, 3 or 4 bytes each.
  [[nodiscard]] std::span<const std::byte> palette() const noexcept;
  /// JSON text as ImageOptions has it, empty if there is none.
  [[nodiscard]] std::string_view transparency() const noexcept;
  /// JSON text as ImageOptions has it, empty if there is none: EXIF, ICC profile, resolution, ...
  [[nodiscard]] std::string_view info() const noexcept;
  /// The bytes of all marks in `info()`, one after the other.
  [[nodiscard]] std::span<const std::byte> info_bytes() const noexcept;
  /// One entry of `info()` as JSON text, for example `[300.0,300.0]`; empty if there is none.
  [[nodiscard]] std::string info_entry(std::string_view key) const;
  /// What an entry that is bytes, or a long text, stands for: `info_bytes("icc_profile")`.
  [[nodiscard]] std::optional<std::span<const std::byte>> info_bytes(
      std::string_view key) const noexcept;

  /// An owning, writable copy.
  [[nodiscard]] ImageData clone() const;
  /// An owning, writable copy in the layout of the mode: without bytes between the pixels, mode 1
  /// as bits.
  [[nodiscard]] ImageData to_packed() const;

  [[nodiscard]] std::string_view type_name() const noexcept override { return kTypeName; }
  [[nodiscard]] std::string_view metadata_json() const override;
  [[nodiscard]] std::size_t payload_bytes() const noexcept override {
    return payload_.bytes.size();
  }
  void write_payload(std::span<std::byte> target) const override;
  [[nodiscard]] std::optional<std::span<const std::byte>> contiguous_payload()
      const noexcept override {
    return payload_.bytes;
  }

 private:
  friend class ImageAccess;
  ImageData(std::shared_ptr<const detail::ImageLayout> layout, Payload payload) noexcept;
  void check_raw() const;
  void check_values(std::string_view dtype, std::size_t value_bytes, std::size_t alignment) const;
  std::size_t check_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                          std::size_t value_bytes) const;
  void read_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                  std::span<std::byte> value) const;
  void write_pixel(std::size_t x, std::size_t y, std::string_view dtype,
                   std::span<const std::byte> value);

  std::shared_ptr<const detail::ImageLayout> layout_;
  Payload payload_;
  std::byte* writable_ = nullptr;
};

}  // namespace ipc0cp
