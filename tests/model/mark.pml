// SPDX-License-Identifier: Apache-2.0
// The reservation mark: what lies below it is backed by memory, always, so that nobody's read is
// SIGBUS.
//
// Each producer grows the main part by one or two granules, a few times. Some granule is not to be
// had, and what was got of it goes back.
//
// Stands for
//   reservation.cpp   begin_growth, reserve_memory, reserve_and_attempt, give_up_reservation
//   recovery.cpp      survey (`growing`), settle_block
// Leaves out
//   the relief block, whose own LOANED word is its ticket; blocks below the mark; close() by
//   another thread while a thread reserves, which waits for it for a second.
//
// Runs
//   brief  -DPROCESSES=2 -DKILLS=1
//   brief  -DROUNDS=1 -DKILLS=1
//   long   -DKILLS=1
//   long   -DROUNDS=1 -DKILLS=2
//   long   -DROUNDS=1 -DKILLS=1 -DSTOPS=1
//   wrong  MARK_IS_A_MAXIMUM what_lies_below_the_mark_is_backed -DROUNDS=1
//          several grow side by side, and the mark becomes the highest end
//   wrong  MARK_FIRST what_lies_below_the_mark_is_backed -DROUNDS=1 -DPROCESSES=2
//          the mark moves when growth begins
//   wrong  GROWS_FOR_THE_DEAD what_lies_below_the_mark_is_backed -DROUNDS=1 -DKILLS=1
//          recover() moves the mark over a dead grower's block
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef GRANULES
#define GRANULES 4
#endif
#ifndef FAILURES
#define FAILURES 1
#endif
#ifndef ROUNDS
#define ROUNDS 2
#endif
#define N PROCESSES
#include "deaths.pml"

byte mark;              // Header::main_mark, in granules.
byte backed;            // A set of granules.
byte growing = NOBODY;  // Header::growing, by the owner of the block.
byte loaned;            // Set: processes with a LOANED block of wilderness, from..to.
byte begin_of[N];
byte end_of[N];
byte lock = NOBODY;
byte freed;             // Set: processes whose token is free.
byte failures;

hidden byte what_lies_below_the_mark_is_backed;

inline kernel_frees(victim) { freed = freed | BIT(victim) }
#define IS_DEAD(p) (freed & BIT(p))
#define CHECK PROMISE(what_lies_below_the_mark_is_backed, !(~backed & (BIT(mark) - 1)))

inline recover() {
  growing = NOBODY;
  index = 0;
  do
  :: index == N -> break
  :: index < N ->
    if
    :: atomic { (loaned & BIT(index)) && IS_DEAD(index) ->
#ifdef WRONG_GROWS_FOR_THE_DEAD
         mark = (begin_of[index] == mark -> end_of[index] : mark);
         CHECK;
#endif
         loaned = loaned & ~BIT(index) }
    :: atomic { (loaned & BIT(index)) && !IS_DEAD(index) ->
         growing = (begin_of[index] >= mark -> index : growing) }
    :: !(loaned & BIT(index))
    fi;
    index++
  od;
  index = 0
}

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}

#ifdef WRONG_MARK_IS_A_MAXIMUM
#define HIGHEST_END (growing == NOBODY -> mark : end_of[growing])
#define MAY_GROW (HIGHEST_END < GRANULES)
#else
#define HIGHEST_END mark
#define MAY_GROW (growing == NOBODY && mark < GRANULES)
#endif

proctype producer() UNDISTURBED {
  byte rounds, got, index;
  {
    do
    :: rounds == ROUNDS -> break
    :: rounds < ROUNDS ->
      enter();
      // What a sweep finds out; it recovers in a hold of its own.
      if
      :: loaned & freed -> recover()
      :: !(loaned & freed)
      fi;
      if
      :: MAY_GROW ->
        atomic {
          begin_of[me] = HIGHEST_END;
          if
          :: end_of[me] = begin_of[me] + 1
          :: begin_of[me] + 2 <= GRANULES -> end_of[me] = begin_of[me] + 2
          fi
        }
        loaned = loaned | BIT(me);
#ifdef WRONG_MARK_FIRST
        atomic { mark = end_of[me]; CHECK }
#endif
        growing = me
      :: else -> begin_of[me] = NOBODY
      fi;
      atomic { lock == me -> lock = NOBODY }
      if
      :: begin_of[me] == NOBODY
      :: begin_of[me] != NOBODY ->
        got = 0;
        do
        :: begin_of[me] + got == end_of[me] -> break
        :: begin_of[me] + got < end_of[me] ->
          if
          :: atomic { backed = backed | BIT(begin_of[me] + got); got++ }
          :: atomic { failures < FAILURES ->
               failures++; backed = backed | BIT(begin_of[me] + got) }
            if
            :: loaned & BIT(me) -> atomic { backed = backed & ~BIT(begin_of[me] + got); CHECK }
            :: !(loaned & BIT(me))
            fi;
            break
          fi
        od;
        enter();
        if
        :: loaned & BIT(me) ->
          atomic {
#ifdef WRONG_MARK_IS_A_MAXIMUM
            mark = (mark > begin_of[me] + got -> mark : begin_of[me] + got);
#else
            mark = begin_of[me] + got;
#endif
            CHECK
          }
          loaned = loaned & ~BIT(me);
          if :: growing == me -> growing = NOBODY :: else fi
        :: else
        fi;
        atomic { lock == me -> lock = NOBODY }
      fi;
      atomic { rounds++; got = 0; begin_of[me] = 0; end_of[me] = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run producer(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index)
}
