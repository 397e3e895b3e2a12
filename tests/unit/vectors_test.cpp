// SPDX-License-Identifier: Apache-2.0
// Runs the golden vectors of tests/vectors/ (see the README there).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "ipc0cp/error.hpp"
#include "ipc0cp/json.hpp"
#include "ipc0cp/objects.hpp"
#include "objects/codec.hpp"
#include "objects/difference.hpp"
#include "objects/encoded.hpp"
#include "objects/rebuild.hpp"

namespace ipc0cp {
namespace {

using Json = nlohmann::json;
using ipc0cp_test::load_vectors;
using ipc0cp_test::metadata_of;
using ipc0cp_test::payload_of;
using ipc0cp_test::to_hex;

Json load(const std::string& group) { return load_vectors(IPC0CP_TESTS_DIR, group); }

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
  EXPECT_EQ(to_hex(payload_of(*object).bytes), vector["payload_hex"].get<std::string>());
  if (const auto* array = dynamic_cast<const NumpyArray*>(object.get())) {
    check_array(vector, *array);
    if (payload.bytes.size() > 0) {
      EXPECT_EQ(array->bytes().data(), payload.bytes.data()) << "copied, not a view";
    }
  }
  if (const auto* buffer = dynamic_cast<const FlatBufferData*>(object.get())) {
    EXPECT_EQ(buffer->bytes().data(), payload.bytes.data()) << "copied, not a view";
  }
}

/// Builds the object of the vector with the public builders, and compares what they write.
void check_built(const Json& vector) {
  const auto read = codec::decode(metadata_of(vector), payload_of(vector));
  const auto built = ipc0cp_test::rebuild(*read);
  EXPECT_EQ(ipc0cp_test::difference(*read, *built), "");
  EXPECT_EQ(built->metadata_json(), vector["metadata"].get<std::string>());
  EXPECT_EQ(to_hex(payload_of(*built).bytes), vector["payload_hex"].get<std::string>());
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

TEST_P(GoodVectors, BuiltAndWritten) {
  for (const Json& vector : load(GetParam())) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    EXPECT_NO_THROW(check_built(vector));
  }
}

INSTANTIATE_TEST_SUITE_P(Groups, GoodVectors,
                         testing::Values("bytes", "text", "json", "marks", "ndarray", "structured",
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
                                         "malformed_flatbuffers", "malformed_second"));

}  // namespace
}  // namespace ipc0cp
