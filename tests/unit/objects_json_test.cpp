// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"
#include "object_helpers.hpp"

namespace ipc0cp {
namespace {

TEST(JsonData, KeepsTheTextAndKnowsItsLevels) {
  const JsonData data(R"({"b": [1, 2.50], "a": null})");
  EXPECT_EQ(through_codec(data)->text(), data.text());
  EXPECT_EQ(data.levels(), 2U);
  EXPECT_EQ(JsonData("1").levels(), 0U);
  EXPECT_EQ(code_of([] { JsonData("{"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { JsonData(R"({"a":1,"a":1})"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { JsonData(std::string(513, '[') + std::string(513, ']')); }),
            ErrorCode::unsupported_type);
}

TEST(JsonData, LongTextsAreOutOfReachOfTheirSender) {
  for (const auto& sent :
       {JsonData('"' + std::string(1 << 20, 'x') + '"'),
        JsonData::marked(R"({"$object":{"$a":")" + std::string(8192, 'x') + R"("}})")}) {
    const Payload payload = payload_of(sent);
    ASSERT_NE(payload.owner, nullptr);
    const auto popped = codec::decode(sent.metadata_json(), payload);
    auto* const bytes = const_cast<std::byte*>(payload.bytes.data());
    std::fill_n(bytes, payload.bytes.size(), std::byte{'\\'});
    EXPECT_EQ(dynamic_cast<const JsonData&>(*popped).text(), sent.text());
  }
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
  const double infinity = std::numeric_limits<double>::infinity();
  const JsonData marked = from_json({{"x", {-infinity, 1.5}}, {"y", {{"$y", 1}}}});
  EXPECT_TRUE(marked.has_marks());
  EXPECT_EQ(marked.text(), R"({"x":[{"$float":"-inf"},1.5],"y":{"$object":{"$y":1}}})");
  EXPECT_FALSE(from_json({{"$y", 1}}).has_marks()) << "no marks are needed";
  EXPECT_EQ(code_of([] { from_json(nlohmann::json::binary({1})); }), ErrorCode::unsupported_type);
  EXPECT_EQ(code_of([] { from_json("\xFF"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(from_ordered_json(nlohmann::ordered_json::parse(R"({"z":1,"a":2})")).text(),
            R"({"z":1,"a":2})");
}

TEST(JsonData, ScalarsAreWrittenAsThemselves) {
  EXPECT_EQ(JsonData::of(0).text(), "0");
  EXPECT_EQ(JsonData::of(std::numeric_limits<std::int64_t>::min()).text(), "-9223372036854775808");
  EXPECT_EQ(JsonData::of(std::numeric_limits<std::uint64_t>::max()).text(), "18446744073709551615");
  EXPECT_EQ(JsonData::of(std::int8_t{-7}).text(), "-7");
  EXPECT_EQ(JsonData::of(1.0).text(), "1.0") << "a float stays a float";
  EXPECT_EQ(JsonData::of(-0.0).text(), "-0.0");
  EXPECT_EQ(JsonData::of(0.1).text(), "0.1");
  EXPECT_EQ(JsonData::of(1e22).text(), "1e+22");
  EXPECT_EQ(JsonData::of(0.1F).value<float>(), 0.1F);
  EXPECT_EQ(JsonData::of(true).text(), "true");
  EXPECT_EQ(JsonData::of(nullptr).text(), "null");
  EXPECT_EQ(JsonData::of(7).levels(), 0U);
  EXPECT_EQ(through_codec(JsonData::of(7))->value<int>(), 7);
  EXPECT_TRUE(std::isnan(through_codec(JsonData::of(std::nan("")))->value<double>()));
  EXPECT_EQ(through_codec(JsonData::of(-HUGE_VAL))->value<double>(), -HUGE_VAL);
}

TEST(JsonData, IntegersOfAnySize) {
  const auto large = through_codec(JsonData::marked(R"( { "$int" : "0x10000000000000000" } )"));
  EXPECT_EQ(large->kind(), JsonKind::integer);
  EXPECT_EQ(large->levels(), 0U);
  EXPECT_EQ(large->integer_hex(), "0x10000000000000000");
  EXPECT_EQ(large->value<double>(), 18446744073709551616.0);
  EXPECT_EQ(code_of([&] { (void)large->value<std::uint64_t>(); }), ErrorCode::unsupported_type);
  EXPECT_EQ(JsonData("-255").integer_hex(), "-0xff");
  EXPECT_EQ(JsonData::of(std::numeric_limits<std::int64_t>::min()).integer_hex(),
            "-0x8000000000000000");
  EXPECT_EQ(code_of([] { (void)JsonData("1.5").integer_hex(); }), ErrorCode::unsupported_type);
}

TEST(JsonData, MapsWithIntegerKeys) {
  const auto map = through_codec(JsonData::marked(R"({"$map":[[1,[2]],["1",{"$float":"nan"}]]})"));
  EXPECT_EQ(map->kind(), JsonKind::map);
  EXPECT_EQ(map->levels(), 2U);
  EXPECT_EQ(map->metadata_json(), R"({"type":"json","version":"2.0"})");
}

TEST(JsonData, KnowsItsKind) {
  EXPECT_EQ(JsonData(" null").kind(), JsonKind::null);
  EXPECT_EQ(JsonData("\tfalse ").kind(), JsonKind::boolean);
  EXPECT_EQ(JsonData("-12").kind(), JsonKind::integer);
  EXPECT_EQ(JsonData("12E3").kind(), JsonKind::floating);
  EXPECT_EQ(JsonData("1.0").kind(), JsonKind::floating);
  EXPECT_EQ(JsonData("\"1.0\"").kind(), JsonKind::string);
  EXPECT_EQ(JsonData("[1.0]").kind(), JsonKind::array);
  EXPECT_EQ(JsonData("{}").kind(), JsonKind::object);
}

TEST(JsonData, ScalarsAreReadWithoutAParser) {
  EXPECT_TRUE(JsonData(" true\n").value<bool>());
  EXPECT_EQ(JsonData(" -128 ").value<std::int8_t>(), -128);
  EXPECT_EQ(JsonData("255").value<std::uint8_t>(), 255);
  EXPECT_EQ(JsonData("18446744073709551615").value<std::uint64_t>(),
            std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(JsonData("7").value<double>(), 7.0);
  EXPECT_EQ(JsonData("0.1").value<double>(), 0.1);
  EXPECT_EQ(JsonData("0.1").value<float>(), 0.1F);
  EXPECT_TRUE(std::signbit(JsonData("-0.0").value<double>()));
  EXPECT_TRUE(std::signbit(JsonData("-1e-999").value<double>()));
  EXPECT_EQ(JsonData("1e-999").value<double>(), 0.0);
  EXPECT_EQ(JsonData(R"("a\n\u00e9\ud83d\ude00")").value<std::string>(),
            "a\n\xC3\xA9\xF0\x9F\x98\x80");
}

TEST(JsonData, WhatIsSomethingElseIsRefusedByName) {
  const auto refused = [](const char* text, auto example, const char* limit) {
    using T = decltype(example);
    const std::string said = text_of([&] { (void)JsonData(text).value<T>(); });
    EXPECT_NE(said.find(text), std::string::npos) << said;
    EXPECT_NE(said.find(limit), std::string::npos) << said;
  };
  refused("256", std::uint8_t{}, "0 .. 255");
  refused("-1", 0U, "0 .. 4294967295");
  refused("-129", std::int8_t{}, "-128 .. 127");
  refused("9223372036854775808", std::int64_t{}, "9223372036854775807");
  refused("1.0", 0, "an integer");
  refused("1e2", 0, "an integer");
  refused("null", 0, "an integer");
  refused("1", false, "true or false");
  refused("\"1\"", 0.0, "a number");
  refused("true", 0.0, "a number");
  refused("1", std::string(), "a string");
  refused("[1]", 0, "an integer");
}

TEST(JsonData, DeepValuesOfNlohmannAreRefusedBeforeTheyTakeTheStack) {
  nlohmann::json value = 1;
  for (unsigned level = 0; level < kMaxJsonLevels; ++level) {
    value = nlohmann::json::array({std::move(value)});
  }
  EXPECT_EQ(from_json(value).levels(), kMaxJsonLevels);
  for (unsigned level = 0; level < 200'000; ++level) {
    value = nlohmann::json::array({std::move(value)});
  }
  EXPECT_EQ(code_of([&] { from_json(value); }), ErrorCode::unsupported_type);
}

}  // namespace
}  // namespace ipc0cp
