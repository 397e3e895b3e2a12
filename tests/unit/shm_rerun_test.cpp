// SPDX-License-Identifier: Apache-2.0
// Rings that others have left: reruns, orphans, retired names, forks.
#include <gtest/gtest.h>

#include "captured_log.hpp"
#include "platform/clock.hpp"
#include "shm_pair.hpp"

namespace ipc0cp::testing {
namespace {

constexpr std::size_t kRing = 256 * kKibi;

/// A ring with three messages, two of which were pushed by a producer that then was killed.
/// Nobody lives in it any more.
void leave_dead_ring(const RingName& name, bool producer_died = true) {
  run_and_die([&] {
    SharedRingBufferConsumer consumer(name.get(), kRing);
    SharedRingBufferProducer clean(name.get(), kRing);
    clean.push_raw({}, bytes_of(100, 1));
    clean.close();
    SharedRingBufferProducer doomed(name.get(), kRing);
    doomed.push_raw({}, bytes_of(9000, 2));
    doomed.push_raw({}, bytes_of(100, 3));
    if (!producer_died) doomed.close();
    die();
  });
  ASSERT_TRUE(name.exists());
}

void expect_the_three(SharedRingBufferConsumer& consumer) {
  EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(100, 1)));
  EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(9000, 2)));
  EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(100, 3)));
}

// ---- reruns -------------------------------------------------------------------------------------

TEST(Rerun, AllProducersHadClosed_ConsumerGetsTheRestAndTheEnd) {
  const RingName name;
  leave_dead_ring(name, false);
  SharedRingBufferConsumer consumer(name.get(), kRing);
  expect_the_three(consumer);
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Rerun, SomeDied_ConsumerGetsTheRestAndWaitsForANewProducer) {
  const RingName name;
  leave_dead_ring(name);
  const Log log;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  EXPECT_NE(log.text().find("3 message"), std::string::npos) << log.text();
  expect_the_three(consumer);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
  { SharedRingBufferProducer producer(name.get(), kRing); }
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Rerun, SomeDied_ConsumerMayDiscard) {
  const RingName name;
  leave_dead_ring(name);
  ConsumerOptions options;
  options.stale = Stale::discard;
  SharedRingBufferConsumer consumer(name.get(), kRing, options);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
  EXPECT_EQ(consumer.stats().dropped, 3U);
  EXPECT_EQ(consumer.stats().used_bytes, 0U);
}

TEST(Rerun, SomeDied_FirstProducerDiscards) {
  const RingName name;
  leave_dead_ring(name);
  const Log log;
  SharedRingBufferProducer producer(name.get(), kRing);
  EXPECT_NE(log.text().find("3 message"), std::string::npos) << log.text();
  SharedRingBufferConsumer consumer(name.get(), kRing);
  producer.push_raw({}, bytes_of(100, 9));
  EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(100, 9)));
  EXPECT_EQ(consumer.stats().dropped, 3U);
  producer.close();
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Rerun, SomeDied_FirstProducerMayResume) {
  const RingName name;
  leave_dead_ring(name);
  ProducerOptions options;
  options.stale = Stale::resume;
  SharedRingBufferProducer producer(name.get(), kRing, options);
  SharedRingBufferConsumer consumer(name.get(), kRing);
  expect_the_three(consumer);
  producer.close();
  EXPECT_FALSE(consumer.pop_raw(5s).has_value());
}

TEST(Rerun, ConsumerFirst_ThenTheProducerDoesNotDiscard) {
  const RingName name;
  leave_dead_ring(name);
  SharedRingBufferConsumer consumer(name.get(), kRing);
  SharedRingBufferProducer producer(name.get(), kRing);
  expect_the_three(consumer);
}

TEST(Rerun, MessageInTheHandsOfADeadConsumerIsLostNotRepeated) {
  const RingName name;
  run_and_die([&] {
    SharedRingBufferConsumer consumer(name.get(), kRing);
    SharedRingBufferProducer producer(name.get(), kRing);
    producer.push_raw({}, bytes_of(9000, 1));
    producer.push_raw({}, bytes_of(9000, 2));
    const auto held = consumer.pop_raw(5s);
    die();
  });
  SharedRingBufferConsumer consumer(name.get(), kRing);
  EXPECT_TRUE(equal(consumer.pop_raw(5s)->payload(), bytes_of(9000, 2)));
  EXPECT_EQ(consumer.stats().lost, 1U);
}

TEST(Rerun, EmptyDeadRingIsReplacedWhateverItsSize) {
  const RingName name;
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kRing);
    die();
  });
  SharedRingBufferConsumer consumer(name.get(), 2 * kRing);
  EXPECT_EQ(consumer.stats().total_data_bytes, 2 * kRing);
  expect_code(ErrorCode::timeout, [&] { consumer.pop_raw(5ms); });
}

TEST(Rerun, DeadRingWithMessagesKeepsItsSize) {
  const RingName name;
  leave_dead_ring(name);
  expect_code(ErrorCode::size_mismatch,
              [&] { SharedRingBufferConsumer consumer(name.get(), 2 * kRing); });
  SharedRingBufferConsumer consumer(name.get(), 0);
  expect_the_three(consumer);
}

TEST(Rerun, RetiredNameThatWasNotRemovedIsReplaced) {
  const RingName name;
  run_and_die([&] {
    SharedRingBufferConsumer consumer(name.get(), kRing);
    SharedRingBufferProducer producer(name.get(), kRing);
    producer.push_raw({}, bytes_of(100, 1));
    consumer.channel().ring().header().retired = 1;  // Killed before the unlink.
    die();
  });
  ASSERT_TRUE(name.exists());
  SharedRingBufferConsumer consumer(name.get(), 2 * kRing);
  EXPECT_EQ(consumer.stats().total_data_bytes, 2 * kRing);
  EXPECT_EQ(consumer.stats().messages, 0U);
}

TEST(Rerun, NewcomerDoesNotJoinARetiredRingThatIsStillInUse) {
  const RingName name;
  SharedRingBufferProducer producer(name.get(), kRing);
  producer.channel().ring().header().retired = 1;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  EXPECT_EQ(consumer.stats().active_producers, 0U);
  expect_code(ErrorCode::no_consumers, [&] { producer.push_raw({}, bytes_of(10)); });
}

TEST(Rerun, OldHandlesOfARemovedNameDoNotRemoveTheNewRing) {
  const RingName name;
  SharedRingBufferProducer old_producer(name.get(), kRing);
  { SharedRingBufferConsumer old_consumer(name.get(), kRing); }
  SharedRingBufferConsumer consumer(name.get(), kRing);
  old_producer.close();
  EXPECT_TRUE(name.exists());
}

TEST(Rerun, DeathOfALockHolderIsRepairedByTheNextOne) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kRing);
    producer.push_raw({}, bytes_of(100, 1));
    static_cast<void>(producer.channel().ring().lock(platform::kForever));
    die();
  });
  EXPECT_TRUE(equal(consumer.pop_raw(20s)->payload(), bytes_of(100, 1)));
  EXPECT_FALSE(consumer.pop_raw(20s).has_value());
}

// ---- fork ---------------------------------------------------------------------------------------

/// Runs `body` in a forked child and expects it to return true.
template <class Body>
void expect_in_child(Body body) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(body() ? 0 : 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

template <class Call>
bool fails_as_forked(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code() == ErrorCode::forked_handle;
  }
  return false;
}

TEST(Fork, HandlesAreOfNoUseInTheChildAndUnharmedInTheParent) {
  std::optional<Pair> pair(std::in_place);
  pair->push(9000, 1);
  std::optional<Loan> loan = pair->producer.loan(100);
  expect_in_child([&] {
    const bool refused = fails_as_forked([&] { pair->producer.push_raw({}, {}, 1ms); }) &&
                         fails_as_forked([&] { pair->consumer.pop_raw(1ms); }) &&
                         fails_as_forked([&] { static_cast<void>(pair->consumer.stats()); }) &&
                         fails_as_forked([&] { static_cast<void>(pair->producer.stats()); }) &&
                         fails_as_forked([&] { loan->publish(); });
    loan.reset();
    pair->producer.close();
    pair->consumer.close();
    return refused;
  });
  EXPECT_TRUE(loan->publish());
  pair->expect_pop(9000, 1);
  EXPECT_TRUE(pair->consumer.pop_raw(5s).has_value());
  EXPECT_EQ(pair->consumer.stats().active_producers, 1U);
  EXPECT_TRUE(pair->name.exists());
}

TEST(Fork, ViewStaysValidInTheChildWhateverTheParentDoes) {
  Pair pair(kRing);
  pair.push(20000, 1);
  std::optional<Message> view = pair.consumer.pop_raw(5s);
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    char byte = 0;
    static_cast<void>(read(go[0], &byte, 1));  // Until the parent has reused the block.
    _exit(equal(view->payload(), bytes_of(20000, 1)) ? 0 : 1);
  }
  close(go[0]);
  view.reset();
  for (unsigned number = 2; number < 40; ++number) {
    pair.push(20000, number);
    pair.expect_pop(20000, number);
  }
  close(go[1]);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0) << "the child saw other bytes";
}

TEST(Fork, ChildDoesNotKeepTheParentAlive) {
  const RingName name;
  SharedRingBufferConsumer consumer(name.get(), kRing);
  int grandchild_lives[2];
  ASSERT_EQ(pipe(grandchild_lives), 0);
  run_and_die([&] {
    SharedRingBufferProducer producer(name.get(), kRing);
    if (fork() == 0) {
      close(grandchild_lives[1]);
      char byte = 0;
      static_cast<void>(read(grandchild_lives[0], &byte, 1));
      _exit(0);
    }
    die();
  });
  // The grandchild still runs; the token must be free nevertheless.
  EXPECT_FALSE(consumer.pop_raw(20s).has_value());
  close(grandchild_lives[1]);
  close(grandchild_lives[0]);
}

TEST(Fork, ChildDoesNotKeepTheParentsToken) {
  Pair pair;
  auto producer = pair.another_producer();
  const shm::Owner owner = producer.channel().ring().participants().self();
  int go[2];
  int runs[2];
  ASSERT_EQ(pipe(go), 0);
  ASSERT_EQ(pipe(runs), 0);
  const pid_t child = fork();
  char byte = 0;
  if (child == 0) {
    close(go[1]);
    if (write(runs[1], &byte, 1) != 1) _exit(1);
    _exit(read(go[0], &byte, 1) == 0 ? 0 : 1);  // Until the parent has looked.
  }
  close(go[0]);
  ASSERT_EQ(read(runs[0], &byte, 1), 1);
  EXPECT_FALSE(pair.ring().participants().is_dead(owner));
  producer.close();
  // By the token alone: the parent lives, so no other rule can tell.
  EXPECT_TRUE(pair.ring().participants().is_dead(owner));
  close(go[1]);
  close(runs[0]);
  close(runs[1]);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(Fork, ChildMayOpenTheRingAnew) {
  Pair pair;
  expect_in_child([&] {
    SharedRingBufferProducer producer(pair.name.get(), kMebi);
    return producer.push_raw({}, bytes_of(9000, 5), 5s);
  });
  pair.expect_pop(9000, 5);
}

}  // namespace
}  // namespace ipc0cp::testing
