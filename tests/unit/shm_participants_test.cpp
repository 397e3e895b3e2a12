// SPDX-License-Identifier: Apache-2.0
#include "shm/participants.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <memory>
#include <vector>

#include "platform/clock.hpp"
#include "platform/liveness.hpp"
#include "shm_ring.hpp"

namespace ipc0cp::testing {
namespace {

using platform::LockKind;
using platform::LockResult;

class ParticipantsTest : public ::testing::Test {
 protected:
  Participants& me() { return ring_.attached->participants(); }
  std::uint64_t slot_word(Owner owner) { return ring_.segment().slot(slot_of(owner)).word; }
  BareRing ring_;
};

TEST_F(ParticipantsTest, EachHandleHasASlotOfItsOwn) {
  const auto second = ring_.join(Role::kProducer);
  EXPECT_NE(slot_of(second->self()), slot_of(me().self()));
  EXPECT_NE(slot_of(me().self()), 0U);
  EXPECT_GE(incarnation_of(me().self()), 1U);
}

TEST_F(ParticipantsTest, LivingIsNotDeadAndDeadIsDead) {
  const auto second = ring_.join(Role::kProducer);
  EXPECT_FALSE(me().is_dead(second->self()));
  EXPECT_FALSE(me().is_gone(slot_of(second->self()), slot_word(second->self())));
  BareRing::kill(*second);
  EXPECT_TRUE(me().is_dead(second->self()));
  EXPECT_TRUE(me().is_gone(slot_of(second->self()), slot_word(second->self())));
}

TEST_F(ParticipantsTest, SuccessorRaisesTheIncarnationAndKnowsOfTheDeath) {
  const Owner dead = ring_.dead_owner();
  const auto successor = ring_.join(Role::kProducer);
  ASSERT_EQ(slot_of(successor->self()), slot_of(dead));
  EXPECT_EQ(incarnation_of(successor->self()), incarnation_of(dead) + 1);
  EXPECT_TRUE(successor->predecessor_died());
  EXPECT_TRUE(me().is_dead(dead));
  EXPECT_FALSE(me().is_dead(successor->self()));
}

TEST_F(ParticipantsTest, SuccessorOfOneThatLeftKnowsOfNoDeath) {
  Owner left = 0;
  {
    const auto other = ring_.join(Role::kLingering);
    left = other->self();
  }
  EXPECT_EQ(role_of(slot_word(left)), Role::kNobody);
  const auto successor = ring_.join(Role::kProducer);
  ASSERT_EQ(slot_of(successor->self()), slot_of(left));
  EXPECT_FALSE(successor->predecessor_died());
}

TEST_F(ParticipantsTest, IncarnationNeverBecomesZero) {
  const Owner dead = ring_.dead_owner();
  ring_.segment().slot(slot_of(dead)).word = make_slot_word(kIncarnationMask, Role::kProducer);
  const auto successor = ring_.join(Role::kProducer);
  ASSERT_EQ(slot_of(successor->self()), slot_of(dead));
  EXPECT_EQ(incarnation_of(successor->self()), 1U);
}

TEST_F(ParticipantsTest, ClaimedSlotIsPassedOver) {
  platform::File stranger;
  ASSERT_EQ(platform::open_again(ring_.file, stranger), 0);
  const std::uint32_t next = slot_of(me().self()) + 1;
  ASSERT_EQ(platform::lock_byte(stranger.get(), kClaimByte + next, LockKind::write),
            LockResult::taken);
  const auto other = ring_.join(Role::kProducer);
  EXPECT_EQ(slot_of(other->self()), next + 1);
}

TEST_F(ParticipantsTest, SlotWhoseTokenIsStillHeldIsPassedOver) {
  platform::File clone;
  ASSERT_EQ(platform::open_again(ring_.file, clone), 0);
  const std::uint32_t next = slot_of(me().self()) + 1;
  ASSERT_EQ(platform::lock_byte(clone.get(), kTokenByte + next, LockKind::write),
            LockResult::taken);
  const auto other = ring_.join(Role::kProducer);
  EXPECT_EQ(slot_of(other->self()), next + 1);
}

TEST_F(ParticipantsTest, AttacherStoppedBeforeItsTokenIsJudgedByItsClaim) {
  const std::uint32_t index = slot_of(me().self()) + 1;
  ring_.segment().slot(index).word = make_slot_word(5, Role::kAttaching);
  EXPECT_TRUE(me().is_gone(index, make_slot_word(5, Role::kAttaching)));
  platform::File attacher;
  ASSERT_EQ(platform::open_again(ring_.file, attacher), 0);
  platform::lock_byte(attacher.get(), kClaimByte + index, LockKind::write);
  EXPECT_FALSE(me().is_gone(index, make_slot_word(5, Role::kAttaching)));
  // Its predecessor in the slot is dead nevertheless: the incarnation is another one.
  EXPECT_TRUE(me().is_dead(make_owner(index, 4)));
}

TEST_F(ParticipantsTest, RoleOfAVoidedIncarnationCannotBeSet) {
  Slot& slot = me().own_slot();
  slot.word = make_slot_word(incarnation_of(me().self()) + 1, Role::kConsumer);
  EXPECT_FALSE(me().set_role(Role::kLingering));
}

TEST_F(ParticipantsTest, LostTokenIsNoticed) {
  EXPECT_TRUE(me().own_token_is_held());
  platform::unlock_byte(me().token_file(), kTokenByte + slot_of(me().self()));
  EXPECT_FALSE(me().own_token_is_held());
}

/// Voided as a raw clone's, and the slot taken again: the byte is held, but by the successor.
TEST_F(ParticipantsTest, TokenOfASuccessorIsNotOurs) {
  const auto voided = ring_.join(Role::kProducer);
  const std::uint32_t slot = slot_of(voided->self());
  platform::unlock_byte(voided->token_file(), kTokenByte + slot);
  platform::unlock_byte(voided->token_file(), kClaimByte + slot);
  const auto successor = ring_.join(Role::kProducer);
  ASSERT_EQ(slot_of(successor->self()), slot);
  EXPECT_FALSE(voided->own_token_is_held());
  EXPECT_TRUE(successor->own_token_is_held());
}

TEST_F(ParticipantsTest, TokenThatWasClosedWithEveryOtherDescriptorIsNoticed) {
  const auto other = ring_.join(Role::kProducer);
  close(other->token_file());
  close(other->probe_file());
  EXPECT_FALSE(other->own_token_is_held());
  EXPECT_FALSE(me().is_dead(me().self())) << "but nobody else is declared dead for that";
  EXPECT_FALSE(other->is_dead(me().self()));
}

TEST_F(ParticipantsTest, LostTokenIsNoticedThoughOthersLookAroundFirst) {
  AttachedRing& ring = *ring_.attached;
  const std::int64_t interval_ns = 10 * platform::kMillisecond;
  std::int64_t now_ns = platform::now_ns();
  EXPECT_EQ(ring.sweep(now_ns, interval_ns), ErrorCode::ok);
  platform::unlock_byte(me().token_file(), kTokenByte + slot_of(me().self()));
  now_ns += interval_ns;
  ring_.header().last_sweep_ns = now_ns;
  EXPECT_EQ(ring.sweep(now_ns, interval_ns), ErrorCode::corrupt_buffer);
  EXPECT_TRUE(ring.token_lost());
}

TEST_F(ParticipantsTest, DescribesItsProcess) {
  const Slot& slot = me().own_slot();
  EXPECT_EQ(slot.process_id, static_cast<std::uint32_t>(getpid()));
  EXPECT_NE(slot.start_time_ticks, 0U);
  EXPECT_NE(slot.pid_namespace_inode, 0U);
}

TEST_F(ParticipantsTest, HolderOfATokenWhoseProcessIsGoneIsVoided) {
  const auto other = ring_.join(Role::kProducer);
  const std::uint32_t index = slot_of(other->self());
  Slot& slot = ring_.segment().slot(index);
  const pid_t child = fork();
  if (child == 0) _exit(0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  me().void_if_certainly_gone(index, false);
  EXPECT_FALSE(me().is_dead(other->self())) << "its process lives";
  slot.process_id = static_cast<std::uint32_t>(child);
  me().void_if_certainly_gone(index, false);
  EXPECT_TRUE(me().is_dead(other->self()));
}

TEST_F(ParticipantsTest, VoidedOwnerIsRecoveredWhoeverVoidedIt) {
  const auto other = ring_.join(Role::kProducer);
  const std::uint32_t index = slot_of(other->self());
  ring_.put(0, State::kLoaned, other->self(), 0, 5000);
  // Voided by somebody who died at once, while a recovery went on that had seen it alive.
  Slot& slot = ring_.segment().slot(index);
  slot.word = make_slot_word(incarnation_of(other->self()) + 1, Role::kVoided);
  ring_.header().recovery_wanted = 0;
  EXPECT_TRUE(me().is_gone(index, slot.word)) << "although its token is held";
  EXPECT_EQ(ring_.attached->sweep(platform::now_ns(), 0), ErrorCode::ok);
  EXPECT_EQ(ring_.state(0), State::kFree);
  EXPECT_EQ(role_of(slot.word), Role::kNobody);
  EXPECT_EQ(ring_.header().repaired_deaths, 1U);
}

TEST_F(ParticipantsTest, AnotherNamespaceIsNeverDeclaredGone) {
  const auto other = ring_.join(Role::kProducer);
  Slot& slot = ring_.segment().slot(slot_of(other->self()));
  slot.process_id = 1U << 29;
  slot.pid_namespace_inode = slot.pid_namespace_inode + 1;
  me().void_if_certainly_gone(slot_of(other->self()), true);
  EXPECT_FALSE(me().is_dead(other->self()));
}

TEST_F(ParticipantsTest, ForkedChildThatClosesItsCopiesLeavesTheTokenToTheParent) {
  const auto other = ring_.join(Role::kProducer);
  const pid_t child = fork();
  if (child == 0) {
    other->close_inherited();
    _exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_FALSE(me().is_dead(other->self()));
}

TEST_F(ParticipantsTest, AThousandAndTwentyThreeHandlesAndNotOneMore) {
  // Tokens and claims of one stranger stand for all the others: a handle costs two descriptors.
  platform::File stranger;
  ASSERT_EQ(platform::open_again(ring_.file, stranger), 0);
  for (std::uint32_t index = 2; index < kSlotCount - 1; ++index) {
    ASSERT_EQ(platform::lock_byte(stranger.get(), kClaimByte + index, LockKind::write),
              LockResult::taken);
  }
  const auto last = ring_.join(Role::kProducer);
  EXPECT_EQ(slot_of(last->self()), kMaxParticipants);
  Participants refused(ring_.segment());
  EXPECT_EQ(ring_.claim(refused), ErrorCode::too_many_participants);
}

}  // namespace
}  // namespace ipc0cp::testing
