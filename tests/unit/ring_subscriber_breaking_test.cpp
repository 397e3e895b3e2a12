// SPDX-License-Identifier: Apache-2.0
// Subscribers of rings whose shared words are damaged, and in corners where little happens.
#include <gtest/gtest.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <thread>

#include "subscribers.hpp"

namespace ipc0cp::testing {
namespace {

void recover(shm::AttachedRing& ring) {
  ASSERT_EQ(ring.lock(platform::now_ns() + platform::kSecond), ErrorCode::ok);
  ring.recover();
  ASSERT_EQ(ring.unlock(), ErrorCode::ok);
}

/// Where the first byte at or behind `offset` stands that memory backs.
off_t next_data(const shm::AttachedRing& ring, std::uint64_t offset) {
  return lseek(ring.participants().probe_file(), static_cast<off_t>(offset), SEEK_DATA);
}

TEST(DamagedSubscription, NobodyTouchesTheOrderBeforeItIsBacked) {
  Pair pair;
  ASSERT_TRUE(pair.push(9000));
  shm::Descriptor& head = pair.segment().descriptor(pair.header().queue_head);
  head.state.fetch_or(shm::kShared);
  recover(pair.ring());
  const shm::Geometry& geometry = pair.segment().geometry();
  const off_t backed = next_data(pair.ring(), geometry.records_offset);
  EXPECT_TRUE(backed < 0 || static_cast<std::uint64_t>(backed) >= geometry.arena_offset) << backed;
}

TEST(DamagedSubscription, AnImpossibleMessageIsNotHandedToTheAllocator) {
  for (const std::size_t bytes : {64U, 9000U}) {
    const RingName name;
    SharedRingBufferProducer producer(name.get(), kMebi, broadcasting());
    SharedRingBufferConsumer consumer(name.get(), 0, subscribing());
    const shm::Segment& segment = producer.channel().ring().segment();
    for (unsigned number = 0; number < 3; ++number) {
      ASSERT_TRUE(producer.push_raw({}, bytes_of(bytes, number)));
    }
    const std::uint32_t index = segment.order(1);
    segment.descriptor(index).extent_bytes = std::uint64_t{1} << 40;
    expect_code(ErrorCode::corrupt_payload, [&] { consumer.pop_raw(5s); });
    expect_next(consumer, bytes, 1);
    recover(producer.channel().ring());
    EXPECT_EQ(shm::state_of(segment.descriptor(index).state.load()), shm::State::kQuarantined);
    EXPECT_EQ(producer.channel().ring().header().quarantined, 1U);
    expect_next(consumer, bytes, 2);
    for (unsigned number = 3; number < 100; ++number) {
      ASSERT_TRUE(producer.push_raw({}, bytes_of(bytes, number)));
      expect_next(consumer, bytes, number);
    }
    EXPECT_EQ(consumer.missed(), 1U);
    expect_consistent(segment);
  }
}

TEST(ASubscriberThatCountsAsDead, MovesNoCursorOfItsSuccessor) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi, broadcasting());
  SharedRingBufferConsumer first(name.get(), 0, subscribing());
  SharedRingBufferConsumer dead(name.get(), 0, subscribing());
  const std::uint32_t slot = shm::slot_of(dead.channel().ring().self());
  first.close();
  dead.channel().ring().participants().drop_unclean();  // As close_range does.
  recover(producer.channel().ring());
  const SharedRingBufferProducer filler(name.get(), 0, broadcasting());  // In the slot of `first`.
  SharedRingBufferConsumer heir(name.get(), 0, subscribing());
  ASSERT_EQ(shm::slot_of(heir.channel().ring().self()), slot);
  for (unsigned number = 0; number < 3; ++number) {
    ASSERT_TRUE(producer.push_raw({}, bytes_of(64, number)));
  }
  std::vector<std::byte> rows(64);
  EXPECT_EQ(dead.pop_rows(kBytesMetadata, rows, 1), 0U);
  EXPECT_TRUE(dead.channel().watch().has_answer()) << "a pop says what has become of it";
  for (unsigned number = 0; number < 3; ++number) expect_next(heir, 64, number);
  expect_code(ErrorCode::corrupt_buffer, [&] { dead.pop_raw(5s); });
  EXPECT_EQ(heir.missed(), 0U);
}

/// What a batch has taken and its caller did not hand out.
void put_back_all(SharedRingBufferConsumer& consumer, std::size_t count) {
  std::vector<Message> messages = consumer.pop_many_raw(count, 5s);
  ASSERT_EQ(messages.size(), count);
  consumer.put_back(nullptr, messages);
}

TEST(LatestOfASubscriber, IsWhatWasPutBackIfNothingIsNewer) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  SharedRingBufferConsumer idle_worker(name.get(), 0);
  SharedRingBufferConsumer consumer(name.get(), 0, subscribing());
  for (unsigned number = 0; number < 3; ++number) {
    ASSERT_TRUE(producer.push_raw({}, bytes_of(64, number)));
  }
  put_back_all(consumer, 3);
  const auto message = consumer.pop_latest_raw(100ms);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(equal(message->payload(), bytes_of(64, 2)));
  EXPECT_EQ(consumer.missed(), 2U);
  EXPECT_EQ(consumer.stats().overflowed, 0U) << "the queue has lost nothing";
}

TEST(LatestOfASubscriber, IsNotWhatWasPutBackIfSomethingIsNewer) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  SharedRingBufferConsumer worker(name.get(), 0);
  SharedRingBufferConsumer consumer(name.get(), 0, subscribing());
  for (unsigned number = 0; number < 3; ++number) {
    ASSERT_TRUE(producer.push_raw({}, bytes_of(64, number)));
  }
  put_back_all(consumer, 2);
  for (unsigned number = 0; number < 3; ++number) expect_next(worker, 64, number);
  const auto message = consumer.pop_latest_raw(100ms);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(equal(message->payload(), bytes_of(64, 2)));
  EXPECT_EQ(consumer.missed(), 2U);
}

/// An object during whose writing something happens.
class Eventful : public SerializableObject {
 public:
  Eventful(std::size_t bytes, std::function<void()> event)
      : bytes_(bytes_of(bytes)), event_(std::move(event)) {}
  [[nodiscard]] std::string_view type_name() const noexcept override { return "Eventful"; }
  [[nodiscard]] std::string_view metadata_json() const override { return kText; }
  [[nodiscard]] std::size_t payload_bytes() const noexcept override { return bytes_.size(); }
  void write_payload(std::span<std::byte> target) const override {
    std::copy(bytes_.begin(), bytes_.end(), target.begin());
    event_();
  }

 private:
  static constexpr std::string_view kText = R"({"type":"bytes"})";
  std::vector<std::byte> bytes_;
  std::function<void()> event_;
};

TEST(BroadcastPush, OfAnObjectWaitsForTheNextSubscriberLikeOneOfBytes) {
  const RingName name;
  ProducerOptions options = broadcasting();
  options.keep = true;
  SharedRingBufferProducer producer(name.get(), kMebi, options);
  auto consumer = std::make_unique<SharedRingBufferConsumer>(name.get(), 0, subscribing());
  std::thread next;
  int written = 0;
  const Eventful object(9000, [&] {
    if (++written > 1) return;
    consumer.reset();  // The last one leaves while the message is written.
    next = std::thread([&] {
      std::this_thread::sleep_for(50ms);
      consumer = std::make_unique<SharedRingBufferConsumer>(name.get(), 0, subscribing());
    });
  });
  bool pushed = false;
  try {
    pushed = producer.push(object, 10s);
  } catch (const Error& error) {
    ADD_FAILURE() << error.what();
  }
  EXPECT_TRUE(pushed);
  if (next.joinable()) next.join();
  EXPECT_TRUE(consumer->try_pop_raw().has_value());
}

}  // namespace
}  // namespace ipc0cp::testing
