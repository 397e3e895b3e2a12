// SPDX-License-Identifier: Apache-2.0
// FlatBufferData without the FlatBuffers library. Which bytes are refused: tests/vectors/.
#include "ipc0cp/flatbuffer_data.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

#include "ipc0cp/error.hpp"
#include "ipc0cp/plain_data.hpp"
#include "objects/codec.hpp"

namespace ipc0cp {
namespace {

// Root at 12; identifier; the vtable of a table without fields; that table.
constexpr std::string_view kBuffer("\x0C\0\0\0TEST\x04\0\x04\0\x04\0\0\0", 16);
constexpr std::string_view kMetadata =
    R"({"type":"flatbuffer","version":"1.0","identifier":"TEST"})";

Payload payload_of(std::string_view bytes) {
  const auto owner = std::make_shared<const std::string>(bytes);
  return {std::as_bytes(std::span(*owner)), owner};
}

std::string message_of(ErrorCode code, std::string_view metadata, const Payload& payload) {
  try {
    codec::decode(metadata, payload);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code);
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return {};
}

TEST(FlatBufferData, SharesWhatHasAnOwnerAndCopiesWhatHasNone) {
  const Payload payload = payload_of(kBuffer);
  const FlatBufferData shared(payload);
  EXPECT_EQ(shared.bytes().data(), payload.bytes.data());
  EXPECT_EQ(FlatBufferData(shared).bytes().data(), payload.bytes.data());
  std::array<char, 16> local{};
  kBuffer.copy(local.data(), local.size());
  const FlatBufferData copied(Payload{std::as_bytes(std::span(local)), nullptr});
  local.fill(0);
  EXPECT_EQ(copied.identifier(), "TEST");
  EXPECT_EQ(copied.bytes()[4], std::byte{'T'});
  EXPECT_EQ(copied.clone().metadata_json(), kMetadata);
  EXPECT_NE(copied.clone().bytes().data(), copied.bytes().data());
}

TEST(FlatBufferData, WhatIsNoFlatBufferIsRefusedWithAReason) {
  for (const std::string_view bytes : {std::string_view(), std::string_view("short"),
                                       std::string_view("something else altogether")}) {
    try {
      const FlatBufferData data(payload_of(bytes));
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
      EXPECT_NE(std::string(error.what()).find("finished"), std::string::npos) << error.what();
    }
  }
}

TEST(FlatBufferData, ErrorsOfReadersNameValueAndLimit) {
  const std::string late = "\x40" + std::string(kBuffer.substr(1));
  EXPECT_NE(message_of(ErrorCode::corrupt_payload, kMetadata, payload_of(late))
                .find("the root table would have bytes 64 .. 68 of 16"),
            std::string::npos);
  const auto short_text = message_of(ErrorCode::corrupt_payload, kMetadata, payload_of("short"));
  EXPECT_NE(short_text.find("5 bytes, expected 12 .. 2147483646"), std::string::npos);
}

TEST(FlatBufferData, LargerOnesThanOffsetsReachAreRefused) {
  // Nothing behind the first bytes is looked at, so memory that is never touched will do.
  const std::size_t bytes = FlatBufferData::kMaxBytes + 1;
  const std::unique_ptr<std::byte[]> memory(new std::byte[bytes]);
  kBuffer.copy(reinterpret_cast<char*>(memory.get()), kBuffer.size());
  const Payload whole{{memory.get(), bytes},
                      std::shared_ptr<const void>(std::shared_ptr<int>(), memory.get())};
  EXPECT_NE(message_of(ErrorCode::corrupt_payload, kMetadata, whole).find("2147483647 bytes"),
            std::string::npos);
  const Payload less{whole.bytes.first(bytes - 1), whole.owner};
  EXPECT_EQ(FlatBufferData(less).payload_bytes(), FlatBufferData::kMaxBytes);
}

TEST(FlatBufferData, IsABuiltInTypeThatCanBeReplaced) {
  auto& registry = TypeRegistry::instance();
  const auto built_in = registry.find("flatbuffer", "1.0");
  const Payload prefixed = payload_of("\x10" + std::string(3, '\0') + std::string(kBuffer));
  const auto object = built_in({{"type", "flatbuffer"},
                                {"version", "1.0"},
                                {"identifier", "TEST"},
                                {"size_prefixed", "true"}},
                               prefixed);
  EXPECT_TRUE(dynamic_cast<const FlatBufferData&>(*object).size_prefixed());
  registry.register_type("flatbuffer",
                         [](const TypeRegistry::Metadata& metadata, std::span<const std::byte>) {
                           return std::make_unique<TextData>(metadata.at("identifier"));
                         });
  const auto replaced = codec::decode(kMetadata, payload_of(kBuffer));
  EXPECT_EQ(dynamic_cast<const TextData&>(*replaced).text(), "TEST");
  EXPECT_TRUE(registry.unregister_type("flatbuffer"));
  const auto again = codec::decode(kMetadata, payload_of(kBuffer));
  EXPECT_EQ(again->type_name(), FlatBufferData::kTypeName);
}

}  // namespace
}  // namespace ipc0cp
