// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "ipc0cp/objects.hpp"
#include "object_helpers.hpp"

namespace ipc0cp {
namespace {

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

TEST(ListData, TakesScalarsAndTextsAsTheyAre) {
  const std::string text = "text";
  auto list =
      ListData::of(7, -7L, 7U, 2.5, 2.5F, true, nullptr, "literal", text, std::string_view("view"),
                   NumpyArray("|u1", {3}), JsonData("[1]"), std::make_unique<BytesData>("raw"));
  list.add(std::uint8_t{200}).add(std::unique_ptr<SerializableObject>(new TextData("last")));
  const auto popped = through_codec(list);
  ASSERT_EQ(popped->size(), 15U);
  EXPECT_EQ(popped->value<int>(0), 7);
  EXPECT_EQ(popped->value<long>(1), -7);
  EXPECT_EQ(popped->value<unsigned>(2), 7U);
  EXPECT_EQ(popped->value<double>(3), 2.5);
  EXPECT_EQ(popped->value<float>(4), 2.5F);
  EXPECT_TRUE(popped->value<bool>(5));
  EXPECT_TRUE(popped->as<JsonData>(6).is_null());
  EXPECT_EQ(popped->value<std::string>(7), "literal");
  EXPECT_EQ(popped->value<std::string>(8), "text");
  EXPECT_EQ(popped->value<std::string>(9), "view");
  EXPECT_EQ(popped->as<NumpyArray>(10).size(), 3U);
  EXPECT_EQ(popped->as<JsonData>(11).text(), "[1]");
  EXPECT_EQ(popped->as<BytesData>(12).size(), 3U);
  EXPECT_EQ(popped->value<std::uint8_t>(13), 200);
  EXPECT_EQ(popped->as<TextData>(14).text(), "last");
  EXPECT_EQ(code_of([&] { (void)popped->value<int>(7); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { (void)popped->value<std::string>(0); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { (void)popped->value<std::string>(10); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { list.add("\xFF"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { list.add(static_cast<const char*>(nullptr)); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(list.size(), 15U) << "what was refused is not there";
}

TEST(ListData, IsARange) {
  std::string types;
  for (const auto& item : ListData::of(1, "a", BytesData())) types += item->type_name().front();
  EXPECT_EQ(types, "jtb");
  int sum = 0;
  const auto list = ListData::of(1, 2, 3);
  for (std::size_t index = 0; index < list.size(); ++index) sum += list.value<int>(index);
  EXPECT_EQ(sum, 6);
}

TEST(MapData, TakesScalarsAndTextsAsTheyAre) {
  const std::string key = "key";
  auto map =
      MapData::of("frame", NumpyArray("<f4", {2}), "label", 3, key, "value", "none", nullptr);
  map.add("list", ListData::of(1, 2)).add("ratio", 0.5);
  const auto popped = through_codec(map);
  EXPECT_EQ(popped->value<int>("label"), 3);
  EXPECT_EQ(popped->value<std::string>("key"), "value");
  EXPECT_EQ(popped->value<double>("ratio"), 0.5);
  EXPECT_EQ(popped->as<ListData>("list").value<int>(1), 2);
  std::string keys;
  for (const auto& [name, item] : *popped) keys += name.text() + ' ';
  EXPECT_EQ(keys, "frame label key none list ratio ");
  EXPECT_EQ(code_of([&] { (void)popped->value<int>("key"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([&] { (void)popped->value<int>("labels"); }), ErrorCode::invalid_argument);
  EXPECT_TRUE(MapData::of().empty());
}

/// A class of a user: metadata as given, without a name of its own.
class Custom final : public SerializableObject {
 public:
  explicit Custom(std::string metadata) : metadata_(std::move(metadata)) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return "custom"; }
  [[nodiscard]] std::string_view metadata_json() const override { return metadata_; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return 2; }
  void write_payload(std::span<std::byte> target) const override {
    std::fill(target.begin(), target.end(), std::byte{7});
  }

 private:
  std::string metadata_;
};

TEST(ListData, HoldsClassesOfUsers) {
  const auto list = ListData::of(1, Custom(R"({"type":"custom","a":[1]})"), Custom(""));
  const auto popped = through_codec(list);
  const auto& custom = popped->as<BytesData>(1);
  EXPECT_EQ(custom.metadata().at("a"), "[1]");
  EXPECT_EQ(custom.bytes()[1], std::byte{7});
  EXPECT_EQ(popped->as<BytesData>(2).metadata().at("type"), "bytes") << "empty stands for bytes";
  EXPECT_EQ(list.as<Custom>(1).payload_bytes(), 2U);
  EXPECT_EQ(code_of([&] { (void)list.as<Custom>(0); }), ErrorCode::unsupported_type);
}

TEST(ListData, ABrokenClassOfAUserDoesNotBreakTheList) {
  ListData list = ListData::of(1);
  for (const char* metadata : {"{", "7", "{}", R"({"type":7})", R"({"type":""})",
                               R"({"type":"a"},"offset":0})", R"({"type":"a","type":"b"})"}) {
    EXPECT_EQ(code_of([&] { list.add(Custom(metadata)); }), ErrorCode::unsupported_type)
        << metadata;
  }
  EXPECT_EQ(through_codec(list)->size(), 1U);
}

TEST(ListData, DeserializersOfUsersMakeItems) {
  auto& registry = TypeRegistry::instance();
  registry.register_type("custom", [](const auto&, const auto& payload) {
    return std::make_unique<TextData>("made of " + std::to_string(payload.size()));
  });
  const auto list = through_codec(ListData::of(Custom(R"({"type":"custom"})"), "end"));
  EXPECT_EQ(list->value<std::string>(0), "made of 2");
  const auto map = through_codec(
      MapData::of("deep", ListData::of(MapData::of("x", Custom(R"({"type":"custom"})")))));
  EXPECT_EQ(map->as<ListData>("deep").as<MapData>(0).value<std::string>("x"), "made of 2");
  registry.register_type("custom", [](const auto&, const auto&) -> std::unique_ptr<TextData> {
    throw std::out_of_range("from the user");
  });
  EXPECT_THROW((void)through_codec(ListData::of(1, Custom(R"({"type":"custom"})"))),
               std::out_of_range);
  registry.unregister_type("custom");
}

TEST(ListData, SmallArraysOfOneTypeShareARecord) {
  ListData list;
  for (std::size_t length = 0; length < 100; ++length) {
    list.add(NumpyArray::from(std::vector<std::int16_t>(length, 7)));
  }
  EXPECT_LT(list.metadata_json().size(), 200U);
  const auto popped = through_codec(list);
  ASSERT_EQ(popped->size(), 100U);
  for (std::size_t length = 0; length < 100; ++length) {
    const auto values = popped->as<NumpyArray>(length).values<std::int16_t>();
    ASSERT_EQ(values.size(), length);
    EXPECT_EQ(std::count(values.begin(), values.end(), 7), static_cast<std::ptrdiff_t>(length));
    EXPECT_FALSE(popped->as<NumpyArray>(length).writable());
  }
}

TEST(ListData, ArraysWithFieldsAreItems) {
  const std::string dtype = R"({"fields":[{"name":"x","dtype":"<f4","offset":0}],"itemsize":4})";
  ListData list;
  for (int count = 0; count < 3; ++count) list.add(NumpyArray(dtype, {2}));
  EXPECT_EQ(list.metadata_json().find("run"), std::string::npos);
  EXPECT_EQ(list.metadata_json().find("2.0"), std::string::npos);
  const auto popped = through_codec(list);
  ASSERT_EQ(popped->size(), 3U);
  EXPECT_EQ(popped->as<NumpyArray>(2).dtype(), dtype);
}

TEST(MapData, KeysMayBeIntegers) {
  const auto map = MapData::of(1, "one", "1", "text", MapKey::big_integer("0x10000000000000000"),
                               BytesData("b"), std::int64_t{-7}, NumpyArray::from<float>({1}));
  const auto popped = through_codec(map);
  EXPECT_EQ(popped->value<std::string>(1), "one");
  EXPECT_EQ(popped->value<std::string>("1"), "text");
  EXPECT_EQ(popped->as<BytesData>(MapKey::big_integer("0x10000000000000000")).size(), 1U);
  EXPECT_EQ(popped->as<NumpyArray>(-7).size(), 1U);
  EXPECT_FALSE(popped->contains(2));
  EXPECT_TRUE(popped->entries()[0].first.is_integer());
  EXPECT_FALSE(popped->entries()[1].first.is_integer());
  EXPECT_EQ(code_of([] { MapData::of(1, "a", 1, "b"); }), ErrorCode::invalid_argument);
}

TEST(ListData, PlainValuesDoNotBecomeMarksBesideThem) {
  const auto popped =
      through_codec(ListData::of(JsonData(R"({"$float":"nan"})"), std::nan(""), "$x", 1));
  EXPECT_FALSE(popped->as<JsonData>(0).has_marks());
  EXPECT_EQ(popped->as<JsonData>(0).text(), R"({"$float":"nan"})");
  EXPECT_TRUE(std::isnan(popped->value<double>(1)));
  EXPECT_EQ(popped->value<std::string>(2), "$x");
}

TEST(MapData, PlainValuesUnderIntegerKeysDoNotBecomeMarks) {
  for (const auto* const text : {R"({"$float":"nan"})", R"({"$ref":"x"})", R"([{"\u0024x":1}])"}) {
    const auto popped = through_codec(MapData::of(1, JsonData(text), 2, "$x", "key", std::nan("")));
    EXPECT_FALSE(popped->as<JsonData>(1).has_marks()) << text;
    EXPECT_EQ(popped->as<JsonData>(1).text(), text);
    EXPECT_EQ(popped->value<std::string>(2), "$x");
    EXPECT_TRUE(std::isnan(popped->value<double>("key")));
  }
}

TEST(ListData, MarksMayBeEscaped) {
  const auto popped = through_codec(
      ListData::of(1, JsonData::marked(R"({"\u0024float":"nan"})"), JsonData(R"({"\u0024a":1})")));
  EXPECT_TRUE(std::isnan(popped->value<double>(1)));
  EXPECT_EQ(popped->as<JsonData>(2).kind(), JsonKind::object);
}

TEST(MapData, HasAtMost1024KeysBeyond64Bits) {
  MapData map;
  const auto key = [](int number) {
    return MapKey::big_integer("0x1" + std::string(15, '0') + std::to_string(1000 + number));
  };
  for (int number = 0; number < 1024; ++number) map.add(key(number), number);
  EXPECT_EQ(through_codec(map)->value<int>(key(1023)), 1023);
  EXPECT_EQ(code_of([&] { map.add(key(1024), 1); }), ErrorCode::unsupported_type);
  EXPECT_EQ(map.add(7, 1).size(), 1025U);
}

}  // namespace
}  // namespace ipc0cp
