// SPDX-License-Identifier: Apache-2.0
// Objects through a ring: views, copies, damage, deserializers that throw.
#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "ipc0cp/ring_buffer.hpp"
#include "object_helpers.hpp"

namespace ipc0cp {
namespace {

using std::chrono::seconds;

class ObjectsInRing : public testing::Test {
 protected:
  std::string name = "objects-test-" + std::to_string(getpid()) + "-" +
                     testing::UnitTest::GetInstance()->current_test_info()->name();
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
  ASSERT_TRUE(producer->push_raw("{", three.bytes(), seconds(5)));
  ASSERT_TRUE(producer->push_raw(R"({"type":"ndarray","dtype":"<f4","shape":[1]})", three.bytes(),
                                 seconds(5)));
  ASSERT_TRUE(producer->push(TextData("next"), seconds(5)));
  EXPECT_EQ(code_of([&] { consumer->pop(seconds(5)); }), ErrorCode::corrupt_payload);
  EXPECT_EQ(code_of([&] { consumer->pop(seconds(5)); }), ErrorCode::corrupt_payload);
  EXPECT_EQ(consumer->pop(seconds(5))->as<TextData>().text(), "next");
  EXPECT_EQ(consumer->stats().used_bytes, 0U);
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

}  // namespace
}  // namespace ipc0cp
