// SPDX-License-Identifier: Apache-2.0
// Waiting for the lock: one holder at a time, a dead one is replaced, and no wake is lost, unless
// somebody was killed or stopped with it; then the slice helps.
//
// Each handle takes the lock a few times, at once, after spinning or after sleeping, and may give
// up at its deadline.
//
// Stands for
//   lock.hpp   try_acquire, release
//   lock.cpp   acquire_slowly, try_take, take_over_from_dead, release_and_wake
// Leaves out
//   slots and incarnations, and recover() after a take-over (lock.pml). The death test is one step:
//   the token is free.
//
// Runs
//   brief  -DLEAVERS=1 -DEARLY_SLICES=1
//   brief  -DKILLS=1
//   long   -DLEAVERS=2 -DEARLY_SLICES=2 -DROUNDS=3
//   long   -DKILLS=1 -DLEAVERS=1 -DEARLY_SLICES=1
//   long   -DKILLS=2
//   long   -DKILLS=1 -DSTOPS=1
//   wrong  NO_SLICE nobody_is_forgotten -DKILLS=1
//   wrong  FORGETS_SLEEPERS nobody_is_forgotten
//          who has slept takes the lock without the flag, although others may sleep
//   wrong  LEAVES_SILENTLY nobody_is_forgotten -DLEAVERS=1
//          who was woken and runs into the deadline does not leave the flag to the new holder
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef LEAVERS
#define LEAVERS 0  // Calls that time out.
#endif
#define N PROCESSES
#include "deaths.pml"
#include "futex.pml"

// The word: an owner and kLockWaiters.
byte owner = NOBODY;
bool waiters;

byte freed;   // Set: their token is free.
byte inside;  // Set: believe that they have the lock.
byte leavers;

hidden byte one_inside;

#define IS_DEAD(p) (freed & BIT(p))
#define SOMETHING_THERE (owner == NOBODY || IS_DEAD(owner))

inline kernel_frees(victim) {
  asleep = asleep & ~BIT(victim);
  freed = freed | BIT(victim)
}

inline forget_expected() { skip }

inline take(flag) {
  inside = inside & ~freed | BIT(me);
  owner = me; waiters = flag;
  PROMISE(one_inside, inside == BIT(me))
}

proctype handle() UNDISTURBED {
  byte rounds, word, sleeper;
  bool woken;
  {
    do
    :: rounds == ROUNDS -> break
    :: rounds < ROUNDS ->
      if
      :: atomic { owner == NOBODY -> take(false); goto entered }
      :: skip  // Spun in vain.
      fi;
      do
#ifdef WRONG_FORGETS_SLEEPERS
      :: atomic { owner == NOBODY -> take(false); break }
#else
      :: atomic { owner == NOBODY -> take(true); break }
#endif
      :: atomic { owner != NOBODY -> word = owner }
#ifdef WRONG_LEAVES_SILENTLY
        if
        :: atomic { leavers < LEAVERS -> leavers++; goto timed_out }
        :: skip
        fi;
#endif
        if
        :: owner != word
        :: atomic { owner == word -> waiters = true }
#ifndef WRONG_LEAVES_SILENTLY
          if
          :: atomic { leavers < LEAVERS -> leavers++; goto timed_out }
          :: skip
          fi;
#endif
          futex_wait(owner == word && waiters, SOMETHING_THERE);
          if
          :: atomic { IS_DEAD(word) && owner == word && waiters -> take(true); goto entered }
          :: !(IS_DEAD(word) && owner == word && waiters)
          fi
        fi
      od;
entered:
      atomic { inside = inside & ~BIT(me); if :: !waiters -> owner = NOBODY :: else fi }
      if
      :: atomic { owner == me -> owner = NOBODY; waiters = false }
        atomic { futex_wake_one(woken, sleeper); woken = false }
      :: owner != me
      fi;
timed_out:
      atomic { word = NOBODY; rounds++ }
    od;
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
