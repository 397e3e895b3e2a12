// SPDX-License-Identifier: Apache-2.0
// Who lives, the lock, take-over and recover(): no two are inside at once, none of the living is
// taken for dead, nobody waits for the dead for ever, no half-built state is used, and no memory
// is handed out under a view.
//
// Each process joins on a free slot, takes the only block, looks at it, closes, gives the block
// back, and perhaps comes again. With two slots for three, slots change hands.
//
// Stands for
//   participants.cpp   claim, take_slot, set_role, drop, is_dead, is_gone
//   lock.cpp           try_acquire, acquire_slowly, take_over_from_dead, release
//   attached_ring.cpp  lock, unlock, anyone_is_gone, repair_if_anyone_is_gone, give_up_role,
//                      drop_token
//   recovery.cpp       run, take_roles_of_the_dead, owner_lives, recover_block
//   opening.cpp        join;  channel_close.cpp  close
// Leaves out
//   sleeping on the lock (lock_word.pml), the stack of returned blocks (returned.pml), other
//   states of blocks, forks and clones (token.pml), threads (close.pml). Everything derived is one
//   flag: whole or half-built. Claim and token lie on one open file description, so a death frees
//   both in one step.
//
// Runs
//   brief  -DKILLS=1
//   long   -DLIVES=2
//   long   -DKILLS=2
//   long   -DKILLS=1 -DSTOPS=1
//   wrong  TOKEN_FIRST no_endless_wait -DKILLS=1 -DSTOPS=1
//          no claim byte, the token before the incarnation: one who is stopped between the two
//          makes a dead holder of the lock look alive for ever
//   wrong  NO_CLAIM none_of_the_living_is_gone
//          no claim byte, the incarnation before the token: a second newcomer voids the first
//   wrong  TOKEN_FREED_AT_LEAVE no_memory_is_reused_under_a_view
//          close() frees the token although a view is out
//   wrong  ROLE_GIVEN_UP_AT_LEAVE no_memory_is_reused_under_a_view -DKILLS=1
//          close() stores role none instead of lingering although a view is out
//   wrong  DIRTY_FLAG derived_state_is_whole -DKILLS=2
//          a take-over recovers only if a flag says so; it is clear when the recoverer dies later
//          in the same hold
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef LIVES
#define LIVES 1
#endif
#define N PROCESSES
#include "deaths.pml"

// Roles.
#define NONE 0
#define ATTACHING 1
#define MEMBER 2
#define LINGERING 3

typedef Slot {
  byte incarnation;     // These two are one word.
  byte role;
  byte claim = NOBODY;  // Which process holds the byte.
  byte token = NOBODY;
}
Slot slot[SLOTS];

// An owner is never 0, as slot 0 is never used; here slots begin at 0 and incarnations at 1.
#define OWNER(s, i) ((s) << 4 | (i))
#define SLOT_OF(owner) ((owner) >> 4)
#define INCARNATION_OF(owner) ((owner) & 15)
byte lock;

// States of the block.
#define FREE 0
#define HELD 1      // LOANED or BORROWED
#define RETURNED 2
byte block;
byte block_owner;
bool half_built;    // Everything derived.
#ifdef WRONG_DIRTY_FLAG
bool dirty;
#endif

// What only the model knows: sets of processes, and who last raised an incarnation.
byte inside;
byte viewing;
byte living_in[SLOTS] = NOBODY;

hidden byte one_inside;
hidden byte derived_state_is_whole;
hidden byte no_memory_is_reused_under_a_view;
hidden byte none_of_the_living_is_gone;

inline kernel_frees(victim) {
  byte s = 0;
  do
  :: s == SLOTS -> break
  :: s < SLOTS ->
    if :: slot[s].claim == victim -> slot[s].claim = NOBODY :: else fi;
    if :: slot[s].token == victim -> slot[s].token = NOBODY :: else fi;
    s++
  od;
  s = 0;
  viewing = viewing & ~BIT(victim)  // Until now the kernel may have written into it.
}

#define SELF OWNER(mine, incarnation)
#define NOT_OF_NOW(owner) (slot[SLOT_OF(owner)].incarnation != INCARNATION_OF(owner))
#define TOKEN_IS_FREE(s) (slot[s].token == NOBODY)
#define SLOT_WORD(s) (slot[s].role << 4 | slot[s].incarnation)
#define ROLE_OF(word) ((word) >> 4)
#if defined(WRONG_TOKEN_FIRST) || defined(WRONG_NO_CLAIM)
#define CLAIM_IS_FREE(s) TOKEN_IS_FREE(s)
#else
#define CLAIM_IS_FREE(s) (slot[s].claim == NOBODY)
#endif

// ---- joining: Participants::claim, take_slot ---------------------------------------------------

inline take_slot() {
  do
#ifdef WRONG_TOKEN_FIRST
  :: atomic { TOKEN_IS_FREE(mine) -> slot[mine].token = me; break }
#elif defined(WRONG_NO_CLAIM)
  :: TOKEN_IS_FREE(mine) -> break
#else
  :: atomic { CLAIM_IS_FREE(mine) -> slot[mine].claim = me; break }
#endif
  :: atomic { !CLAIM_IS_FREE(mine) && mine < SLOTS - 1 -> mine++ }
  :: atomic { !CLAIM_IS_FREE(mine) && mine == SLOTS - 1 -> mine = 0; goto no_slot }
  od;
  atomic {
    incarnation = slot[mine].incarnation + 1;
    slot[mine].incarnation = incarnation;
    predecessor_died = slot[mine].role != NONE;
    slot[mine].role = ATTACHING;
    living_in[mine] = me
  }
#ifdef WRONG_NO_CLAIM
  if
  :: atomic { TOKEN_IS_FREE(mine) -> slot[mine].token = me }
  :: atomic { !TOKEN_IS_FREE(mine) -> mine = 0; goto no_slot }
  fi
#elif !defined(WRONG_TOKEN_FIRST)
  atomic { TOKEN_IS_FREE(mine) -> slot[mine].token = me }
#endif
}

// ---- the lock: AttachedRing::lock, Lock::acquire, take_over_from_dead ---------------------------

inline is_dead(owner) {
  if
  :: atomic { NOT_OF_NOW(owner) -> answer = true }
  :: !NOT_OF_NOW(owner) -> answer = TOKEN_IS_FREE(SLOT_OF(owner))
  fi
}

// `entered` is false if the call timed out, which only a stopped holder brings about.
inline enter() {
  do
  :: atomic { lock == 0 ->
       lock = SELF; inside = inside | BIT(me); entered = true;
       PROMISE(one_inside, inside == BIT(me));
       PROMISE(derived_state_is_whole, !half_built) }
#ifdef WRONG_DIRTY_FLAG
     dirty = true;
#endif
     break
  :: atomic { lock != 0 -> word = lock }
     is_dead(word);
     if
     :: atomic { answer && lock == word ->
          lock = SELF; inside = inside & ~dead | BIT(me); entered = true;
          PROMISE(one_inside, inside == BIT(me)) }
#ifdef WRONG_DIRTY_FLAG
       if
       :: dirty -> recover(); dirty = false
       :: else
       fi;
       PROMISE(derived_state_is_whole, !half_built);
#else
       recover();
#endif
       break
     :: answer && lock != word
     // Asleep, slice by slice, until there is something to see.
     :: !answer && (lock != word || NOT_OF_NOW(word) || TOKEN_IS_FREE(SLOT_OF(word)))
     :: atomic { !answer && lock == word && (inside & stopped) -> entered = false; break }
     fi
  od;
  atomic { word = 0; answer = false }
}

inline leave() {
  atomic { lock == SELF; lock = 0; inside = inside & ~BIT(me) }
}

// ---- repair: Recovery::run ---------------------------------------------------------------------

inline is_gone(s, slot_word) {
  answer = (ROLE_OF(slot_word) == ATTACHING -> CLAIM_IS_FREE(s)
            : NOT_OF_NOW(OWNER(s, INCARNATION_OF(slot_word))) || TOKEN_IS_FREE(s))
}

inline recover() {
  half_built = true;
  index = 0;
  do
  :: index == SLOTS -> break
  :: index < SLOTS ->
    word = SLOT_WORD(index);
    if
    :: ROLE_OF(word) == NONE -> living[index] = 0
    :: else ->
      atomic { is_gone(index, word) }
      atomic {
        if
        :: answer && word == SLOT_WORD(index) ->
          PROMISE(none_of_the_living_is_gone,
                  living_in[index] == NOBODY || (dead & BIT(living_in[index])));
          slot[index].role = NONE
        :: else
        fi;
        living[index] = (answer -> 0 : INCARNATION_OF(word));
        answer = false
      }
    fi;
    index++
  od;
  atomic {
    if
    :: block == RETURNED -> block = FREE; block_owner = 0
    :: block == HELD && INCARNATION_OF(block_owner) != living[SLOT_OF(block_owner)] ->
      block = FREE; block_owner = 0
    :: else
    fi
  }
  atomic {
    index = 0;
    do :: index < SLOTS -> living[index] = 0; index++ :: else -> break od;
    index = 0; word = 0;
    half_built = false
  }
}

inline look_for_the_dead() {
  index = 0;
  do
  :: atomic { index == SLOTS || answer -> index = 0; break }
  :: atomic {
       index < SLOTS && !answer ->
       if
       :: index == mine || slot[index].role == NONE
       :: else -> is_gone(index, SLOT_WORD(index))
       fi;
       index++ }
  od
}

// ---- one handle --------------------------------------------------------------------------------

#define JOIN 0
#define TAKE 1
#define LEAVE 2

proctype handle() UNDISTURBED {
  byte mine, incarnation, word, index, step, lives;
  byte living[SLOTS];
  bool answer, entered, predecessor_died;
  {
    do
    :: lives == LIVES -> break
    :: lives < LIVES ->
      take_slot();
      do
      :: step <= LEAVE ->
        enter();
        if
        :: !entered -> break
        :: entered
        fi;
        if
        :: step == JOIN ->
          look_for_the_dead();
          if
          :: answer || predecessor_died -> recover(); answer = false; predecessor_died = false
          :: else
          fi;
          slot[mine].role = MEMBER
        :: step == TAKE ->
          half_built = true;
          if
          :: atomic { block == FREE || block == RETURNED ->
               PROMISE(no_memory_is_reused_under_a_view, !viewing);
               block = HELD; block_owner = SELF; viewing = viewing | BIT(me) }
          :: atomic { block == HELD }
          fi;
          half_built = false
        :: step == LEAVE ->
#ifdef WRONG_ROLE_GIVEN_UP_AT_LEAVE
          slot[mine].role = NONE
#else
          slot[mine].role = LINGERING
#endif
        fi;
#ifdef WRONG_DIRTY_FLAG
        dirty = false;
#endif
        leave();
        step++
      :: step > LEAVE -> break
      od;
#ifdef WRONG_TOKEN_FREED_AT_LEAVE
      atomic { slot[mine].token = NOBODY; slot[mine].claim = NOBODY }
#endif
      if
      :: atomic { viewing & BIT(me) ->
           viewing = viewing & ~BIT(me);
           if
           :: block == HELD && block_owner == SELF -> block = RETURNED
           :: else
           fi }
      :: else
      fi;
      if
      :: atomic { slot[mine].incarnation == incarnation &&
                  (slot[mine].role == LINGERING || step == JOIN && !predecessor_died) ->
                  slot[mine].role = NONE }
      :: else
      fi;
      atomic {
        living_in[mine] = NOBODY;
        slot[mine].token = NOBODY; slot[mine].claim = NOBODY;
        mine = 0; incarnation = 0; step = JOIN; predecessor_died = false; entered = false;
        lives++
      }
    od;
no_slot:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run handle(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index)
}
