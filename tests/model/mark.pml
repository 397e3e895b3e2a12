// SPDX-License-Identifier: Apache-2.0
// The reservation mark: what lies below it is backed by memory, always, so that nobody's read is
// SIGBUS.
//
// Each process, a few times, grows the main part by one or two granules and uses what it got, or
// takes one or two granules behind the last block in use off the main part and gives their memory
// back. Some granule is not to be had, and what was got of it goes back.
//
// Stands for
//   growth.cpp        begin, populate, move_mark, give_up;  channel_wait.cpp  reserve_and_try_push
//                     shrink, depopulate;                   trimming.cpp
//   recovery.cpp      survey (`growing`), recover_block
// Leaves out
//   the relief block, whose own LOANED word is its ticket; blocks that begin anywhere but where
//   their memory was got; close() by another thread while a thread reserves, which waits for it for
//   a second, or gives back, which keeps the token.
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
//   wrong  TRIMS_WITHOUT_TICKET what_lies_below_the_mark_is_backed -DPROCESSES=2
//          somebody grows while memory above the mark is given back
//   wrong  MEMORY_FIRST what_lies_below_the_mark_is_backed -DPROCESSES=2
//          memory is given back before the mark has moved
//   wrong  TRIMS_WHAT_IS_IN_USE what_is_in_use_is_backed -DPROCESSES=2
//          the mark moves below the end of a block
//   wrong  CLOSE_FREES_THE_TOKEN what_lies_below_the_mark_is_backed -DPROCESSES=2
//          close() makes a thread look dead that gives memory back
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
byte used;              // Set: processes with a block below the mark, from..to.
byte begin_of[N];
byte end_of[N];
byte lock = NOBODY;
byte freed;             // Set: processes whose token is free.
byte failures;

hidden byte what_lies_below_the_mark_is_backed;
hidden byte what_is_in_use_is_backed;

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
    if :: IS_DEAD(index) -> used = used & ~BIT(index) :: else fi;
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

#define LEAVE atomic { lock == me -> lock = NOBODY }

#ifdef WRONG_MARK_IS_A_MAXIMUM
#define HIGHEST_END (growing == NOBODY -> mark : end_of[growing])
#define MAY_GROW (HIGHEST_END < GRANULES)
#else
#define HIGHEST_END mark
#define MAY_GROW (growing == NOBODY && mark < GRANULES)
#endif

// Under the lock; afterwards begin_of[me] is NOBODY if nothing came of it.
inline take_wilderness() {
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
  fi
}

inline populate() {
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
  od
}

// Under the lock: the mark moves, and what was got becomes a block in the same hold.
inline move_mark() {
  if
  :: loaned & BIT(me) ->
    atomic {
#ifdef WRONG_MARK_IS_A_MAXIMUM
      mark = (mark > begin_of[me] + got -> mark : begin_of[me] + got);
#else
      mark = begin_of[me] + got;
#endif
      end_of[me] = begin_of[me] + got;
      CHECK
    }
    atomic { loaned = loaned & ~BIT(me);
             used = (got > 0 -> used | BIT(me) : used) }
    if :: growing == me -> growing = NOBODY :: else fi
  :: else
  fi
}

#define ITS_GRANULES ((BIT(end_of[me]) - 1) & ~(BIT(begin_of[me]) - 1))
inline use() {
  if
  :: used & BIT(me) ->
    PROMISE(what_is_in_use_is_backed, !(~backed & ITS_GRANULES));
    used = used & ~BIT(me)
  :: else
  fi
}

inline grow() {
  enter();
  // What a sweep finds out; it recovers in a hold of its own.
  if
  :: (loaned | used) & freed -> recover()
  :: !((loaned | used) & freed)
  fi;
  take_wilderness();
  LEAVE;
  if
  :: begin_of[me] == NOBODY
  :: begin_of[me] != NOBODY ->
    got = 0;
    populate();
    enter();
    move_mark();
    LEAVE;
    use()
  fi
}

#define END_OF(p) ((used & BIT(p)) && end_of[p] > floor -> end_of[p] : floor)

inline find_floor() {
  d_step {
    floor = 0;
#ifndef WRONG_TRIMS_WHAT_IS_IN_USE
    index = 0;
    do
    :: index == N -> break
    :: index < N -> floor = END_OF(index); index++
    od;
    index = 0
#endif
  }
}

inline give_back_memory() {
  do
  :: end_of[me] - got == begin_of[me] -> break
  :: end_of[me] - got > begin_of[me] ->
    if
#ifdef WRONG_TRIMS_WITHOUT_TICKET
    :: true -> atomic { got++; backed = backed & ~BIT(end_of[me] - got); CHECK }
#else
    :: loaned & BIT(me) -> atomic { got++; backed = backed & ~BIT(end_of[me] - got); CHECK }
    :: !(loaned & BIT(me)) -> break
#endif
    fi
  od
}

inline shrink() {
  enter();
  find_floor();
  if
  :: growing == NOBODY && mark > floor ->
    atomic {
      end_of[me] = mark;
      if
      :: begin_of[me] = mark - 1
      :: mark >= floor + 2 -> begin_of[me] = mark - 2
      fi
    }
    got = 0;
#ifdef WRONG_MEMORY_FIRST
    loaned = loaned | BIT(me);
    growing = me;
    LEAVE;
    give_back_memory();
    enter();
    mark = begin_of[me];
#else
#ifndef WRONG_TRIMS_WITHOUT_TICKET
    loaned = loaned | BIT(me);
    growing = me;
#endif
    mark = begin_of[me];
    LEAVE;
#ifdef WRONG_CLOSE_FREES_THE_TOKEN
    freed = freed | BIT(me);
    give_back_memory();
    goto timed_out;
#endif
    give_back_memory();
    enter();
#endif
    loaned = loaned & ~BIT(me);
    if :: growing == me -> growing = NOBODY :: else fi
  :: else
  fi;
  LEAVE
}

proctype participant() UNDISTURBED {
  byte rounds, got, index, floor;
  {
    do
    :: rounds == ROUNDS -> break
    :: rounds < ROUNDS ->
      if
      :: grow()
      :: shrink()
      fi;
      atomic { rounds++; got = 0; floor = 0; begin_of[me] = 0; end_of[me] = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run participant(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index)
}
