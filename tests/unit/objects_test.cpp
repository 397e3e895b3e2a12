// SPDX-License-Identifier: Apache-2.0
#include "ipc0cp/objects.hpp"

#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <numeric>

#include "codec.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/json.hpp"

namespace ipc0cp {
namespace {

/// The code of the Error that `call` throws, `ok` if it throws none.
template <class Call>
ErrorCode code_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::ok;
}

/// What a consumer makes of `object`.
template <class T>
T through_codec(const T& object) {
  std::vector<std::byte> bytes(object.payload_bytes());
  object.write_payload(bytes);
  const auto owner = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  const auto result = codec::decode(object.metadata_json(), Payload{*owner, owner});
  return dynamic_cast<const T&>(*result);
}

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
  EXPECT_EQ(through_codec(data).bytes()[2], std::byte{3});
  EXPECT_EQ(BytesData().size(), 0U);
  EXPECT_EQ(through_codec(BytesData()).size(), 0U);
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
  EXPECT_EQ(through_codec(TextData("\xF0\x9F\x98\x80")).text(), "\xF0\x9F\x98\x80");
  EXPECT_EQ(through_codec(TextData(std::string("a\0b", 3))).text().size(), 3U);
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

TEST(JsonData, KeepsTheTextAndKnowsItsLevels) {
  const JsonData data(R"({"b": [1, 2.50], "a": null})");
  EXPECT_EQ(through_codec(data).text(), data.text());
  EXPECT_EQ(data.levels(), 2U);
  EXPECT_EQ(JsonData("1").levels(), 0U);
  EXPECT_EQ(code_of([] { JsonData("{"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { JsonData(R"({"a":1,"a":1})"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { JsonData(std::string(513, '[') + std::string(513, ']')); }),
            ErrorCode::unsupported_type);
}

TEST(JsonData, NullAloneIsNotPushed) {
  const JsonData null(" null ");
  EXPECT_TRUE(null.is_null());
  EXPECT_EQ(code_of([&] { (void)null.metadata_json(); }), ErrorCode::unsupported_type);
  EXPECT_FALSE(JsonData("[null]").is_null());
  EXPECT_FALSE(JsonData("\"n\"").is_null());
}

TEST(JsonData, ToNlohmannAndBack) {
  const nlohmann::json value = {{"a", {1, 2.0, nullptr, true}}, {"text", "\u00e9"}};
  EXPECT_EQ(to_json(from_json(value)), value);
  EXPECT_EQ(from_json(nlohmann::json(1.0)).text(), "1.0");
  EXPECT_EQ(to_json(from_json(std::numeric_limits<std::uint64_t>::max())),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(std::signbit(to_json(from_json(-0.0)).get<double>()));
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), -std::numeric_limits<double>::infinity()}) {
    EXPECT_EQ(code_of([&] { from_json({{"x", {bad}}}); }), ErrorCode::unsupported_type);
  }
  EXPECT_EQ(code_of([] { from_json(nlohmann::json::binary({1})); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { from_json("\xFF"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(from_ordered_json(nlohmann::ordered_json::parse(R"({"z":1,"a":2})")).text(),
            R"({"z":1,"a":2})");
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
  const NumpyArray popped = through_codec(array);
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
  EXPECT_EQ(through_codec(array).order(), ArrayOrder::fortran);
  const auto row =
      NumpyArray::from(std::vector<std::int16_t>(3), {1, 3}, {.order = ArrayOrder::fortran});
  EXPECT_EQ(row.order(), ArrayOrder::c);
  const auto scalar = NumpyArray::from(std::vector<double>{2.5}, {}, {.scalar = true});
  EXPECT_TRUE(through_codec(scalar).is_scalar());
  EXPECT_EQ(through_codec(scalar).values<double>()[0], 2.5);
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

}  // namespace
}  // namespace ipc0cp
