// SPDX-License-Identifier: Apache-2.0
// The rest of the catalogue: images, lists, maps, own types.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "objects/catalogue.hpp"
#include "objects/encoded.hpp"

namespace ipc0cp_test {

constexpr std::size_t kImageWidth = 5;
constexpr std::size_t kImageHeight = 3;

/// Sets each pixel from its number, counted row by row.
template <class T, class PixelOf>
ipc0cp::ImageData painted(std::string_view mode, PixelOf&& pixel_of) {
  ipc0cp::ImageData image(std::string(mode), kImageWidth, kImageHeight);
  for (std::size_t i = 0; i < kImageWidth * kImageHeight; ++i) {
    image.set_pixel<T>(i % kImageWidth, i / kImageWidth, pixel_of(i));
  }
  return image;
}

/// A mode of `bands` bytes: the bytes count up by 7.
template <std::size_t bands>
ipc0cp::ImageData painted_bytes(std::string_view mode) {
  using Pixel = std::array<std::uint8_t, bands>;
  return painted<Pixel>(mode, [](std::size_t i) {
    Pixel pixel{};
    for (std::size_t band = 0; band < bands; ++band) {
      pixel[band] = static_cast<std::uint8_t>((i * bands + band) * 7);
    }
    return pixel;
  });
}

/// The same pixels in cells of 4 bytes: bands in order, alpha of two bands last.
inline ipc0cp::ImageData in_cells(const ipc0cp::ImageData& packed) {
  ipc0cp::ImageData image(std::string(packed.mode()), kImageWidth, kImageHeight,
                          {.pixel_bytes = 4});
  const std::size_t bands = packed.pixel_bytes();
  for (std::size_t i = 0; i < kImageWidth * kImageHeight; ++i) {
    const auto source = packed.pixels().subspan(i * bands, bands);
    const auto target = image.mutable_pixels().subspan(i * 4, 4);
    for (std::size_t place = 0; place < 3; ++place) {
      target[place] = bands == 2 ? source[0] : source[place];
    }
    target[3] = bands == 2 ? source[1] : std::byte{0xEE};
    if (packed.mode() == "LAB") {
      target[1] ^= std::byte{0x80};
      target[2] ^= std::byte{0x80};
    }
  }
  return image;
}

inline void add_images(Catalogue& all) {
  using ipc0cp::ImageData;
  const auto add = [&](const ImageData& image) {
    all.add("image/" + std::string(image.mode()), image);
  };
  add(painted<bool>("1", [](std::size_t i) { return i % 3 == 0; }));
  for (const char* mode : {"L", "P"}) add(painted_bytes<1>(mode));
  for (const char* mode : {"LA", "La", "PA"}) add(painted_bytes<2>(mode));
  for (const char* mode : {"RGB", "YCbCr", "LAB", "HSV"}) add(painted_bytes<3>(mode));
  for (const char* mode : {"RGBA", "RGBa", "RGBX", "CMYK"}) add(painted_bytes<4>(mode));
  add(painted<std::int32_t>("I", [](std::size_t i) { return static_cast<int>(i) * 100'000 - 7; }));
  add(painted<float>("F", [](std::size_t i) { return static_cast<float>(i) * 0.25F - 1; }));
  for (const char* mode : {"I;16", "I;16L", "I;16N", "I;16B"}) {
    add(painted<std::uint16_t>(mode,
                               [](std::size_t i) { return static_cast<std::uint16_t>(i * 1000); }));
  }
  all.add("image/empty", ImageData("L", 0, 4));
}

inline void add_image_layouts(Catalogue& all) {
  using ipc0cp::ImageData;
  for (const char* mode : {"RGB", "YCbCr", "LAB", "HSV"}) {
    all.add(std::string("image/cells_") + mode, in_cells(painted_bytes<3>(mode)));
  }
  for (const char* mode : {"LA", "La", "PA"}) {
    all.add(std::string("image/cells_") + mode, in_cells(painted_bytes<2>(mode)));
  }
  ImageData bytes("1", kImageWidth, kImageHeight, {.pixel_bytes = 1});
  for (std::size_t i = 0; i < bytes.pixels().size(); i += 3) {
    bytes.mutable_pixels()[i] = std::byte{255};
  }
  all.add("image/cells_1", bytes);
}

inline void add_image_info(Catalogue& all) {
  std::string pieces("Exif\0", 5);
  for (int i = 0; i < 200; ++i) pieces += "\u00e9";
  pieces += "123";
  const auto bytes = std::as_bytes(std::span(pieces));
  all.add("image/info",
          ipc0cp::ImageData("L", 2, 1,
                            {.info = R"({"dpi":[300.0,72],"exif":{"$bytes":5},)"
                                     R"("gamma":{"$float":"inf"},"long":{"$text":400},)"
                                     R"("pair":[{"$bytes":1},["x",{"$bytes":2}]]})",
                             .info_bytes = {bytes.begin(), bytes.end()}}));
}

inline void add_image_extras(Catalogue& all) {
  using ipc0cp::ImageData;
  std::vector<std::byte> palette;
  for (unsigned i = 0; i < 24; ++i) palette.push_back(static_cast<std::byte>(i * 10));
  const std::vector<std::byte> indices(8, std::byte{1});
  const auto indexed = [&](std::string mode, std::string transparency) {
    return ImageData("P", 4, 2, indices, {0, std::move(mode), palette, std::move(transparency)});
  };
  all.add("image/palette_rgb", indexed("RGB", ""));
  all.add("image/palette_rgba", indexed("RGBA", ""));
  all.add("image/transparent_index", indexed("RGB", "2"));
  all.add("image/transparent_table", indexed("RGB", R"({"table":"0080ff"})"));
  all.add("image/transparent_color", ImageData("RGB", 2, 2, {.transparency = "[1,2,3]"}));
  // 3 x 2 pixels of RGB, all (10, 20, 30).
  const auto png = from_hex(
      "89504e470d0a1a0a0000000d49484452000000030000000208020000001216f14d0000001549444154789c63"
      "e4129163606060606060628001000460004079a8766a0000000049454e44ae426082");
  all.add("image/png",
          ImageData::from_file("png", "RGB", 3, 2, {std::as_bytes(std::span(png)), nullptr}));
  add_image_info(all);
}

inline ipc0cp::NumpyArray floats(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i) / 2;
  return ipc0cp::NumpyArray::from(std::move(values));
}

inline void add_containers(Catalogue& all) {
  using namespace ipc0cp;
  all.add("list/empty", ListData());
  all.add("list/scalars",
          ListData::of(1, "two", nullptr, 2.5, true, JsonData(R"({"a":[1]})"), JsonData("[]")));
  all.add("list/mixed",
          ListData::of(floats(17), BytesData("raw"), painted_bytes<1>("L"), std::string("text"),
                       ListData::of(1, ListData::of(floats(3))),
                       MapData::of("frame", floats(5), "label", 3),
                       NumpyArray::from<float>({0.5F}, {}, {.scalar = true}), BytesData(), -1));
  ListData ragged;
  for (std::size_t i = 0; i < 100; ++i) ragged.add(floats(i % 5));
  all.add("list/ragged", std::move(ragged));
  const auto plane = NumpyArray::from<float>({0, 0.5F, 1, 1.5F, 2, 2.5F}, {2, 3});
  all.add("list/planes", ListData::of(plane, plane, plane));
  all.add("list/marks",
          ListData::of(1, std::nan(""), "x", JsonData::marked(R"({"$int":"0x400000000000000000"})"),
                       JsonData::marked(R"({"$map":[[3,[4]]]})"), JsonData(R"({"$x":1})"),
                       JsonData::marked(R"({"a":{"$float":"inf"}})")));
  ListData deepest = ListData::of(BytesData("x"));
  for (int level = 1; level < 64; ++level) deepest = ListData::of(std::move(deepest));
  all.add("list/deepest", std::move(deepest));
  ListData many;
  for (int i = 0; i < 10'000; ++i) many.add(i);
  all.add("list/many", std::move(many));
  all.add("map/mixed",
          MapData::of("frame", floats(6), "label", 3, "name", "x", "none", nullptr, "list",
                      ListData::of(1, floats(2)), "", BytesData("b"), "\u00e9\"\\", 0.5));
  all.add("map/nested", MapData::of("a", MapData::of("b", floats(1), "c", false)));
  all.add("map/integer_keys",
          MapData::of(1, floats(2), "1", BytesData("b"), -3, "text",
                      MapKey::big_integer("0x10000000000000000"), floats(1), "n", 1));
  all.add("map/arrays", MapData::of("a", floats(1), "b", floats(2), 3, floats(3)));
}

inline void add_custom(Catalogue& all) {
  std::vector<Point> points;
  for (int i = 0; i < 1000; ++i) {
    const auto number = static_cast<float>(i);
    points.push_back({number, number / 2, -number});
  }
  const PointCloud cloud("map", 12.5, std::move(points));
  all.add("custom/cloud", cloud);
  all.add("custom/in_list", ipc0cp::ListData::of(1, cloud, "end"));
  all.add("custom/in_map", ipc0cp::MapData::of("cloud", cloud));
  const ipc0cp::BytesData source("abc");
  all.add(
      "custom/unknown",
      ipc0cp::BytesData(source.payload(), R"({"type":"test_unknown","version":"1.0","x":[1,2]})"));
}

inline std::vector<Named> catalogue() {
  Catalogue all;
  add_plain(all);
  add_arrays(all);
  add_structured(all);
  add_images(all);
  add_image_layouts(all);
  add_image_extras(all);
  add_containers(all);
  add_custom(all);
  return all.take();
}

}  // namespace ipc0cp_test
