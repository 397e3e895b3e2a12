// SPDX-License-Identifier: Apache-2.0
// Latest value: a producer keeps at most one message queued, and gives up the one before. A value
// that nobody has taken stays until a newer one is there, whoever is killed, and the producer never
// waits for consumers or for another producer.
//
// Producers loan, write without the lock, publish; consumers take the head, and keep it or give it
// back. With POP_LATEST they give up all but the newest before they take it, with REDELIVER the
// message of a dead one comes back to its place, which is the first.
//
// Stands for
//   admission.cpp    heed_depth;         giving_up.cpp  all_but, oldest
//   channel_pop.cpp  try_pop(Latest&);   blocks.cpp     give_up_head
//   redo.cpp         free_and_count, finish
// Leaves out
//   the stack of returned blocks; how many are given up in one hold; subscribers.
//
// Runs
//   brief  -DKILLS=1
//   brief  -DKILLS=2 -DMESSAGES=2
//   brief  -DPRODUCERS=2 -DKILLS=1 -DMESSAGES=3
//   brief  -DPOP_LATEST -DREDELIVER -DKILLS=2 -DMESSAGES=2
//   brief  -DPOP_LATEST -DCONSUMERS=2 -DKILLS=1
//   brief  -DREDELIVER -DCONSUMERS=2 -DKILLS=1
//   wrong  GIVES_UP_AT_LOAN a_value_stays
//          the old value is given up when the loan is taken
//   wrong  ONE_DESCRIPTOR nobody_waits
//          max_messages=1 counts what is written and what consumers have in hand
//   wrong  NO_REDO counted_once -DKILLS=1
//          the counter and FREE are two stores
//   wrong  POPS_THE_LAST a_value_stays -DPOP_LATEST
//          a consumer that wants the newest gives up all that it finds
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#define BLOCKS 5
#define N (PRODUCERS + CONSUMERS)
#include "deaths.pml"

#define NONE 255
#define FREE 0
#define LOANED 1
#define READY 2
#define BORROWED 3

byte state[BLOCKS];
byte owner[BLOCKS] = NOBODY;
byte sequence[BLOCKS];
byte next_sequence;
byte loans;
byte lock = NOBODY;
byte freed;
byte recovered;
byte overflowed;
bool redo_valid;
byte redo_block;
byte redo_value;
byte given_up;  // What only the model knows.

hidden byte a_value_stays;
hidden byte nobody_waits;
hidden byte counted_once;

inline kernel_frees(victim) { freed = freed | BIT(victim) }
#define IS_DEAD(p) (freed & BIT(p))
#define COUNT(s) ((state[0] == s) + (state[1] == s) + (state[2] == s) + (state[3] == s) + \
                  (state[4] == s))
#ifdef WRONG_ONE_DESCRIPTOR
#define IS_FULL (COUNT(LOANED) + COUNT(READY) + COUNT(BORROWED) >= 1)
#else
#define IS_FULL false
#endif

inline finish_redo() {
  if
  :: !redo_valid
  :: redo_valid ->
    overflowed = redo_value;
    atomic {
      if
      :: state[redo_block] == READY ->
        PROMISE(a_value_stays, COUNT(READY) > 1);
        state[redo_block] = FREE; given_up++
      :: else
      fi
    }
    redo_valid = false
  fi
}

// In a step: the READY block of the lowest sequence.
inline find_head() {
  head = NONE; block = 0;
  do
  :: block == BLOCKS -> block = 0; break
  :: block < BLOCKS ->
    if
    :: state[block] == READY && (head == NONE) -> head = block
    :: state[block] == READY && (head != NONE) ->
      if :: sequence[block] < sequence[head] -> head = block :: else fi
    :: else
    fi;
    block++
  od
}

inline give_up_head() {
  atomic { find_head() }
#ifdef WRONG_NO_REDO
  overflowed++;
  atomic { state[head] = FREE; given_up++; head = 0 }
#else
  atomic { redo_block = head; redo_value = overflowed + 1; head = 0 }
  redo_valid = true;
  finish_redo()
#endif
}

inline recover() {
  living = ~freed;
  finish_redo();
  block = 0;
  do
  :: block == BLOCKS -> break
  :: atomic { block < BLOCKS ->
       if
#ifdef REDELIVER
       :: state[block] == BORROWED && !(living & BIT(owner[block])) -> state[block] = READY
#else
       :: state[block] == BORROWED && !(living & BIT(owner[block])) -> state[block] = FREE
#endif
       :: state[block] == LOANED && !(living & BIT(owner[block])) -> state[block] = FREE
       :: else
       fi;
       block++ }
  od;
  atomic { recovered = recovered | ~living; block = 0; living = 0 }
}

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
    if
    :: freed & ~recovered -> recover()
    :: true
    fi
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}
inline leave() { atomic { lock == me -> lock = NOBODY } }

proctype producer() UNDISTURBED {
  byte mine, head, block, living;
  {
    do
    :: loans >= MESSAGES -> break
    :: loans < MESSAGES ->
      enter();
#ifdef WRONG_GIVES_UP_AT_LOAN
      if
      :: COUNT(READY) >= 1 -> give_up_head()
      :: else
      fi;
#endif
#ifdef WRONG_ONE_DESCRIPTOR
      if
      :: COUNT(READY) >= 1 -> atomic { find_head(); state[head] = FREE; head = 0 }
      :: else
      fi;
#endif
      atomic {
        PROMISE(nobody_waits, !IS_FULL && COUNT(FREE));
        mine = 0;
        do
        :: state[mine] == FREE -> break
        :: else -> mine++
        od;
        state[mine] = LOANED; owner[mine] = me; loans++
      }
      leave();
      // Writes.
      enter();
      atomic { state[mine] = READY; sequence[mine] = next_sequence; next_sequence++; mine = 0 }
#ifndef WRONG_GIVES_UP_AT_LOAN
      do
      :: COUNT(READY) > 1 -> give_up_head()
      :: else -> break
      od;
#endif
      leave()
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

proctype consumer() UNDISTURBED {
  byte head, block, living;
  {
end_waits:
    do
    :: COUNT(READY) || (freed & ~recovered) || (lock != NOBODY && IS_DEAD(lock)) ->
      enter();
#ifdef POP_LATEST
      do
#ifdef WRONG_POPS_THE_LAST
      :: COUNT(READY) > 0 -> give_up_head()
#else
      :: COUNT(READY) > 1 -> give_up_head()
#endif
      :: else -> break
      od;
#endif
      atomic {
        find_head();
        if
        :: head != NONE -> state[head] = BORROWED; owner[head] = me
        :: else
        fi
      }
      leave();
      if
      :: head == NONE
      :: head != NONE ->
        if
        :: state[head] = FREE
        :: true -> end_keeps_view: false
        fi
      fi;
      head = 0
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index, head, block, living;
  atomic {
    do
    :: index < PRODUCERS -> run producer(); index++
    :: index >= PRODUCERS && index < N -> run consumer(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index);
  timeout;
  if
  :: lock != NOBODY && IS_DEAD(lock) -> recover()
  :: else
  fi;
  PROMISE(counted_once, overflowed == given_up)
}
