// SPDX-License-Identifier: Apache-2.0
// Rings that are kept while nobody has a handle: in this process, in children, past every death.
#include "ipc0cp/ring_keeper.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

/// Makes a ring with one message in it, keeps it, and leaves it without any handle.
RingKeeper keep_a_message(const RingName& name) {
  SharedRingBufferProducer producer(name.get(), kMebi);
  SharedRingBufferConsumer consumer(name.get(), 0);
  RingKeeper keeper(name.get());
  EXPECT_TRUE(producer.push_raw({}, bytes_of(100)));
  producer.close();
  return keeper;
}

void expect_message(const RingName& name) {
  SharedRingBufferConsumer consumer(name.get(), 0);
  const std::optional<Message> message = consumer.pop_raw(5s);
  ASSERT_TRUE(message.has_value());
  EXPECT_TRUE(equal(message->payload(), bytes_of(100)));
}

/// A child that inherits what is there, waits for `end`, and leaves by running `body`.
template <class Body>
class Child {
 public:
  explicit Child(Body body) {
    EXPECT_EQ(pipe2(pipe_, O_CLOEXEC), 0);
    process_ = fork();
    EXPECT_GE(process_, 0);
    if (process_ != 0) return;
    ::close(pipe_[1]);
    char unused = 0;
    static_cast<void>(read(pipe_[0], &unused, 1));
    body();
    _exit(0);
  }
  ~Child() { end(); }
  void end() {
    if (process_ == 0) return;
    ::close(pipe_[0]);
    ::close(pipe_[1]);
    int status = 0;
    EXPECT_EQ(waitpid(std::exchange(process_, 0), &status, 0) > 0, true);
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0) << status;
  }

 private:
  int pipe_[2]{-1, -1};
  pid_t process_ = 0;
};

TEST(Keeper, RingStaysWithoutHandlesAndKeepsWhatIsQueued) {
  const RingName name;
  RingKeeper keeper = keep_a_message(name);
  EXPECT_TRUE(name.exists());
  expect_message(name);
  EXPECT_TRUE(name.exists()) << "its only consumer has closed, but the ring is kept";
  keeper.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keeper, EmptyRingIsNotReplaced) {
  const RingName name;
  std::uint64_t id = 0;
  SharedRingBufferProducer(name.get(), kMebi).close();
  const RingKeeper keeper(name.get());
  {
    SharedRingBufferConsumer consumer(name.get(), 0);
    id = consumer.channel().ring().header().ring_id;
  }
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  EXPECT_EQ(consumer.channel().ring().header().ring_id, id);
}

TEST(Keeper, LastConsumerRemovesTheRingIfTheKeeperWentFirst) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  {
    RingKeeper keeper(name.get());
    SharedRingBufferConsumer other(name.get(), kMebi);
  }
  EXPECT_TRUE(name.exists());
  consumer.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keeper, ProducersThatAreStillThereDoNotHoldTheNameBack) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  RingKeeper(name.get()).close();
  EXPECT_FALSE(name.exists());
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, {}); });
}

TEST(Keeper, IsNobodyToPushesAndAtTheEndOfStream) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kMebi);
  const RingKeeper keeper(name.get());
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, {}, Timeout::none()); });
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  producer.close();
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Keeper, OneKeeperPerRing) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  RingKeeper keeper(name.get());
  const std::string text =
      expect_code(ErrorCode::invalid_argument, [&] { RingKeeper second(name.get()); });
  EXPECT_NE(text.find("keeper already"), std::string::npos) << text;
  keeper.close();
  EXPECT_EQ(keeper.descriptor(), -1);
  EXPECT_NO_THROW(RingKeeper again(name.get()));
}

TEST(Keeper, OfNothingIsRefused) {
  const RingName name;
  expect_code(ErrorCode::system_error, [&] { RingKeeper keeper(name.get()); });
  expect_code(ErrorCode::invalid_argument, [] { RingKeeper keeper("a/b"); });
  SharedRingBufferConsumer consumer(name.get(), kMebi);
  expect_code(ErrorCode::invalid_argument, [&] { RingKeeper::adopt(name.get(), -1); });
  const int other = open("/dev/null", O_RDWR | O_CLOEXEC);
  expect_code(ErrorCode::invalid_argument, [&] { RingKeeper::adopt(name.get(), other); });
  EXPECT_EQ(close(other), 0) << "a refused descriptor stays the caller's";
}

TEST(Keeper, ADescriptorThatWasSentKeepsAsWell) {
  const RingName name;
  RingKeeper first = keep_a_message(name);
  RingKeeper second = RingKeeper::adopt(name.get(), dup(first.descriptor()));
  first.close();
  EXPECT_TRUE(name.exists());
  RingKeeper third(std::move(second));
  EXPECT_EQ(second.descriptor(), -1);  // NOLINT: what a moved-from keeper is left as.
  expect_message(name);
  EXPECT_TRUE(name.exists());
  third.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keeper, AForkedChildKeepsItPastItsParent) {
  const RingName name;
  RingKeeper keeper = keep_a_message(name);
  Child child([&] { keeper.close(); });
  keeper.close();
  EXPECT_TRUE(name.exists());
  expect_message(name);
  EXPECT_TRUE(name.exists());
  child.end();
  EXPECT_FALSE(name.exists()) << "the child was last";
}

TEST(Keeper, ChildrenThatAreKilledKeepNothing) {
  const RingName name;
  RingKeeper keeper = keep_a_message(name);
  Child child([] { die(); });
  child.end();
  keeper.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keeper, ADeadHolderOfTheLockIsNoObstacle) {
  const RingName name;
  RingKeeper keeper = keep_a_message(name);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kMebi);
    if (producer.channel().ring().try_lock() == ErrorCode::ok) die();
  });
  expect_message(name);
  keeper.close();
  EXPECT_FALSE(name.exists());
  // And with nobody between its death and the keeper's end.
  RingKeeper again = keep_a_message(name);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kMebi);
    if (producer.channel().ring().try_lock() == ErrorCode::ok) die();
  });
  again.close();
  EXPECT_FALSE(name.exists());
}

TEST(Keeper, WithoutAnyKeeperLeftTheRingIsAnOrphan) {
  const RingName name;
  std::optional<RingKeeper> keeper(keep_a_message(name));
  Child child([] { die(); });
  keeper.reset();
  child.end();
  EXPECT_TRUE(name.exists()) << "the last one was killed";
  expect_message(name);
  EXPECT_FALSE(name.exists()) << "and the next consumer cleans up";
}

TEST(Keeper, SeveralThatLeaveAtOnceLeaveNothing) {
  for (int round = 0; round < 20; ++round) {
    const RingName name;
    RingKeeper keeper = keep_a_message(name);
    {
      const auto close = [&] { keeper.close(); };
      Child first(close);
      Child second(close);
      Child third(close);
      keeper.close();
    }
    ASSERT_FALSE(name.exists()) << "round " << round;
  }
}

}  // namespace
}  // namespace ipc0cp::testing
