// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "ipc0cp/objects.hpp"
#include "object_helpers.hpp"

namespace ipc0cp {
namespace {

using Rgb = std::array<std::uint8_t, 3>;

TEST(ImageData, PixelsAndPalette) {
  ImageData image("RGB", 3, 2);
  EXPECT_EQ(image.row_bytes(), 9U);
  image.mutable_pixels()[17] = std::byte{5};
  const auto popped = through_codec(image);
  EXPECT_EQ(popped->pixels()[17], std::byte{5});
  EXPECT_EQ(popped->mode(), "RGB");
  EXPECT_EQ(popped->width(), 3U);
  EXPECT_EQ(popped->height(), 2U);
  EXPECT_EQ(code_of([&] { (void)popped->mutable_pixels(); }), ErrorCode::unsupported_type);

  const std::vector<std::byte> palette = {std::byte{1}, std::byte{2}, std::byte{3}};
  const ImageData indexed("P", 2, 1, std::vector<std::byte>(2), {0, "RGB", palette, "0"});
  const auto again = through_codec(indexed);
  EXPECT_EQ(again->palette().size(), 3U);
  EXPECT_EQ(again->palette()[2], std::byte{3});
  EXPECT_EQ(again->transparency(), "0");
  EXPECT_EQ(again->pixels().size(), 2U);
  EXPECT_EQ(ImageData("1", 9, 2).row_bytes(), 2U);
  EXPECT_EQ(ImageData("RGB", 2, 2, {.pixel_bytes = 4}).pixels().size(), 16U);
}

TEST(ImageData, WrongImagesAreRefused) {
  const auto refused = [](auto&& call) { return code_of(call) == ErrorCode::invalid_argument; };
  EXPECT_TRUE(refused([] { ImageData("XYZ", 1, 1); }));
  EXPECT_TRUE(refused([] { ImageData("L", std::size_t{1} << 31, 0); }));
  EXPECT_TRUE(refused([] { ImageData("L", 2, 2, std::vector<std::byte>(3)); }));
  EXPECT_TRUE(refused([] { ImageData("P", 1, 1, {.palette_mode = "L"}); }));
  EXPECT_TRUE(refused([] { ImageData("L", 1, 1, {.transparency = "\"a\""}); }));
  EXPECT_TRUE(refused([] { ImageData("L", 1, 1, {.transparency = "1,\"x\":2"}); }))
      << "two values are not one";
}

TEST(ImageData, FilesTravelAsTheyAre) {
  const BytesData file("\x89PNG...");
  const auto image = ImageData::from_file("png", "RGB", 4, 3, {file.bytes(), nullptr});
  const auto popped = through_codec(image);
  EXPECT_EQ(popped->encoding(), "png");
  EXPECT_EQ(popped->bytes().size(), file.size());
  EXPECT_EQ(code_of([&] { (void)popped->pixels(); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { ImageData::from_file("gif", "P", 1, 1, {}); }),
            ErrorCode::invalid_argument);
}

TEST(ImageData, PixelsAreReadAsWhatTheyAre) {
  ImageData wide("I;16", 3, 2);
  wide.set_pixel<std::uint16_t>(2, 1, 0x1234);
  EXPECT_EQ(wide.values<std::uint16_t>()[5], 0x1234);
  EXPECT_EQ(wide.pixel<std::uint16_t>(2, 1), 0x1234);
  ImageData big("I;16B", 3, 2);
  big.set_pixel<std::uint16_t>(1, 0, 0x1234);
  EXPECT_EQ(big.pixel<std::uint16_t>(1, 0), 0x1234);
  EXPECT_EQ(big.pixels()[2], std::byte{0x12}) << "the byte order of the mode";
  ImageData integers("I", 1, 1);
  integers.mutable_values<std::int32_t>()[0] = -5;
  EXPECT_EQ(integers.pixel<std::int32_t>(0, 0), -5);
  ImageData floats("F", 2, 1);
  floats.set_pixel(1, 0, 0.5F);
  EXPECT_EQ(floats.values<float>()[1], 0.5F);
  ImageData colors("RGB", 2, 2);
  colors.set_pixel(1, 1, Rgb{1, 2, 3});
  EXPECT_EQ(colors.values<Rgb>()[3], (Rgb{1, 2, 3}));
  EXPECT_EQ(colors.values<std::uint8_t>()[11], 3) << "bands alternate";
  EXPECT_EQ(colors.pixel_bytes(), 3U);
  EXPECT_EQ(through_codec(colors)->pixel<Rgb>(1, 1), (Rgb{1, 2, 3}));
}

TEST(ImageData, BitsHaveTheirPlace) {
  ImageData image("1", 10, 2);
  image.set_pixel(0, 0, true);
  image.set_pixel(9, 1, true);
  EXPECT_EQ(image.pixel_bytes(), 0U);
  EXPECT_EQ(image.pixels()[0], std::byte{0x80});
  EXPECT_EQ(image.pixels()[3], std::byte{0x40});
  EXPECT_TRUE(image.pixel<bool>(9, 1));
  EXPECT_FALSE(image.pixel<bool>(8, 1));
  image.set_pixel(9, 1, false);
  EXPECT_EQ(image.pixels()[3], std::byte{0});
  ImageData bytes("1", 10, 2, {.pixel_bytes = 1});
  bytes.set_pixel(9, 1, true);
  EXPECT_EQ(bytes.values<std::uint8_t>()[19], 255);
  EXPECT_TRUE(bytes.pixel<bool>(9, 1));
}

TEST(ImageData, WrongTypesAndPlacesAreRefused) {
  const auto refused = [](const ImageData& image, auto example) {
    using T = decltype(example);
    const bool values = code_of([&] { (void)image.values<T>(); }) == ErrorCode::unsupported_type;
    const bool pixel = code_of([&] { (void)image.pixel<T>(0, 0); }) == ErrorCode::unsupported_type;
    EXPECT_EQ(values, pixel);
    return values;
  };
  EXPECT_TRUE(refused(ImageData("I;16", 1, 1), std::uint8_t{}));
  EXPECT_TRUE(refused(ImageData("I;16", 1, 1), std::int16_t{}));
  EXPECT_TRUE(refused(ImageData("F", 1, 1), std::int32_t{}));
  EXPECT_TRUE(refused(ImageData("I", 1, 1), 0.0F));
  EXPECT_TRUE(refused(ImageData("RGBA", 1, 1), Rgb{}));
  EXPECT_FALSE(refused(ImageData("RGB", 1, 1), Rgb{}));
  EXPECT_FALSE(refused(ImageData("L", 1, 1), std::uint8_t{}));
  EXPECT_TRUE(refused(ImageData("L", 1, 1), true));
  EXPECT_TRUE(refused(ImageData("1", 1, 1), std::uint8_t{}));
  EXPECT_TRUE(refused(ImageData("RGB", 1, 1, {.pixel_bytes = 4}), Rgb{}));
  EXPECT_EQ(code_of([] { (void)ImageData("I;16B", 1, 1).values<std::uint16_t>(); }),
            ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { (void)ImageData("RGB", 1, 1).pixel<std::uint8_t>(0, 0); }),
            ErrorCode::unsupported_type);
  ImageData image("L", 3, 2);
  for (const auto& [x, y] : {std::pair{3U, 0U}, {0U, 2U}, {~0U, ~0U}}) {
    EXPECT_EQ(code_of([&, x = x, y = y] { (void)image.pixel<std::uint8_t>(x, y); }),
              ErrorCode::invalid_argument);
    EXPECT_EQ(code_of([&, x = x, y = y] { image.set_pixel<std::uint8_t>(x, y, 1); }),
              ErrorCode::invalid_argument);
  }
}

TEST(ImageData, PackedHasTheLayoutOfTheMode) {
  ImageData cells("RGB", 2, 1, {.pixel_bytes = 4, .transparency = "[1,2,3]"});
  cells.set_pixel(1, 0, std::array<std::uint8_t, 4>{1, 2, 3, 99});
  const ImageData packed = cells.to_packed();
  EXPECT_EQ(packed.pixel<Rgb>(1, 0), (Rgb{1, 2, 3}));
  EXPECT_EQ(packed.pixels().size(), 6U);
  EXPECT_EQ(packed.transparency(), "[1,2,3]");
  EXPECT_EQ(packed.metadata_json(),
            ImageData("RGB", 2, 1, {.transparency = "[1,2,3]"}).metadata_json());
  ImageData alpha("LA", 1, 2, {.pixel_bytes = 4});
  alpha.set_pixel(0, 1, std::array<std::uint8_t, 4>{7, 7, 7, 200});
  EXPECT_EQ((alpha.to_packed().pixel<std::array<std::uint8_t, 2>>(0, 1)),
            (std::array<std::uint8_t, 2>{7, 200}));
  ImageData bits("1", 9, 1, {.pixel_bytes = 1});
  bits.set_pixel(8, 0, true);
  EXPECT_EQ(bits.to_packed().pixels()[1], std::byte{0x80});
  const std::vector<std::byte> palette(3, std::byte{9});
  const ImageData indexed("P", 2, 1, {.palette_mode = "RGB", .palette = palette});
  EXPECT_EQ(indexed.to_packed().palette().size(), 3U);
  EXPECT_TRUE(indexed.to_packed().writable());
}

TEST(ImageData, ViewsShareClonesDoNot) {
  const auto owner = std::make_shared<std::vector<std::uint8_t>>(6, std::uint8_t{5});
  const ImageData view = ImageData::view("L", 3, 2, {std::as_bytes(std::span(*owner)), owner});
  EXPECT_EQ(static_cast<const void*>(view.pixels().data()), owner->data());
  EXPECT_FALSE(view.writable());
  ImageData clone = view.clone();
  clone.set_pixel<std::uint8_t>(0, 0, 6);
  EXPECT_EQ((*owner)[0], 5);
  EXPECT_EQ(clone.metadata_json(), view.metadata_json());
  std::array<std::byte, 6> local{};
  const ImageData copied = ImageData::view("L", 3, 2, {local, nullptr});
  local[0] = std::byte{1};
  EXPECT_EQ(copied.pixels()[0], std::byte{0});
  EXPECT_EQ(code_of([&] {
              ImageData::view("L", 3, 3, {local, nullptr});
            }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] {
              ImageData::view("P", 3, 2, {local, nullptr},
                              {.palette_mode = "RGB", .palette = std::vector<std::byte>(3)});
            }),
            ErrorCode::invalid_argument);
}

TEST(ImageData, InfoTravelsWithTheImage) {
  const std::string info = R"({"dpi":[300.0,300.0],"exif":{"$bytes":3},"note":{"$text":2}})";
  const std::vector<std::byte> pieces = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{'h'},
                                         std::byte{'i'}};
  const ImageData image("L", 2, 1, std::vector<std::byte>(2, std::byte{9}),
                        {.info = info, .info_bytes = pieces});
  const auto popped = through_codec(image);
  EXPECT_EQ(popped->info(), info);
  EXPECT_EQ(popped->info_entry("dpi"), "[300.0,300.0]");
  EXPECT_EQ(popped->info_entry("none"), "");
  ASSERT_TRUE(popped->info_bytes("exif").has_value());
  EXPECT_EQ(popped->info_bytes("exif")->size(), 3U);
  EXPECT_EQ((*popped->info_bytes("note"))[0], std::byte{'h'});
  EXPECT_FALSE(popped->info_bytes("dpi").has_value());
  EXPECT_EQ(popped->pixels().size(), 2U);
  EXPECT_EQ(popped->bytes().size(), 2U);
  EXPECT_EQ(popped->to_packed().info(), info);
  const auto broken = [&](std::string text) {
    return code_of([&] { ImageData("L", 2, 1, {.info = std::move(text), .info_bytes = pieces}); });
  };
  EXPECT_EQ(broken(R"({"exif":{"$bytes":4}})"), ErrorCode::invalid_argument);
  EXPECT_EQ(broken(R"({"exif":{"$what":5}})"), ErrorCode::invalid_argument);
  EXPECT_EQ(broken("[]"), ErrorCode::invalid_argument);
}

}  // namespace
}  // namespace ipc0cp
