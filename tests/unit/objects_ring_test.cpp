// SPDX-License-Identifier: Apache-2.0
// Objects through a ring: views, copies, damage, deserializers that throw.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>

#include "ipc0cp/ring_buffer.hpp"
#include "object_helpers.hpp"
#include "objects/point_cloud.hpp"
#include "platform/ring_directory.hpp"

namespace ipc0cp {
namespace {

using std::chrono::seconds;

class ObjectsInRing : public testing::Test {
 protected:
  /// The name of the test, in which a parameter stands behind a slash.
  static std::string test_name() {
    std::string text = testing::UnitTest::GetInstance()->current_test_info()->name();
    std::replace(text.begin(), text.end(), '/', '-');
    return text;
  }

  std::string name = "objects-test-" + std::to_string(getpid()) + "-" + test_name();
  std::unique_ptr<SharedRingBufferConsumer> consumer =
      std::make_unique<SharedRingBufferConsumer>(name, 1 << 20);
  std::unique_ptr<SharedRingBufferProducer> producer =
      std::make_unique<SharedRingBufferProducer>(name, 1 << 20);
};

TEST_F(ObjectsInRing, EachTypeArrivesAsItself) {
  ASSERT_TRUE(producer->push(BytesData("raw"), seconds(5)));
  ASSERT_TRUE(producer->push(TextData("text"), seconds(5)));
  ASSERT_TRUE(producer->push(JsonData(R"({"a":1})"), seconds(5)));
  ASSERT_TRUE(producer->push(NumpyArray::from(std::vector<double>{2.5}, {1}), seconds(5)));
  EXPECT_EQ(consumer->pop(seconds(5))->as<BytesData>().size(), 3U);
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "text");
  const auto json = consumer->pop(seconds(5));
  EXPECT_EQ(json->as<JsonData>().text(), R"({"a":1})");
  EXPECT_EQ(json->metadata(), R"({"type":"json","version":"1.0"})");
  EXPECT_EQ(code_of([&] { (void)json->as<NumpyArray>(); }), ErrorCode::unsupported_type);
  EXPECT_EQ(consumer->pop(seconds(5))->as<NumpyArray>().values<double>()[0], 2.5);
  EXPECT_EQ(code_of([&] { (void)consumer->try_pop(); }), ErrorCode::buffer_empty);
  producer->close();
  EXPECT_FALSE(consumer->pop(seconds(5)).has_value());
}

TEST_F(ObjectsInRing, AMessageWithoutMetadataIsBytes) {
  auto loan = producer->loan(3, seconds(5));
  loan.bytes()[0] = std::byte{7};
  ASSERT_TRUE(loan.publish());
  const auto object = consumer->pop(seconds(5));
  EXPECT_EQ(object->as<BytesData>().bytes()[0], std::byte{7});
  EXPECT_EQ(object->metadata(), R"({"type":"bytes","version":"1.0"})");
}

TEST_F(ObjectsInRing, AnArrayOutlivesMessageHandleAndRing) {
  NumpyArray source("<i4", {50'000});
  source.mutable_values<std::int32_t>()[49'999] = 42;
  ASSERT_TRUE(producer->push(source, seconds(5)));
  auto object = consumer->pop(seconds(5));
  const NumpyArray kept = object->as<NumpyArray>();
  EXPECT_FALSE(kept.writable());
  object.reset();
  producer.reset();
  consumer.reset();
  EXPECT_EQ(kept.values<std::int32_t>()[49'999], 42);
}

TEST_F(ObjectsInRing, BlocksOfDroppedViewsComeBack) {
  const NumpyArray source("|u1", {300'000});
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(producer->push(source, seconds(5))) << round;
    const auto object = consumer->pop(seconds(5));
    EXPECT_EQ(object->as<NumpyArray>().size(), 300'000U);
  }
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
}

TEST_F(ObjectsInRing, ADamagedMessageIsSkipped) {
  const BytesData three("abc");
  ASSERT_TRUE(producer->push_raw(R"({"type":"list"})", three.bytes(), seconds(5)));
  ASSERT_TRUE(producer->push_raw(R"({"type":"ndarray","dtype":"<f4","shape":[1]})", three.bytes(),
                                 seconds(5)));
  ASSERT_TRUE(producer->push(TextData("next"), seconds(5)));
  EXPECT_EQ(code_of([&] { consumer->pop(seconds(5)); }), ErrorCode::corrupt_payload);
  EXPECT_EQ(code_of([&] { consumer->pop(seconds(5)); }), ErrorCode::corrupt_payload);
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "next");
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
}

/// An object whose metadata are whatever is asked for.
class Odd final : public SerializableObject {
 public:
  explicit Odd(std::string metadata) : metadata_(std::move(metadata)) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return "odd"; }
  [[nodiscard]] std::string_view metadata_json() const override { return metadata_; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return 3; }
  void write_payload(std::span<std::byte> target) const override {
    std::fill(target.begin(), target.end(), std::byte{7});
  }

 private:
  std::string metadata_;
};

TEST_F(ObjectsInRing, MetadataThatNoReaderTakesIsRefused) {
  const BytesData three("abc");
  for (const char* metadata :
       {"x", "{", "[]", "1", "{}", R"({"type":1})", R"({"type":""})", R"({"type":"a","version":1})",
        R"({"type":"a","type":"b"})", R"({"type":"\xFF"})", "{\"type\":\"\xFF\"}", " "}) {
    SCOPED_TRACE(metadata);
    const auto refused = [](const auto& call) {
      return code_of(call) == ErrorCode::invalid_argument;
    };
    const RawMessage message{metadata, three.bytes()};
    const Odd odd(metadata);
    const SerializableObject* const object = &odd;
    EXPECT_TRUE(refused([&] { producer->push_raw(metadata, three.bytes(), seconds(5)); }));
    EXPECT_TRUE(refused([&] { producer->try_push_raw(metadata, three.bytes()); }));
    EXPECT_TRUE(refused([&] { producer->push_many_raw({&message, 1}, seconds(5)); }));
    EXPECT_TRUE(refused([&] { producer->push_rows(metadata, three.bytes(), 3, seconds(5)); }));
    EXPECT_TRUE(refused([&] { producer->push(odd, seconds(5)); }));
    EXPECT_TRUE(refused([&] { producer->push_many({&object, 1}, seconds(5)); }));
    Loan loan = producer->loan(3, seconds(5));
    EXPECT_TRUE(refused([&] { loan.publish(metadata, seconds(5)); }));
    EXPECT_TRUE(loan.active()) << "it can still be published with better metadata";
  }
  for (int round = 0; round < 3; ++round) {
    EXPECT_TRUE(producer->push_raw("", three.bytes(), seconds(5)));
    EXPECT_EQ(consumer->pop_raw(seconds(5))->metadata(), R"({"type":"bytes","version":"1.0"})");
    for (const char* metadata : {R"({"type":"a"})", R"( {"version":"2.0", "type":"b"} )"}) {
      EXPECT_TRUE(producer->push_raw(metadata, three.bytes(), seconds(5)));
      EXPECT_EQ(consumer->pop_raw(seconds(5))->metadata(), metadata);
    }
  }
}

TEST_F(ObjectsInRing, ExceptionsOfDeserializersPassThrough) {
  auto& registry = TypeRegistry::instance();
  registry.register_type("objects_ring_test",
                         [](const TypeRegistry::Metadata&,
                            std::span<const std::byte>) -> std::unique_ptr<SerializableObject> {
                           throw std::out_of_range("from the user");
                         });
  ASSERT_TRUE(producer->push_raw(R"({"type":"objects_ring_test"})", {}, seconds(5)));
  ASSERT_TRUE(producer->push(TextData("next"), seconds(5)));
  EXPECT_THROW(consumer->pop(seconds(5)), std::out_of_range);
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "next");
  EXPECT_EQ(consumer->stats().popped, 2U);
  registry.unregister_type("objects_ring_test");
}

TEST_F(ObjectsInRing, NullAloneIsRefusedByPush) {
  EXPECT_EQ(code_of([&] { producer->push(JsonData("null"), seconds(5)); }),
            ErrorCode::unsupported_type);
  EXPECT_EQ(consumer->stats().messages, 0U);
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
}

TEST_F(ObjectsInRing, AListOfArraysIsOneBlock) {
  ListData list;
  for (int index = 0; index < 3; ++index) list.add(NumpyArray("<f4", {10'000}));
  list.add(TextData("label"));
  ASSERT_TRUE(producer->push(list, seconds(5)));
  const auto object = consumer->pop(seconds(5));
  const auto& popped = object->as<ListData>();
  EXPECT_EQ(popped.as<TextData>(3).text(), "label");
  const auto* first = popped.as<NumpyArray>(0).bytes().data();
  EXPECT_EQ(popped.as<NumpyArray>(2).bytes().data() - first, 80'000);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(first) % 64, 0U);
}

TEST_F(ObjectsInRing, TenThousandItemsAnd64Levels) {
  ListData many;
  for (int index = 0; index < 10'000; ++index) many.add(index);
  ListData deepest = ListData::of(BytesData("x"));
  for (int level = 1; level < 64; ++level) deepest = ListData::of(std::move(deepest));
  ASSERT_TRUE(producer->push(many, seconds(5)));
  ASSERT_TRUE(producer->push(deepest, seconds(5)));
  const auto list = consumer->pop(seconds(5));
  ASSERT_EQ(list->as<ListData>().size(), 10'000U);
  EXPECT_EQ(list->as<ListData>().value<int>(9'999), 9'999);
  const auto nested = consumer->pop(seconds(5));
  EXPECT_EQ(nested->as<ListData>().levels(), 64U);
}

class MalformedInRing : public ObjectsInRing, public testing::WithParamInterface<const char*> {};

TEST_P(MalformedInRing, TheMessagesBeforeAndBehindArrive) {
  int number = 0;
  std::uint64_t damaged = 0;
  for (const nlohmann::json& vector : ipc0cp_test::load_vectors(IPC0CP_TESTS_DIR, GetParam())) {
    SCOPED_TRACE(vector["name"].get<std::string>());
    const Payload payload = payload_of(vector);
    ASSERT_TRUE(producer->push(JsonData::of(++number), seconds(5)));
    const std::string metadata = ipc0cp_test::metadata_of(vector);
    // What is no metadata at all never gets into a ring.
    const bool is_refused = code_of([&] {
                              producer->push_raw(metadata, payload.bytes, seconds(5));
                            }) == ErrorCode::invalid_argument;
    ASSERT_TRUE(producer->push(ListData::of(++number), seconds(5)));
    EXPECT_EQ(consumer->pop(seconds(5))->as<JsonData>().value<int>(), number - 1);
    if (!is_refused) {
      ++damaged;
      EXPECT_EQ(to_string(code_of([&] { consumer->pop(seconds(5)); })),
                vector["error"].get<std::string>());
    }
    EXPECT_EQ(consumer->pop(seconds(5))->as<ListData>().value<int>(0), number);
  }
  const RingStats stats = consumer->stats();
  EXPECT_EQ(stats.dropped, damaged);
  EXPECT_GT(damaged, static_cast<std::uint64_t>(number / 4)) << "most of them are metadata";
  EXPECT_EQ(stats.used_bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(Groups, MalformedInRing,
                         testing::Values("malformed", "malformed_containers", "malformed_images"));

/// An object of a user that fails where it is told to.
class Failing final : public SerializableObject {
 public:
  Failing(bool in_metadata, std::size_t bytes) : in_metadata_(in_metadata), bytes_(bytes) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return "failing"; }
  [[nodiscard]] std::string_view metadata_json() const override {
    if (in_metadata_) throw std::domain_error("no metadata");
    return R"({"type":"failing"})";
  }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return bytes_; }
  void write_payload(std::span<std::byte> /*target*/) const override { throw 7; }

 private:
  bool in_metadata_;
  std::size_t bytes_;
};

TEST_F(ObjectsInRing, WhatCannotBeEncodedQueuesNothing) {
  ASSERT_TRUE(producer->push(TextData("before"), seconds(5)));
  EXPECT_THROW(producer->push(Failing(true, 10), seconds(5)), std::domain_error);
  EXPECT_THROW(producer->push(Failing(false, 10), seconds(5)), int);
  EXPECT_THROW(producer->push(Failing(false, 100'000), seconds(5)), int);
  EXPECT_THROW(producer->push(ListData::of(1, Failing(false, 100'000)), seconds(5)), int);
  EXPECT_EQ(code_of([&] { producer->push(NumpyArray("|u1", {2 << 20}), seconds(5)); }),
            ErrorCode::message_too_large);
  ASSERT_TRUE(producer->push(TextData("behind"), seconds(5)));
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "before");
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "behind");
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
}

TEST_F(ObjectsInRing, DeserializersMayThrowAnything) {
  auto& registry = TypeRegistry::instance();
  registry.register_type("objects_ring_test", [](const auto&, const auto&) {
    throw 7;
    return std::make_unique<BytesData>();
  });
  const BytesData payload(std::vector<std::uint8_t>(50'000));
  for (const char* where : {"alone", "in a list"}) {
    SCOPED_TRACE(where);
    const BytesData custom(payload.payload(), R"({"type":"objects_ring_test"})");
    const bool alone = where == std::string_view("alone");
    ASSERT_TRUE(alone ? producer->push(custom, seconds(5))
                      : producer->push(ListData::of(1, custom), seconds(5)));
    ASSERT_TRUE(producer->push(TextData("next"), seconds(5)));
    EXPECT_THROW(consumer->pop(seconds(5)), int);
    EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "next");
  }
  EXPECT_EQ(consumer->stats().popped, 4U);
  EXPECT_EQ(consumer->stats().dropped, 0U);
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
  registry.unregister_type("objects_ring_test");
}

/// Whether an address of this process belongs to the file of that inode.
bool is_mapping_of(ino_t inode, const void* address) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t low = 0;
    std::uintptr_t high = 0;
    char dash = 0;
    std::string permissions;
    std::string offset;
    std::string device;
    std::uint64_t number = 0;
    std::istringstream(line) >> std::hex >> low >> dash >> high >> permissions >> offset >>
        device >> std::dec >> number;
    const auto place = reinterpret_cast<std::uintptr_t>(address);
    if (number == inode && low <= place && place < high) return true;
  }
  return false;
}

TEST_F(ObjectsInRing, ATypeOfAUserLiesInTheRing) {
  using ipc0cp_test::PointCloud;
  ipc0cp_test::register_point_cloud();
  const PointCloud source("map", 1.5, std::vector<ipc0cp_test::Point>(5'000, {1, 2, 3}));
  struct stat status {};
  ASSERT_EQ(stat((platform::ring_directory() + "/ipc0cp." + name).c_str(), &status), 0);
  ASSERT_TRUE(producer->push(source, seconds(5)));
  ASSERT_TRUE(producer->push(MapData::of("cloud", source), seconds(5)));
  auto alone = consumer->pop(seconds(5));
  auto in_map = consumer->pop(seconds(5));
  EXPECT_GT(consumer->stats().used_bytes, 2 * source.payload_bytes()) << "the blocks are kept";
  producer.reset();
  consumer.reset();
  const PointCloud& first = alone->as<PointCloud>();
  for (const PointCloud* cloud : {&first, &in_map->as<MapData>().as<PointCloud>("cloud")}) {
    EXPECT_TRUE(is_mapping_of(status.st_ino, cloud->points().data()));
    EXPECT_TRUE(is_mapping_of(status.st_ino, &cloud->points().back()));
    EXPECT_EQ(cloud->points().back()[2], 3.0F);
    EXPECT_EQ(cloud->stamp(), 1.5);
  }
  EXPECT_FALSE(is_mapping_of(status.st_ino, source.points().data()));
}

}  // namespace
}  // namespace ipc0cp
