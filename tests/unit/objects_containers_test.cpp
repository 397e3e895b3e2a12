// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "codec.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/objects.hpp"

namespace ipc0cp {
namespace {

template <class Call>
ErrorCode code_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

Payload payload_of(const SerializableObject& object) {
  // Filled with something else than zero, to see that gaps are written.
  const std::size_t size = object.payload_bytes();
  auto owner = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(::operator new (size, std::align_val_t{64})),
      [](std::byte* pointer) { ::operator delete (pointer, std::align_val_t{64}); });
  std::fill_n(owner.get(), size, std::byte{0xEE});
  object.write_payload({owner.get(), size});
  return {{owner.get(), size}, owner};
}

template <class T>
std::unique_ptr<T> through_codec(const T& object) {
  auto result = codec::decode(object.metadata_json(), payload_of(object));
  return std::unique_ptr<T>(&dynamic_cast<T&>(*result.release()));
}

ListData nested(unsigned levels) {
  ListData list;
  for (unsigned level = 1; level < levels; ++level) {
    ListData outer;
    outer.add(std::move(list));
    list = std::move(outer);
  }
  return list;
}

TEST(ListData, CarriesObjectsOfAnyType) {
  ListData list;
  list.add(NumpyArray::from(std::vector<std::uint16_t>{1, 2}, {2}));
  list.add(JsonData("7"));
  list.add(TextData("\xC3\xA9"));
  EXPECT_EQ(list.metadata_json(),
            R"({"type":"list","version":"1.0","count":3,"items":[{"metadata":{"type":"ndarray",)"
            R"("version":"1.0","dtype":"<u2","shape":[2]},"offset":0,"payload_size":4},)"
            R"({"metadata":{"type":"json","version":"1.0"},"run":2,"offset":64,)"
            R"("payload_size":8}]})");
  const Payload payload = payload_of(list);
  ASSERT_EQ(payload.bytes.size(), 72U);
  for (std::size_t index = 4; index < 64; ++index) EXPECT_EQ(payload.bytes[index], std::byte{0});

  const auto popped = through_codec(list);
  ASSERT_EQ(popped->size(), 3U);
  EXPECT_EQ(popped->as<NumpyArray>(0).values<std::uint16_t>()[1], 2);
  EXPECT_EQ(popped->as<JsonData>(1).text(), "7");
  EXPECT_EQ(popped->as<TextData>(2).text(), "\xC3\xA9");
  EXPECT_EQ(code_of([&] { (void)popped->as<TextData>(1); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { (void)popped->at(3); }), ErrorCode::invalid_argument);
}

TEST(ListData, ArraysInsideAreAlignedViewsOfOneBlock) {
  ListData inner;
  inner.add(NumpyArray("<f8", {3}));
  ListData list;
  list.add(BytesData("x"));
  list.add(std::move(inner));
  const Payload payload = payload_of(list);
  auto popped = codec::decode(list.metadata_json(), payload);
  const auto& array = dynamic_cast<ListData&>(*popped).as<ListData>(1).as<NumpyArray>(0);
  EXPECT_EQ(array.bytes().data(), payload.bytes.data() + 64);
  EXPECT_EQ(array.values<double>().size(), 3U);
  const NumpyArray kept = array;
  popped.reset();
  EXPECT_EQ(kept.values<double>()[2], 0.0);
}

TEST(ListData, SixtyFourLevelsAndNoMore) {
  const ListData deepest = nested(64);
  EXPECT_EQ(deepest.levels(), 64U);
  EXPECT_EQ(through_codec(deepest)->levels(), 64U);
  EXPECT_EQ(code_of([] { (void)nested(65); }), ErrorCode::unsupported_type);
  ListData list;
  const std::string json = std::string(63, '[') + std::string(63, ']');
  list.add(JsonData(json));
  EXPECT_EQ(through_codec(list)->levels(), 64U);
  EXPECT_EQ(code_of([&] { list.add(JsonData('[' + json + ']')); }), ErrorCode::unsupported_type);
  EXPECT_EQ(list.size(), 1U) << "what was refused is not there";
}

TEST(ListData, NullIsAnItem) {
  ListData list;
  list.add(JsonData("null"));
  EXPECT_TRUE(through_codec(list)->as<JsonData>(0).is_null());
  EXPECT_EQ(code_of([&] { list.add(std::unique_ptr<SerializableObject>()); }),
            ErrorCode::invalid_argument);
}

TEST(ListData, CanGrowAfterItWasEncoded) {
  ListData list;
  EXPECT_EQ(through_codec(list)->size(), 0U);
  for (int round = 1; round <= 5; ++round) {
    list.add(JsonData(std::to_string(round)));
    if (round % 2 == 0) list.add(BytesData("b"));
    EXPECT_EQ(through_codec(list)->size(), list.size());
  }
}

TEST(ListData, HoldsUnknownTypesAndGivesThemOn) {
  constexpr std::string_view kMetadata =
      R"({"type":"list","version":"1.0","count":1,"items":[{"metadata":{"type":"later","a":[1]},)"
      R"("offset":0,"payload_size":1}]})";
  const BytesData byte("x");
  const auto object = codec::decode(kMetadata, Payload{byte.bytes(), nullptr});
  EXPECT_EQ(object->metadata_json(), kMetadata);
  EXPECT_EQ(dynamic_cast<ListData&>(*object).as<BytesData>(0).metadata().at("a"), "[1]");
}

TEST(MapData, KeepsKeysAndTheirOrder) {
  MapData map;
  map.add("z", JsonData("1"));
  map.add("frame", NumpyArray("|u1", {4}));
  map.add("a\"", TextData("t"));
  const auto popped = through_codec(map);
  ASSERT_EQ(popped->size(), 3U);
  EXPECT_EQ(popped->entries()[0].first, "z");
  EXPECT_EQ(popped->entries()[1].first, "frame");
  EXPECT_EQ(popped->as<TextData>("a\"").text(), "t");
  EXPECT_EQ(popped->as<NumpyArray>("frame").size(), 4U);
  EXPECT_FALSE(popped->contains("frames"));
  EXPECT_EQ(code_of([&] { (void)popped->at("frames"); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { map.add("z", JsonData("2")); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { map.add("\xFF", JsonData("2")); }), ErrorCode::unsupported_type);
  EXPECT_EQ(map.size(), 3U);
  EXPECT_EQ(popped->metadata_json(), map.metadata_json());
}

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

}  // namespace
}  // namespace ipc0cp
