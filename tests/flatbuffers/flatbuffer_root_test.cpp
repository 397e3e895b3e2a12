// SPDX-License-Identifier: Apache-2.0
// Buffers of a schema: made by builders, verified, read in place, and refused.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ipc0cp/flatbuffer.hpp"
#include "ipc0cp/ring_buffer.hpp"
#include "messages.hpp"

namespace ipc0cp {
namespace {

using ipc0cp_schema::Builder;
using ipc0cp_schema::finished_message;
using ipc0cp_schema::Message;
using ipc0cp_schema::Reader;
using ipc0cp_schema::Tree;
using std::chrono::seconds;

/// A buffer in memory of exactly its size, so that sanitizers see a read past its end.
struct Buffer {
  explicit Buffer(const std::vector<std::uint8_t>& content)
      : bytes(content.size()),
        owner(static_cast<std::uint8_t*>(::operator new (bytes, std::align_val_t{64})),
              [](std::uint8_t* pointer) { ::operator delete (pointer, std::align_val_t{64}); }) {
    std::copy(content.begin(), content.end(), owner.get());
  }

  [[nodiscard]] Payload payload() const {
    return {std::as_bytes(std::span<const std::uint8_t>(owner.get(), bytes)), owner};
  }

  std::size_t bytes;
  std::shared_ptr<std::uint8_t> owner;
};

template <class Call>
ErrorCode code_of(Call&& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.code();
  }
  return ErrorCode::ok;
}

const std::uint8_t* begin_of(const FlatBufferData& data) {
  return reinterpret_cast<const std::uint8_t*>(data.bytes().data());
}

bool lies_in(const void* pointer, const FlatBufferData& data) {
  const auto* byte = static_cast<const std::uint8_t*>(pointer);
  return byte >= begin_of(data) && byte < begin_of(data) + data.bytes().size();
}

FlatBufferData data_of(const std::vector<std::uint8_t>& content) {
  return FlatBufferData(Buffer(content).payload());
}

FlatBufferData tree_of(unsigned levels) {
  Builder builder;
  builder.Finish(ipc0cp_schema::make_tree(builder, levels));
  return from_flatbuffer(std::move(builder));
}

class FlatBufferRing : public testing::Test {
 protected:
  std::string name_ = "flatbuffer-test-" + std::to_string(getpid()) + "-" +
                      testing::UnitTest::GetInstance()->current_test_info()->name();
  std::unique_ptr<SharedRingBufferConsumer> consumer_ =
      std::make_unique<SharedRingBufferConsumer>(name_, 1 << 20);
  std::unique_ptr<SharedRingBufferProducer> producer_ =
      std::make_unique<SharedRingBufferProducer>(name_, 1 << 20);
};

TEST_F(FlatBufferRing, TheRootIsReadInPlaceAndKeepsItsBlock) {
  Builder builder;
  const std::vector<float> values(20'000, 0.5F);
  const auto tensor = ipc0cp_schema::CreateTensorDirect(builder, nullptr, &values);
  ipc0cp_schema::MessageBuilder message(builder);
  message.add_number(7);
  message.add_content_type(ipc0cp_schema::Content_Tensor);
  message.add_content(tensor.Union());
  FinishMessageBuffer(builder, message.Finish());
  ASSERT_TRUE(producer_->push(from_flatbuffer(std::move(builder)), seconds(10)));

  auto object = consumer_->pop(seconds(10));
  const auto& data = object->as<FlatBufferData>();
  EXPECT_EQ(data.identifier(), "MESG");
  EXPECT_EQ(object->metadata(), R"({"type":"flatbuffer","version":"1.0","identifier":"MESG"})");
  const auto root = ipc0cp::root<Message>(data, ipc0cp_schema::MessageIdentifier());
  EXPECT_TRUE(lies_in(root.get(), data));
  object.reset();
  EXPECT_GT(consumer_->stats().used_bytes, 80'000U) << "the block went back with the object";
  producer_.reset();
  consumer_.reset();
  EXPECT_EQ(root->number(), 7U);
  EXPECT_EQ(root->content_as_Tensor()->values()->Get(19'999), 0.5F);
}

TEST_F(FlatBufferRing, BlocksOfDroppedRootsComeBack) {
  const FlatBufferData data = data_of(finished_message(1));
  for (int round = 0; round < 50; ++round) {
    ASSERT_TRUE(producer_->push(data, seconds(10)));
    const auto object = consumer_->pop(seconds(10));
    EXPECT_EQ(root<Message>(object->as<FlatBufferData>())->number(), 1U);
  }
  EXPECT_EQ(consumer_->stats().used_bytes, 0U);
}

TEST_F(FlatBufferRing, ListsAndMapsHoldThem) {
  MapData map;
  map.add("first", data_of(finished_message(1)));
  ListData list;
  list.add(JsonData("3"));
  list.add(data_of(finished_message(2, true, true)));
  map.add("list", std::move(list));
  ASSERT_TRUE(producer_->push(map, seconds(10)));
  const auto object = consumer_->pop(seconds(10));
  const auto& popped = object->as<MapData>();
  const auto first = root<Message>(popped.as<FlatBufferData>("first"), "MESG");
  EXPECT_EQ(first->number(), 1U);
  const auto& second = popped.as<ListData>("list").as<FlatBufferData>(1);
  EXPECT_TRUE(second.size_prefixed());
  EXPECT_EQ(root<Message>(second, "MESG")->number(), 2U);
  // Doubles inside are aligned because payloads of items are.
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(begin_of(second)) % 64, 0U);
}

TEST_F(FlatBufferRing, ADamagedOneIsDroppedAndLaterOnesArrive) {
  auto content = finished_message(1);
  content[3] = 0x7F;  // The root would lie 2 GiB behind the buffer.
  const Buffer damaged(content);
  ASSERT_TRUE(producer_->push_raw(R"({"type":"flatbuffer","identifier":"MESG"})",
                                  damaged.payload().bytes, seconds(10)));
  ASSERT_TRUE(producer_->push(data_of(finished_message(2)), seconds(10)));
  EXPECT_EQ(code_of([&] { consumer_->pop(seconds(10)); }), ErrorCode::corrupt_payload);
  const auto object = consumer_->pop(seconds(10));
  EXPECT_EQ(root<Message>(object->as<FlatBufferData>())->number(), 2U);
}

TEST(FlatBuffer, IsTakenOverWithoutACopy) {
  Builder builder;
  FinishMessageBuffer(builder, ipc0cp_schema::make_message(builder, 5));
  const std::uint8_t* memory = builder.GetBufferPointer();
  const FlatBufferData data = from_flatbuffer(builder.Release());
  EXPECT_EQ(begin_of(data), memory);
  EXPECT_EQ(begin_of(FlatBufferData(data)), memory);
  EXPECT_EQ(root<Message>(data)->number(), 5U);
  EXPECT_EQ(root<Message>(data)->name()->str(), "everything");
}

TEST(FlatBuffer, IsBorrowedFromABuilderThatIsUsedAgain) {
  Builder builder;
  for (std::uint64_t number = 0; number < 3; ++number) {
    builder.Clear();
    FinishMessageBuffer(builder, ipc0cp_schema::make_message(builder, number));
    const FlatBufferData data = borrow_flatbuffer(builder);
    EXPECT_EQ(begin_of(data), builder.GetBufferPointer());
    EXPECT_EQ(root<Message>(data, "MESG")->number(), number);
  }
}

TEST(FlatBuffer, UnfinishedBuildersAreRefusedWithTheWayOut) {
  std::string text;
  Builder builder;
  (void)ipc0cp_schema::make_message(builder, 5);
  EXPECT_EQ(code_of([&] { borrow_flatbuffer(builder); }, &text), ErrorCode::invalid_argument);
  EXPECT_NE(text.find("Finish(root)"), std::string::npos) << text;
  EXPECT_EQ(code_of([&] { from_flatbuffer(std::move(builder)); }), ErrorCode::invalid_argument);
  EXPECT_EQ(code_of([] { from_flatbuffer(flatbuffers::DetachedBuffer()); }),
            ErrorCode::invalid_argument);
}

TEST(FlatBuffer, SizePrefixedOnesAreReadBehindTheirPrefix) {
  const FlatBufferData data = data_of(finished_message(9, true, true));
  EXPECT_TRUE(data.size_prefixed());
  EXPECT_EQ(data.identifier(), "MESG");
  EXPECT_EQ(Reader().sum(*root<Message>(data, "MESG")),
            Reader().sum(*root<Message>(data_of(finished_message(9)))));
}

TEST(FlatBuffer, TheIdentifierIsCheckedWhereOneIsAskedFor) {
  std::string text;
  const FlatBufferData data = data_of(finished_message(1));
  EXPECT_EQ(code_of([&] { (void)root<Message>(data, "OTHR"); }, &text),
            ErrorCode::unsupported_type);
  EXPECT_NE(text.find("MESG"), std::string::npos) << text;
  EXPECT_NE(text.find("OTHR"), std::string::npos) << text;
  EXPECT_EQ(code_of([&] { (void)root<Message>(data, "MESSAGE"); }), ErrorCode::unsupported_type);
  EXPECT_EQ(root<Message>(data)->number(), 1U);
  EXPECT_EQ(code_of([] { (void)root<Tree>(tree_of(1), "TREE"); }, &text),
            ErrorCode::unsupported_type);
  EXPECT_NE(text.find("no identifier"), std::string::npos) << text;
}

TEST(FlatBuffer, OneOfAnotherSchemaIsRefused) {
  // A Detection needs a label, and where that is, a Tree has a number.
  std::string text;
  EXPECT_EQ(code_of([] { (void)root<ipc0cp_schema::Detection>(tree_of(2)); }, &text),
            ErrorCode::corrupt_payload);
  EXPECT_NE(text.find("failed verification"), std::string::npos) << text;
}

TEST(FlatBuffer, LimitsAreKeptAndCanBeChanged) {
  EXPECT_EQ(root<Tree>(tree_of(64))->value(), 64);
  std::string text;
  EXPECT_EQ(code_of([] { (void)root<Tree>(tree_of(65)); }, &text), ErrorCode::corrupt_payload);
  EXPECT_NE(text.find("64 levels"), std::string::npos) << text;
  EXPECT_EQ(root<Tree>(tree_of(65), {}, {.max_depth = 65})->value(), 65);
  EXPECT_EQ(code_of([] { (void)root<Tree>(tree_of(3), {}, {.max_tables = 2}); }),
            ErrorCode::corrupt_payload);
  EXPECT_EQ(root<Tree>(tree_of(3), {}, {.max_tables = 3})->value(), 3);
}

TEST(FlatBuffer, SharedTablesAreCountedAsOftenAsTheyAreReferredTo) {
  // 30 levels with two references to the next each: 2^30 ways through a buffer of 1 KiB.
  Builder builder;
  auto tree = ipc0cp_schema::make_tree(builder, 1);
  for (int level = 0; level < 30; ++level) {
    const std::vector<flatbuffers::Offset<Tree>> twice = {tree, tree};
    tree = CreateTreeDirect(builder, level, &twice);
  }
  builder.Finish(tree);
  const FlatBufferData data = from_flatbuffer(std::move(builder));
  EXPECT_LT(data.bytes().size(), 1500U);
  EXPECT_EQ(code_of([&] { (void)root<Tree>(data); }), ErrorCode::corrupt_payload);
}

TEST(FlatBuffer, IsVerifiedOnce) {
  const Buffer buffer(finished_message(1));
  const FlatBufferData data(buffer.payload());
  const FlatBufferData copied_before = data;
  ASSERT_EQ(root<Message>(data)->number(), 1U);
  // Damage that only verification would notice: what it found is remembered, in copies too.
  std::memset(buffer.owner.get() + 8, 0xFF, buffer.bytes - 8);
  EXPECT_NO_THROW((void)root<Message>(data));
  EXPECT_NO_THROW((void)root<Message>(FlatBufferData(data)));
  EXPECT_EQ(code_of([&] { (void)root<Message>(copied_before); }), ErrorCode::corrupt_payload);
  // As something else, and in other memory, it is verified anew.
  EXPECT_EQ(code_of([&] { (void)root<Tree>(data); }), ErrorCode::corrupt_payload);
  EXPECT_EQ(code_of([&] { (void)root<Message>(data.clone()); }), ErrorCode::corrupt_payload);
}

TEST(FlatBuffer, ACloneIsIndependent) {
  const Buffer buffer(finished_message(1));
  const FlatBufferData clone = FlatBufferData(buffer.payload()).clone();
  std::memset(buffer.owner.get(), 0, buffer.bytes);
  EXPECT_EQ(root<Message>(clone, "MESG")->number(), 1U);
}

TEST(FlatBuffer, ThreadsShareOne) {
  const FlatBufferData data = data_of(finished_message(1));
  const std::uint64_t expected = Reader().sum(*root<Message>(data.clone()));
  std::vector<std::uint64_t> sums(4);
  std::vector<std::thread> threads;
  for (std::uint64_t& sum : sums) {
    threads.emplace_back([&data, &sum] {
      for (int round = 0; round < 100; ++round) {
        const FlatBufferData copy = data;
        sum = Reader().sum(*root<Message>(round % 2 == 0 ? data : copy, "MESG"));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(sums, std::vector<std::uint64_t>(4, expected));
}

/// Refused, or safe to read to the end: the sanitizers watch.
void read_if_accepted(const std::vector<std::uint8_t>& content, unsigned& refused,
                      std::uint64_t& sum) {
  const ErrorCode code = code_of([&] {
    const FlatBufferData data = data_of(content);
    sum += Reader(1000).sum(*root<Message>(data));
  });
  if (code == ErrorCode::ok) return;
  ++refused;
  EXPECT_TRUE(code == ErrorCode::corrupt_payload || code == ErrorCode::invalid_argument)
      << to_string(code);
}

TEST(FlatBuffer, NoChangeOfAByteLeadsOutOfTheBuffer) {
  for (const bool size_prefixed : {false, true}) {
    const auto good = finished_message(1, true, size_prefixed);
    unsigned refused = 0;
    std::uint64_t sum = 0;
    for (std::size_t place = 0; place < good.size(); ++place) {
      for (const unsigned change : {0x01U, 0x04U, 0x10U, 0x80U, 0xFFU}) {
        auto content = good;
        content[place] = static_cast<std::uint8_t>(content[place] ^ change);
        read_if_accepted(content, refused, sum);
      }
    }
    EXPECT_GT(refused, good.size()) << "of " << 5 * good.size();
    EXPECT_GT(sum, 0U);
  }
}

TEST(FlatBuffer, NoneThatIsCutOffIsReadPastItsEnd) {
  const auto good = finished_message(1);
  unsigned refused = 0;
  std::uint64_t sum = 0;
  for (std::size_t size = 0; size < good.size(); ++size) {
    read_if_accepted({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}, refused,
                     sum);
  }
  EXPECT_GT(refused, good.size() - 8) << "only padding may be missing";
}

}  // namespace
}  // namespace ipc0cp
