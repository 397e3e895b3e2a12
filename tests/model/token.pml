// SPDX-License-Identifier: Apache-2.0
// What may keep a token, or free it: forks, clones, mappings. Nobody waits for a dead owner for
// ever, no block of his is forgotten, and none of the living is taken for dead.
//
// The owner of a slot has the lock and perhaps a block, forks or clones, and may die. Two others
// sweep; one of them recovers once for somebody else's sake.
//
// Stands for
//   participants.cpp   is_dead, is_gone, close_inherited, void_if_certainly_gone
//   fork_guard.cpp     in_child
//   ring_file.hpp      RingFile: the file that holds locks is never mapped
//   attached_ring.cpp  sweep, anyone_is_gone, recover
// Leaves out
//   newcomers (lock.pml), and close_range() in a living process, which nothing can undo: there the
//   handle notices later.
//
// Runs
//   brief  -DKILLS=2
//   brief  -DKILLS=2 -DOTHER_NAMESPACE
//   long   -DKILLS=3
//   long   -DKILLS=2 -DSTOPS=1
//   wrong  NO_HANDLER no_block_is_forgotten -DKILLS=1 -DOTHER_NAMESPACE
//          a forked child keeps its copy of the descriptor
//   wrong  TOKEN_FILE_IS_MAPPED no_block_is_forgotten -DKILLS=1 -DOTHER_NAMESPACE
//          ... closes it, but has inherited a mapping of the same description
//   wrong  CHILD_UNLOCKS one_inside
//          ... unlocks the byte instead of closing
//   wrong  NO_RULE no_block_is_forgotten -DKILLS=1
//          a clone without handlers keeps it, and only the token counts
//   wrong  WANTED_FLAG no_block_is_forgotten -DKILLS=2
//          voiding leaves no role, and a flag asks for the recovery
#define N 4
// 2 and 3: others
#define OWNER 0
#define CHILD 1
#define OTHERS (BIT(2) | BIT(3))
#include "deaths.pml"

byte keeps;      // Set: have a copy of the token's descriptor, or a mapping of its file.
bool unlocked;   // Somebody has unlocked the byte.
byte freed;      // Set: processes that the kernel has cleared away.
bool forked;
bool raw_clone;

// The owner's slot word.
#define NONE 0
#define MEMBER 1
#define VOIDED 2
byte incarnation = 1;
byte role = MEMBER;

bool recovery_wanted;
bool other_reasons;  // A recover() for somebody else's sake has been.
bool block;          // LOANED by incarnation 1.
byte lock = OWNER;   // By incarnation 1, or the number of another process.
byte inside = BIT(OWNER);

hidden byte one_inside;
hidden byte none_of_the_living_is_gone;
hidden byte no_block_is_forgotten;
hidden byte nobody_waits_for_the_dead;

#define TOKEN_IS_FREE (!keeps || unlocked)
#define OWNER_IS_GONE (freed & BIT(OWNER))
#if defined(WRONG_NO_RULE) || defined(OTHER_NAMESPACE)
#define CERTAINLY_GONE false
#else
#define CERTAINLY_GONE OWNER_IS_GONE
#endif
#define LOOKS_DEAD(p) ((p) == OWNER -> incarnation != 1 || TOKEN_IS_FREE : freed & BIT(p))
#define IS_GONE (role == VOIDED || (role == MEMBER && (TOKEN_IS_FREE || CERTAINLY_GONE)))
#define SOMETHING_TO_REPAIR \
    (IS_GONE || recovery_wanted || (lock != NOBODY && LOOKS_DEAD(lock)))

inline kernel_frees(victim) {
  freed = freed | BIT(victim);
  keeps = keeps & ~BIT(victim)
}

proctype owner() UNDISTURBED {
  {
    if
    :: block = true
    :: true
    fi;
    if
#ifndef OTHER_NAMESPACE
    :: atomic { !(HARMED & BIT(CHILD)) ->
         forked = true; keeps = keeps | BIT(CHILD); raw_clone = true }
#endif
    :: atomic { !(HARMED & BIT(CHILD)) -> forked = true; keeps = keeps | BIT(CHILD) }
    :: true
    fi;
    atomic { lock == OWNER -> lock = NOBODY; inside = inside & ~BIT(me) }
end_lives:
    false
  } UNLESS_STRUCK
}

proctype child() UNDISTURBED {
  {
    true;
end_unborn:
    forked;
    if
    :: raw_clone
    :: !raw_clone ->
#if defined(WRONG_CHILD_UNLOCKS)
      atomic { unlocked = true; keeps = keeps & ~BIT(CHILD) }
#elif defined(WRONG_NO_HANDLER) || defined(WRONG_TOKEN_FILE_IS_MAPPED)
      skip
#else
      keeps = keeps & ~BIT(CHILD)
#endif
    fi;
end_lives:
    false
  } UNLESS_STRUCK
}

inline recover() {
  recovery_wanted = false;
  atomic { seen_role = role; seen_incarnation = incarnation }
  if
  :: seen_role == NONE
  :: seen_role == VOIDED || (seen_role == MEMBER && TOKEN_IS_FREE) ->
    atomic {
      PROMISE(none_of_the_living_is_gone, OWNER_IS_GONE);
      role = (role == seen_role && incarnation == seen_incarnation -> NONE : role)
    }
  :: seen_role == MEMBER && !TOKEN_IS_FREE -> living = seen_incarnation
  fi;
  atomic {
    block = block && living == 1;
    living = 0; seen_role = 0; seen_incarnation = 0
  }
}

inline void_if_certainly_gone() {
  if
  :: CERTAINLY_GONE && role == MEMBER ->
#ifdef WRONG_WANTED_FLAG
    recovery_wanted = true;
    atomic {
      if
      :: role == MEMBER && incarnation == 1 -> incarnation = 2; role = NONE
      :: else
      fi
    }
    recovery_wanted = true
#else
    atomic {
      if
      :: role == MEMBER && incarnation == 1 -> incarnation = 2; role = VOIDED
      :: else
      fi
    }
#endif
  :: !(CERTAINLY_GONE && role == MEMBER)
  fi
}

inline go_inside() {
  lock = me;
  inside = inside & ~dead | BIT(me);
  PROMISE(one_inside, inside == BIT(me))
}
inline leave() { atomic { lock == me -> lock = NOBODY; inside = inside & ~BIT(me) } }

proctype other() UNDISTURBED {
  byte seen_role, seen_incarnation, living;
  {
    true;
end_nothing_to_repair:
    do
    :: atomic { !other_reasons && lock == NOBODY -> other_reasons = true; go_inside() }
      recover();
      leave()
    :: SOMETHING_TO_REPAIR ->
      void_if_certainly_gone();
      if
      :: atomic { lock == NOBODY || LOOKS_DEAD(lock) -> go_inside() }
        recover();
        leave()
      :: lock != NOBODY && !LOOKS_DEAD(lock)  // A patience of 5 ms.
      fi
    od
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic { keeps = BIT(OWNER); run owner(); run child(); run other(); run other() }
  strike(index);
  timeout;
  if
  :: (RUNNING & OTHERS) && !(stopped & OTHERS) ->
    atomic {
      PROMISE(nobody_waits_for_the_dead, lock == NOBODY || !(dead & BIT(lock)));
      PROMISE(no_block_is_forgotten, !(block && OWNER_IS_GONE))
    }
  :: else
  fi
}
