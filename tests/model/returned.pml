// SPDX-License-Identifier: Apache-2.0
// The stack of returned blocks: no block of the living is freed before its owner has pushed it, and
// none that was given back is lost for ever, whoever dies while collecting.
//
// Each handle takes a block and gives it back, a few times. In the end somebody collects, or
// recovers if the lock is dead, and then nothing may be left that says RETURNED.
//
// Stands for
//   attached_ring.cpp  release_block (abandon_block does the same)
//   blocks.cpp         mark_returned, push_returned, collect, store_loaned (the link of a block
//                      that is loaned is none)
//   recovery.cpp       free_chain, free_returned_stack, recover_block
// Leaves out
//   events (room.pml) and slots (lock.pml): the owner is the process, alive until its token is
//   free. Generations: a block leaves the hands of its owner once.
//
// Runs
//   brief  -DKILLS=1
//   brief  -DKILLS=2 -DPROCESSES=2 -DROUNDS=2
//   long   -DKILLS=2
//   long   -DKILLS=1 -DBLOCKS=3 -DROUNDS=2
//   long   -DKILLS=1 -DSTOPS=1
//   wrong  COLLECTS_UNNAMED nothing_is_lost_for_ever -DKILLS=1
//          the chain that is taken apart is named nowhere
//   wrong  NAME_CLEARED_FIRST nothing_is_lost_for_ever -DKILLS=1
//          ... is no longer named when its blocks are freed
//   wrong  STACK_FORGOTTEN_FIRST nothing_is_lost_for_ever -DKILLS=2
//          recover() empties the stack before it frees what was on it
//   wrong  FREES_OFF_STACK none_is_freed_before_its_push -DKILLS=1
//          recover() frees all that says RETURNED, also between an owner's CAS and its push
//   wrong  LINKED_AFTERWARDS nothing_is_lost_for_ever
//          the head is swung before the link is stored
//   wrong  LOANS_BEFORE_THE_END nothing_is_lost_for_ever -DKILLS=1
//          the first block that is freed is loaned before the rest is, which cuts the chain
#ifndef PROCESSES
#define PROCESSES 3
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#define N PROCESSES
#include "deaths.pml"

#define NONE 255
#define FREE 0
#define HELD 1
#define RETURNED 2

byte state[BLOCKS];
byte owner[BLOCKS] = NOBODY;  // Part of the state word.
byte next[BLOCKS] = NONE;     // Descriptor::returned_next
byte head = NONE;             // Header::returned_head
byte collecting = NONE;
byte lock = NOBODY;
byte freed;    // Set: processes whose token is free.
byte pushing;  // Set: blocks between their owner's CAS and its push. Only the model knows.

hidden byte none_is_freed_before_its_push;
hidden byte nothing_is_lost_for_ever;

inline kernel_frees(victim) { freed = freed | BIT(victim) }

#define IS_DEAD(p) (freed & BIT(p))

inline free(b) {
  PROMISE(none_is_freed_before_its_push, !(pushing & BIT(b)) || IS_DEAD(owner[b]));
  pushing = pushing & ~BIT(b);
  state[b] = FREE; owner[b] = NOBODY
}

inline free_chain(first) {
  block = first;
  do
  :: block == NONE -> break
  :: block != NONE ->
    atomic { if :: state[block] == RETURNED -> free(block) :: else fi }
    block = next[block]
  od
}

inline recover() {
  living = ~freed;
  free_chain(collecting);
#ifdef WRONG_STACK_FORGOTTEN_FIRST
  atomic { seen = head; head = NONE }
  free_chain(seen);
#else
  seen = head;
  do
  :: free_chain(seen);
    if
    :: atomic { head == seen -> head = NONE; break }
    :: atomic { head != seen -> seen = head }
    fi
  od;
#endif
  collecting = NONE;
  block = 0;
  do
  :: block == BLOCKS -> break
  :: block < BLOCKS ->
    atomic {
      if
#ifdef WRONG_FREES_OFF_STACK
      :: state[block] == RETURNED || (state[block] == HELD && !(living & BIT(owner[block]))) ->
        free(block)
#else
      :: state[block] != FREE && !(living & BIT(owner[block])) -> free(block)
#endif
      :: else
      fi;
      block++
    }
  od
}

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}

inline collect() {
  seen = head;
  do
  :: seen == NONE -> break
  :: seen != NONE ->
#ifndef WRONG_COLLECTS_UNNAMED
    collecting = seen;
#endif
    if
    :: atomic { head == seen -> head = NONE; break }
    :: atomic { head != seen -> seen = head }
    fi
  od;
#ifdef WRONG_NAME_CLEARED_FIRST
  collecting = NONE;
#endif
  do
  :: seen == NONE -> break
  :: seen != NONE ->
    atomic { if :: state[seen] == RETURNED -> free(seen) :: else fi }
    seen = next[seen];
#ifdef WRONG_LOANS_BEFORE_THE_END
    break
#endif
  od;
#ifndef WRONG_LOANS_BEFORE_THE_END
  collecting = NONE
#endif
}

inline take_free() {
  atomic {
    mine = 0;
    do
    :: mine == BLOCKS -> mine = NONE; break
    :: mine < BLOCKS && state[mine] != FREE -> mine++
    :: mine < BLOCKS && state[mine] == FREE ->
      next[mine] = NONE; state[mine] = HELD; owner[mine] = me; break
    od
  }
}

proctype handle() UNDISTURBED {
  byte rounds, mine, seen, block, living;
  {
    do
    :: rounds == ROUNDS -> break
    :: rounds < ROUNDS ->
      enter();
      take_free();
      if
      :: mine == NONE -> collect(); take_free();
#ifdef WRONG_LOANS_BEFORE_THE_END
        do
        :: seen == NONE -> break
        :: seen != NONE ->
          atomic { if :: state[seen] == RETURNED -> free(seen) :: else fi }
          seen = next[seen];
        od;
        collecting = NONE
#endif
      :: else
      fi;
      atomic { lock == me -> lock = NOBODY }
      if
      :: mine == NONE
      :: else ->
        // mark_returned, push_returned
        atomic { state[mine] == HELD && owner[mine] == me ->
          state[mine] = RETURNED; pushing = pushing | BIT(mine) }
        seen = head;
        do
        ::
#ifndef WRONG_LINKED_AFTERWARDS
           next[mine] = seen;
#endif
           if
           :: atomic { head == seen -> head = mine; pushing = pushing & ~BIT(mine); break }
           :: atomic { head != seen -> seen = head }
           fi
        od;
#ifdef WRONG_LINKED_AFTERWARDS
        next[mine] = seen;
#endif
      fi;
      atomic { rounds++; seen = 0; mine = 0; block = 0; living = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index, mine, seen, block, living;
  atomic {
    do
    :: index < N -> run handle(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index);
  // Whoever comes last.
  timeout;
  if
  :: lock != NOBODY && IS_DEAD(lock) -> recover()
  :: lock == NOBODY -> collect()
  :: lock != NOBODY && !IS_DEAD(lock) -> goto locked
  fi;
  atomic {
    do
    :: index == BLOCKS -> break
    :: index < BLOCKS ->
      PROMISE(nothing_is_lost_for_ever,
              state[index] != RETURNED || (HARMED & BIT(owner[index])));
      index++
    od
  }
locked: skip
}
