// SPDX-License-Identifier: Apache-2.0
#include "objects/codec.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <clocale>
#include <random>

#include "ipc0cp/error.hpp"
#include "ipc0cp/log.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/codec_json.hpp"

namespace ipc0cp::codec {
namespace {

constexpr std::string_view kFrame =
    R"({"type":"ndarray","version":"1.0","dtype":"|u1","shape":[4]})";

Payload four_bytes() {
  static const BytesData kBytes("abcd");
  return {kBytes.bytes(), nullptr};
}

TEST(MetadataCache, GivesTheSameParsedFormForTheSameText) {
  MetadataCache cache;
  const Prepared first = cache.find(kFrame);
  EXPECT_EQ(cache.find(kFrame), first);
  EXPECT_EQ(cache.find(std::string(kFrame)), first);
  EXPECT_NE(cache.find(std::string(kFrame) + " "), first);
  EXPECT_EQ(cache.find(kFrame), first) << "two kinds of messages in turn";
}

TEST(MetadataCache, ForgetsWhenTheRegistryChanges) {
  MetadataCache cache;
  const Prepared first = cache.find(kFrame);
  auto& registry = TypeRegistry::instance();
  registry.register_type("codec_test", [](const TypeRegistry::Metadata&, const Payload&) {
    return std::make_unique<BytesData>();
  });
  EXPECT_NE(cache.find(kFrame), first);
  registry.unregister_type("codec_test");
}

TEST(MetadataCache, RemembersNothingBroken) {
  MetadataCache cache;
  EXPECT_THROW(cache.find("{"), Error);
  EXPECT_THROW(cache.find("{"), Error);
}

TEST(Codec, WarnsOncePerUnknownType) {
  std::string lines;
  set_log_sink([&](LogLevel, std::string_view line) { lines += std::string(line) + "\n"; });
  for (int round = 0; round < 3; ++round) decode(R"({"type":"codec_test_a"})", four_bytes());
  decode(R"({"type":"codec_test_b"})", four_bytes());
  set_log_sink({});
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2) << lines;
  EXPECT_NE(lines.find("codec_test_a"), std::string::npos);
}

TEST(Codec, BorrowedPayloadsAreCopied) {
  std::string bytes = "abcd";
  const auto object =
      decode(kFrame, Payload{std::as_bytes(std::span(bytes.data(), bytes.size())), nullptr});
  bytes[0] = 'x';
  EXPECT_EQ(dynamic_cast<NumpyArray&>(*object).values<std::uint8_t>()[0], 'a');
}

TEST(Codec, KeepsThePayloadWhereItIsWorthIt) {
  EXPECT_TRUE(keeps_payload(*prepare(kFrame), 4));
  EXPECT_TRUE(keeps_payload(*prepare(""), 4));
  EXPECT_FALSE(keeps_payload(*prepare(R"({"type":"text"})"), 4));
  EXPECT_TRUE(keeps_payload(*prepare(R"({"type":"text"})"), 1 << 20));
  EXPECT_FALSE(keeps_payload(*prepare(R"({"type":"json"})"), 1 << 20));
}

TEST(Json, SplitsArraysAndObjects) {
  const auto parts =
      split_json(R"([ 1, "a\n", [2.50, {"k" : [null, true]}, -7], {} , 1e5])", false, {});
  ASSERT_EQ(parts.size(), 5U);
  EXPECT_EQ(parts[0].text, "1");
  EXPECT_EQ(parts[1].text, "a\n");
  EXPECT_TRUE(parts[1].is_string);
  EXPECT_EQ(parts[2].text, R"([2.50,{"k":[null,true]},-7])");
  EXPECT_EQ(parts[2].levels, 3U);
  EXPECT_EQ(parts[3].text, "{}");
  EXPECT_EQ(parts[3].levels, 1U);
  EXPECT_EQ(parts[4].text, "1e5");
  EXPECT_EQ(parts[4].levels, 0U);
  const auto members = split_json(R"({"b":1,"a":{"x":[],"y":"[,"}})", true, {});
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[0].key, "b");
  EXPECT_EQ(members[1].key, "a");
  EXPECT_EQ(members[1].text, R"({"x":[],"y":"[,"})");
  EXPECT_THROW(split_json("{}", false, {}), Error);
  EXPECT_THROW(split_json("[]", true, {}), Error);
  EXPECT_THROW(split_json("1", false, {}), Error);
  EXPECT_TRUE(split_json("[]", false, {}).empty());
}

TEST(Json, DoesNotDependOnTheLocale) {
  const std::string before = std::setlocale(LC_NUMERIC, nullptr);
  if (std::setlocale(LC_NUMERIC, "de_DE.UTF-8") == nullptr) GTEST_SKIP() << "no such locale";
  EXPECT_EQ(check_json("[1.5]", {}), 1U);
  EXPECT_EQ(split_json("[1.5]", false, {})[0].text, "1.5");
  std::setlocale(LC_NUMERIC, before.c_str());
}

TEST(Json, QuotesWhatMustBeQuoted) {
  std::string text;
  append_quoted(text, std::string_view("a\"\\/\b\f\n\r\t\x01\x1f\x7f\0\xC3\xA9", 15));
  EXPECT_EQ(text, "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u0000\xC3\xA9\"");
}

TEST(Utf8, AgreesWithTheDefinition) {
  // Every three-byte sequence behind ASCII of every length up to a block.
  for (unsigned lead = 0; lead < 256; ++lead) {
    for (const unsigned second : {0x00U, 0x7FU, 0x80U, 0x8FU, 0x90U, 0x9FU, 0xA0U, 0xBFU, 0xC0U}) {
      const std::string text = {static_cast<char>(lead), static_cast<char>(second),
                                static_cast<char>(0x80), static_cast<char>(0x80)};
      const bool four = (lead == 0xF0 && second >= 0x90 && second <= 0xBF) ||
                        (lead >= 0xF1 && lead <= 0xF3 && second >= 0x80 && second <= 0xBF) ||
                        (lead == 0xF4 && second >= 0x80 && second <= 0x8F);
      const bool three =
          (lead == 0xE0 && second >= 0xA0 && second <= 0xBF) ||
          (lead >= 0xE1 && lead <= 0xEF && lead != 0xED && second >= 0x80 && second <= 0xBF) ||
          (lead == 0xED && second >= 0x80 && second <= 0x9F);
      EXPECT_EQ(is_utf8(text), four) << lead << ' ' << second;
      EXPECT_EQ(is_utf8(text.substr(0, 3)), three) << lead << ' ' << second;
      EXPECT_EQ(is_utf8(std::string(30, 'a') + text), four) << lead << ' ' << second;
    }
  }
}

TEST(Codec, SurvivesBytesMadeAtRandom) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const std::string good =
      R"({"type":"ndarray","version":"1.0","dtype":{"fields":[{"name":"a","dtype":{"base":"<f4",)"
      R"("shape":[2]},"offset":0,"title":"t"}],"itemsize":8,"aligned":true},"shape":[1,2],)"
      R"("order":"F"})";
  const BytesData payload(std::vector<std::uint8_t>(16, 0x5B));
  set_log_level(LogLevel::off);
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = good;
    const unsigned changes = 1 + random() % 3;
    for (unsigned change = 0; change < changes; ++change) {
      constexpr std::string_view kLikely = "{}[]\",:0123456789<>|fiuSUVMme-.\\\0";
      text[random() % text.size()] =
          random() % 2 == 0 ? kLikely[random() % kLikely.size()] : static_cast<char>(random());
    }
    try {
      decode(text, Payload{payload.bytes(), nullptr});
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt_payload) << text;
      ++refused;
    }
  }
  set_log_level(LogLevel::warning);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ipc0cp::codec
