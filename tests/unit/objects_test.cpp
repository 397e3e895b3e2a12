// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/objects.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <numeric>

#include "ipc0cp/json.hpp"
#include "object_helpers.hpp"

namespace ipc0cp {
namespace {

struct __attribute__((packed)) Sample {
  std::int32_t count;
  double weight;
};

TEST(BytesData, OwnsAndShares) {
  const BytesData from_text("a\0b");
  EXPECT_EQ(from_text.size(), 1U);
  const BytesData data(std::vector<std::uint8_t>{1, 2, 3});
  const BytesData copy = data;
  EXPECT_EQ(copy.bytes().data(), data.bytes().data());
  EXPECT_EQ(through_codec(data)->bytes()[2], std::byte{3});
  EXPECT_EQ(BytesData().size(), 0U);
  EXPECT_EQ(through_codec(BytesData())->size(), 0U);
}

TEST(BytesData, CopiesWhatHasNoOwner) {
  std::array<std::byte, 4> local{};
  const BytesData data(Payload{local, nullptr});
  local[0] = std::byte{9};
  EXPECT_EQ(data.bytes()[0], std::byte{0});
}

TEST(BytesData, OfAnUnknownTypeGoesOutUnchanged) {
  constexpr std::string_view kMetadata = R"({"type":"later", "x":[1, 2]})";
  const BytesData source("abc");
  const auto object = codec::decode(kMetadata, Payload{source.bytes(), nullptr});
  const auto& data = dynamic_cast<const BytesData&>(*object);
  EXPECT_EQ(data.metadata_json(), kMetadata);
  EXPECT_EQ(data.metadata().at("x"), "[1,2]");
  EXPECT_EQ(data.metadata().at("type"), "later");
}

TEST(TextData, IsUtf8) {
  EXPECT_EQ(through_codec(TextData("\xF0\x9F\x98\x80"))->text(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(through_codec(TextData(std::string("a\0b", 3)))->text().size(), 3U);
  EXPECT_EQ(code_of([] { TextData("\xFF"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { TextData("\xED\xA0\x80"); }), ErrorCode::unsupported_type);
}

TEST(TextData, LongOnesAreViewsShortOnesCopies) {
  const auto owner = std::make_shared<const std::string>(100'000, 'x');
  const auto bytes = std::as_bytes(std::span(*owner));
  const TextData longer(Payload{bytes, owner});
  EXPECT_EQ(longer.text().data(), owner->data());
  EXPECT_EQ(owner.use_count(), 2);
  const TextData shorter(Payload{bytes.first(100), owner});
  EXPECT_NE(shorter.text().data(), owner->data());
  EXPECT_EQ(owner.use_count(), 2);
  const TextData moved_away = TextData(longer);
  EXPECT_EQ(moved_away.text().data(), owner->data());
}

TEST(NumpyArray, TakesAVectorOverWithoutACopy) {
  std::vector<float> values(6);
  std::iota(values.begin(), values.end(), 0.5F);
  const float* address = values.data();
  NumpyArray array = NumpyArray::from(std::move(values), {2, 3});
  EXPECT_EQ(array.values<float>().data(), address);
  EXPECT_EQ(array.dtype(), "<f4");
  EXPECT_EQ(array.strides()[0], 12);
  EXPECT_EQ(array.metadata_json(),
            R"({"type":"ndarray","version":"1.0","dtype":"<f4","shape":[2,3]})");
  array.mutable_values<float>()[5] = 9.0F;
  const NumpyArray popped = *through_codec(array);
  EXPECT_EQ(popped.values<float>()[5], 9.0F);
  EXPECT_EQ(popped.shape()[1], 3U);
}

TEST(NumpyArray, ZerosAndCopies) {
  NumpyArray zeros("<i8", {3});
  EXPECT_EQ(zeros.values<std::int64_t>()[2], 0);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(zeros.bytes().data()) % 64, 0U);
  const std::array<bool, 2> flags = {true, false};
  const auto copied = NumpyArray::copy_of(std::span<const bool>(flags), {2});
  EXPECT_EQ(copied.dtype(), "|b1");
  EXPECT_TRUE(copied.values<bool>()[0]);
  NumpyArray shared = zeros;
  shared.mutable_values<std::int64_t>()[0] = 5;
  EXPECT_EQ(zeros.values<std::int64_t>()[0], 5);
  NumpyArray separate = zeros.clone();
  separate.mutable_values<std::int64_t>()[0] = 6;
  EXPECT_EQ(zeros.values<std::int64_t>()[0], 5);
}

TEST(NumpyArray, ViewsAreReadOnlyAndKeepTheirOwner) {
  auto owner = std::make_shared<std::vector<std::uint16_t>>(4, std::uint16_t{7});
  const std::weak_ptr<void> watch = owner;
  auto view = std::make_unique<NumpyArray>("<u2", std::vector<std::size_t>{2, 2},
                                           Payload{std::as_bytes(std::span(*owner)), owner});
  owner.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_FALSE(view->writable());
  EXPECT_EQ(code_of([&] { (void)view->mutable_values<std::uint16_t>(); }),
            ErrorCode::unsupported_type);
  EXPECT_TRUE(view->clone().writable());
  EXPECT_EQ(view->values<std::uint16_t>()[3], 7);
  view.reset();
  EXPECT_TRUE(watch.expired());
}

TEST(NumpyArray, ValuesAreCheckedAgainstTheType) {
  const auto refused = [](const NumpyArray& array, auto example) {
    using T = decltype(example);
    return code_of([&] { (void)array.values<T>(); }) == ErrorCode::unsupported_type;
  };
  const NumpyArray floats("<f4", {2});
  EXPECT_TRUE(refused(floats, double{}));
  EXPECT_TRUE(refused(floats, std::int32_t{}));
  EXPECT_TRUE(refused(floats, std::uint8_t{}));
  EXPECT_FALSE(refused(floats, float{}));
  EXPECT_TRUE(refused(NumpyArray(">f4", {2}), float{}));
  EXPECT_TRUE(refused(NumpyArray("<u8", {2}), std::int64_t{}));
  EXPECT_FALSE(refused(NumpyArray("<u8", {2}), 0ULL));
  EXPECT_FALSE(refused(NumpyArray("<u8", {2}), 0UL));
  EXPECT_FALSE(refused(NumpyArray("<M8[ns]", {2}), std::int64_t{}));
  EXPECT_TRUE(refused(NumpyArray(">M8[ns]", {2}), std::int64_t{}));
  EXPECT_FALSE(refused(NumpyArray("<c8", {2}), std::complex<float>{}));
  EXPECT_TRUE(refused(NumpyArray("<f8", {2}), Sample{}));
  const NumpyArray samples(R"({"fields":[{"name":"n","dtype":"<i4","offset":0},)"
                           R"({"name":"w","dtype":"<f8","offset":4}],"itemsize":12})",
                           {2});
  EXPECT_FALSE(refused(samples, Sample{}));
  EXPECT_EQ(samples.values<Sample>().size(), 2U);
  EXPECT_TRUE(refused(samples, double{}));
}

TEST(NumpyArray, UnalignedElementsAreRefused) {
  auto owner = std::make_shared<std::vector<double>>(3);
  const auto bytes = std::as_bytes(std::span(*owner)).subspan(4, 16);
  const NumpyArray array("<f8", {2}, Payload{bytes, owner});
  EXPECT_EQ(code_of([&] { (void)array.values<double>(); }), ErrorCode::unsupported_type);
  EXPECT_EQ(array.clone().values<double>().size(), 2U);
}

TEST(NumpyArray, WrongShapesAndTypesAreRefused) {
  const auto refused = [](auto&& call) { return code_of(call) == ErrorCode::invalid_argument; };
  EXPECT_TRUE(refused([] { NumpyArray("float32", {2}); }));
  EXPECT_TRUE(refused([] { NumpyArray("{\"fields\":[}", {2}); }));
  EXPECT_TRUE(refused([] { NumpyArray("<f4", {std::size_t{1} << 62}); }));
  EXPECT_TRUE(refused([] { NumpyArray("<f4", {2}, {.scalar = true}); }));
  EXPECT_TRUE(refused([] { NumpyArray("<f4", std::vector<std::size_t>(65, 1)); }));
  EXPECT_TRUE(refused([] { NumpyArray::from(std::vector<float>(5), {2, 3}); }));
  EXPECT_TRUE(refused([] { NumpyArray("<f4", {2}, Payload{}); }));
}

TEST(NumpyArray, FortranOrderAndScalars) {
  const auto array =
      NumpyArray::from(std::vector<std::int16_t>(6), {2, 3}, {.order = ArrayOrder::fortran});
  EXPECT_EQ(array.strides()[0], 2);
  EXPECT_EQ(array.strides()[1], 4);
  EXPECT_EQ(through_codec(array)->order(), ArrayOrder::fortran);
  const auto row =
      NumpyArray::from(std::vector<std::int16_t>(3), {1, 3}, {.order = ArrayOrder::fortran});
  EXPECT_EQ(row.order(), ArrayOrder::c);
  const auto scalar = NumpyArray::from(std::vector<double>{2.5}, {}, {.scalar = true});
  EXPECT_TRUE(through_codec(scalar)->is_scalar());
  EXPECT_EQ(through_codec(scalar)->values<double>()[0], 2.5);
}

TEST(NumpyArray, GathersStridedElements) {
  const std::array<std::int32_t, 6> source = {0, 1, 2, 3, 4, 5};
  const auto* first = reinterpret_cast<const std::byte*>(&source[5]);
  const std::array<std::ptrdiff_t, 2> backwards = {-12, -4};
  const auto array = NumpyArray::gather("<i4", {2, 3}, first, backwards);
  const auto values = array.values<std::int32_t>();
  EXPECT_EQ(std::vector<std::int32_t>(values.begin(), values.end()),
            (std::vector<std::int32_t>{5, 4, 3, 2, 1, 0}));
  const std::array<std::ptrdiff_t, 2> repeated = {0, 4};
  const auto rows = NumpyArray::gather("<i4", {3, 2},
                                       reinterpret_cast<const std::byte*>(source.data()), repeated);
  EXPECT_EQ(rows.values<std::int32_t>()[4], 0);
  EXPECT_EQ(rows.values<std::int32_t>()[5], 1);
  EXPECT_EQ(code_of([&] { NumpyArray::gather("<i4", {6}, first, backwards); }),
            ErrorCode::invalid_argument);
  EXPECT_EQ(NumpyArray::gather("<i4", {0, 5}, nullptr, backwards).size(), 0U);
}

TEST(NumpyArray, OfOneDimensionNeedsNoShape) {
  const auto array = NumpyArray::from<std::int32_t>({1, 2, 3});
  EXPECT_EQ(std::vector<std::size_t>(array.shape().begin(), array.shape().end()),
            (std::vector<std::size_t>{3}));
  EXPECT_EQ(NumpyArray::from(std::vector<double>()).size(), 0U);
}

TEST(NumpyArray, ElementsByIndex) {
  const auto array = NumpyArray::from<std::int32_t>({0, 1, 2, 3, 4, 5}, {2, 3});
  EXPECT_EQ(array.at<std::int32_t>({1, 0}), 3);
  EXPECT_EQ(array.position({1, 2}), 5U);
  const auto columns =
      NumpyArray::from<std::int32_t>({0, 3, 1, 4, 2, 5}, {2, 3}, {.order = ArrayOrder::fortran});
  EXPECT_EQ(columns.at<std::int32_t>({1, 0}), 3);
  EXPECT_EQ(columns.position({1, 2}), 5U);
  EXPECT_EQ(NumpyArray::from<double>({2.5}, {}).at<double>({}), 2.5);
  EXPECT_EQ(code_of([&] { (void)array.position({2, 0}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { (void)array.position({0, 3}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { (void)array.position({0}); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([&] { (void)array.at<float>({0, 0}); }), ErrorCode::unsupported_type);
}

/// An array of that dtype from its bytes.
NumpyArray of_bytes(std::string_view dtype, std::vector<std::size_t> shape,
                    const std::vector<std::uint8_t>& bytes, ArrayOptions options = {}) {
  return {dtype, std::move(shape), Payload{std::as_bytes(std::span(bytes)), nullptr}, options};
}

TEST(NumpyArray, ForeignByteOrdersBecomeNative) {
  EXPECT_EQ(of_bytes(">u2", {2}, {1, 2, 3, 4}).to_native().values<std::uint16_t>()[1], 0x0304);
  EXPECT_EQ(of_bytes(">f4", {1}, {0x3F, 0x80, 0, 0}).to_native().values<float>()[0], 1.0F);
  EXPECT_EQ(of_bytes(">i8", {1}, std::vector<std::uint8_t>(8, 0xFF)).to_native().at<long>({0}), -1);
  const auto complex = of_bytes(">c8", {1}, {0x3F, 0x80, 0, 0, 0xC0, 0, 0, 0}).to_native();
  EXPECT_EQ(complex.values<std::complex<float>>()[0], std::complex<float>(1, -2));
  const auto date = of_bytes(">M8[s]", {1}, {0, 0, 0, 0, 0, 0, 1, 0}).to_native();
  EXPECT_EQ(date.dtype(), "<M8[s]");
  EXPECT_EQ(date.values<std::int64_t>()[0], 256);
  const auto text = of_bytes(">U2", {1}, {0, 0, 0, 'a', 0, 1, 0xF6, 0}).to_native();
  EXPECT_EQ(text.dtype(), "<U2");
  EXPECT_EQ(text.bytes()[0], std::byte{'a'});
  EXPECT_EQ(text.bytes()[5], std::byte{0xF6});
  const auto half = of_bytes(">f2", {1}, {0x3C, 0}).to_native();
  EXPECT_EQ(static_cast<float>(half.values<Float16>()[0]), 1.0F);
  std::vector<std::uint8_t> extended(16);
  for (std::size_t index = 0; index < 16; ++index)
    extended[index] = static_cast<std::uint8_t>(index);
  EXPECT_EQ(of_bytes(">f16", {1}, extended).to_native().bytes()[0], std::byte{15});
}

TEST(NumpyArray, NativeKeepsTheRestAndIsACopy) {
  const auto columns = of_bytes(">i2", {1, 2}, {0, 1, 0, 2}, {.order = ArrayOrder::fortran});
  EXPECT_EQ(columns.to_native().order(), columns.order());
  const auto scalar = of_bytes(">i2", {}, {0, 1}, {.scalar = true});
  EXPECT_TRUE(scalar.to_native().is_scalar());
  const auto native = NumpyArray::from<float>({1});
  EXPECT_NE(native.to_native().bytes().data(), native.bytes().data());
  EXPECT_EQ(of_bytes(">U0", {3}, {}).to_native().size(), 3U);
  EXPECT_EQ(of_bytes("bfloat16", {1}, {1, 2}).to_native().bytes()[0], std::byte{1});
  const NumpyArray structured(R"({"fields":[],"itemsize":2})", {1});
  EXPECT_EQ(code_of([&] { (void)structured.to_native(); }), ErrorCode::unsupported_type);
  const NumpyArray foreign(">f4", {1});
  EXPECT_NE(text_of([&] { (void)foreign.values<float>(); }).find("to_native"), std::string::npos);
}

TEST(Objects, WhatWasMovedFromCanBeLookedAt) {
  NumpyArray array = NumpyArray::from<float>({1, 2});
  const NumpyArray taken = std::move(array);
  EXPECT_EQ(array.size(), 2U);
  ImageData image("L", 2, 1);
  const ImageData other = std::move(image);
  EXPECT_EQ(image.mode(), "L");
  BytesData bytes("abc");
  const BytesData rest = std::move(bytes);
  EXPECT_EQ(bytes.size(), 3U);
  ListData list = ListData::of(1, 2);
  const ListData moved = std::move(list);
  EXPECT_EQ(list.size(), 0U);
  EXPECT_EQ(list.levels(), 1U);
  EXPECT_EQ(through_codec(list)->size(), 0U);
  list.add(3);
  EXPECT_EQ(through_codec(list)->value<int>(0), 3);
  MapData map = MapData::of("a", 1);
  const MapData gone = std::move(map);
  EXPECT_FALSE(map.contains("a"));
  EXPECT_EQ(through_codec(map)->size(), 0U);
}

TEST(Payload, IsARangeOfBytes) {
  const BytesData data("abc");
  const Payload& payload = data.payload();
  const std::span<const std::byte> bytes = payload;
  EXPECT_EQ(bytes.data(), data.bytes().data());
  EXPECT_EQ(payload.size(), 3U);
  int sum = 0;
  for (const std::byte byte : payload) sum += std::to_integer<int>(byte);
  EXPECT_EQ(sum, 'a' + 'b' + 'c');
  EXPECT_EQ(Payload().size(), 0U);
  EXPECT_EQ(Payload().begin(), Payload().end());
}

}  // namespace
}  // namespace ipc0cp
