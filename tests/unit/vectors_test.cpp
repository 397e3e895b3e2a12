// SPDX-License-Identifier: Apache-2.0
// Runs the golden vectors of tests/vectors/ (see the README there).
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "codec.hpp"
#include "ipc0cp/error.hpp"
#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"

namespace ipc0cp {
namespace {

using Json = nlohmann::json;

Json load(const std::string& group) {
  std::ifstream file(std::string(IPC0CP_TESTS_DIR) + "/vectors/" + group + ".json");
  EXPECT_TRUE(file) << "cannot open the vectors of group " << group;
  return Json::parse(file);
}

std::vector<std::uint8_t> from_hex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t index = 0; index + 1 < text.size(); index += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(index, 2), nullptr, 16)));
  }
  return bytes;
}

std::string metadata_of(const Json& vector) {
  if (vector.contains("metadata")) return vector["metadata"];
  const auto bytes = from_hex(vector["metadata_hex"]);
  return {bytes.begin(), bytes.end()};
}

/// The payload in memory of exactly its size, so that sanitizers see a read past its end.
Payload payload_of(const Json& vector) {
  const BytesData bytes(from_hex(vector["payload_hex"]));
  auto owner = std::shared_ptr<std::byte>(
      static_cast<std::byte*>(::operator new (bytes.size(), std::align_val_t{64})),
      [](std::byte* pointer) { ::operator delete (pointer, std::align_val_t{64}); });
  bytes.write_payload({owner.get(), bytes.size()});
  return {{owner.get(), bytes.size()}, owner};
}

std::string hex_of_payload(const SerializableObject& object) {
  std::vector<std::byte> bytes(object.payload_bytes());
  object.write_payload(bytes);
  std::string text;
  for (const std::byte byte : bytes) {
    constexpr const char* kDigits = "0123456789abcdef";
    text += kDigits[std::to_integer<unsigned>(byte) >> 4U];
    text += kDigits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return text;
}

void check_array(const Json& vector, const NumpyArray& array) {
  EXPECT_EQ(array.dtype(), vector["dtype"].get<std::string>());
  EXPECT_EQ(array.item_bytes(), vector["item_bytes"].get<std::size_t>());
  if (!vector.contains("strides")) return;
  const std::vector<std::ptrdiff_t> strides(array.strides().begin(), array.strides().end());
  // NumPy leaves the stride of a dimension of length 1 open.
  for (std::size_t dimension = 0; dimension < strides.size(); ++dimension) {
    if (array.shape()[dimension] == 1) continue;
    EXPECT_EQ(strides[dimension], vector["strides"][dimension].get<std::ptrdiff_t>());
  }
}

/// Reads the vector, writes the object again and compares byte for byte.
void check_good(const Json& vector) {
  const Payload payload = payload_of(vector);
  const auto object = codec::decode(metadata_of(vector), payload);
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(object->metadata_json(), vector["metadata"].get<std::string>());
  EXPECT_EQ(hex_of_payload(*object), vector["payload_hex"].get<std::string>());
  if (const auto* array = dynamic_cast<const NumpyArray*>(object.get())) {
    check_array(vector, *array);
    if (payload.bytes.size() > 0) {
      EXPECT_EQ(array->bytes().data(), payload.bytes.data()) << "copied, not a view";
    }
    // Made by a user from its parts, it is the same message.
    const NumpyArray again(array->dtype(), {array->shape().begin(), array->shape().end()},
                           array->payload(), {array->order(), array->is_scalar()});
    EXPECT_EQ(again.metadata_json(), object->metadata_json());
  }
  if (const auto* buffer = dynamic_cast<const FlatBufferData*>(object.get())) {
    EXPECT_EQ(buffer->bytes().data(), payload.bytes.data()) << "copied, not a view";
    EXPECT_EQ(FlatBufferData(payload).metadata_json(), object->metadata_json());
  }
  if (const auto* json = dynamic_cast<const JsonData*>(object.get())) {
    const Json value = to_json(*json);
    EXPECT_EQ(to_json(from_json(value)), value);
    EXPECT_EQ(to_ordered_json(from_ordered_json(to_ordered_json(*json))), to_ordered_json(*json));
    EXPECT_EQ(value.is_number_float(), to_json(from_json(value)).is_number_float());
  }
}

class GoodVectors : public testing::TestWithParam<const char*> {};

TEST_P(GoodVectors, ReadAndWrittenAgain) {
  const Json vectors = load(GetParam());
  ASSERT_FALSE(vectors.empty());
  for (const Json& vector : vectors) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    EXPECT_NO_THROW(check_good(vector));
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, GoodVectors,
                         testing::Values("bytes", "text", "json", "ndarray", "structured",
                                         "named_types", "list", "map", "image", "flatbuffer"));

TEST(Vectors, UnusualButValidIsAccepted) {
  for (const Json& vector : load("accepted")) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    std::unique_ptr<SerializableObject> object;
    ASSERT_NO_THROW(object = codec::decode(metadata_of(vector), payload_of(vector)));
    EXPECT_EQ(object->metadata_json(), vector["canonical"].get<std::string>());
    if (!vector.contains("value")) continue;
    const auto& json = dynamic_cast<const JsonData&>(*object);
    EXPECT_EQ(to_json(json).dump(), vector["value"].get<std::string>());
  }
}

class MalformedVectors : public testing::TestWithParam<const char*> {};

TEST_P(MalformedVectors, AreRefusedWithTheErrorTheyName) {
  const Json vectors = load(GetParam());
  ASSERT_FALSE(vectors.empty());
  for (const Json& vector : vectors) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    try {
      codec::decode(metadata_of(vector), payload_of(vector));
      ADD_FAILURE() << "accepted";
    } catch (const Error& error) {
      EXPECT_EQ(to_string(error.code()), vector["error"].get<std::string>()) << error.what();
      EXPECT_GT(std::string(error.what()).size(), 10U);
      EXPECT_LT(std::string(error.what()).size(), 600U) << error.what();
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, MalformedVectors,
                         testing::Values("malformed", "malformed_containers", "malformed_images",
                                         "malformed_flatbuffers"));

}  // namespace
}  // namespace ipc0cp
