// SPDX-License-Identifier: Apache-2.0
// Redelivery: a message of a dead consumer comes again, at most so many times, never when it was
// finished, and never after a consumer was told the end; what is dropped is counted once; and no
// wake is lost for those who wait for the end, unless somebody was killed or stopped.
//
// All producers have closed. Consumers pop; then they finish what they have, perhaps while they
// view it, or requeue it; then they pop again, close, or do nothing for ever.
//
// Stands for
//   channel_pop.cpp   try_pop;  attached_ring.cpp  release_block, wake_if_stream_may_end, sweep
//   blocks.cpp        borrow_head, mark_returned, keep, requeue, others_have_borrowed
//   redelivery.cpp    finish, keep, requeue_block
//   unfinished.cpp    which says so to one handle only, so it has no shared steps
//   recovery.cpp      recover_borrowed;  redo.cpp  free_and_count, finish
//   channel_wait.cpp  pop_slowly
// Leaves out
//   the event word, whose wakes are one step (event.pml), the stack of returned blocks
//   (returned.pml): RETURNED and FREE are one state, and slots (lock.pml); messages of a batch that
//   another thread closed while it was decoded (KEPT to READY), which may come back after the end.
//
// Runs
//   brief  -DKILLS=2 -DCONSUMERS=2 -DMOST_DELIVERIES=1 -DMESSAGES=2
//   brief  -DKILLS=1
//   long   -DKILLS=2
//   long   -DKILLS=3 -DCONSUMERS=4 -DMOST_DELIVERIES=2
//   long   -DKILLS=1 -DSTOPS=1
//   long   -DKILLS=1 -DMESSAGES=2 -DCONSUMERS=2 -DEARLY_SLICES=1
//   wrong  NO_SLICE nobody_is_forgotten -DKILLS=1
//   wrong  END_IGNORES_HANDS nothing_comes_back_after_the_end
//          the end is told while others hold messages
//   wrong  KEEP_WAKES_NOBODY nobody_is_forgotten
//          finished but still viewed: nobody is told
//   wrong  DROP_WAKES_NOBODY nobody_is_forgotten
//          dropped after the last delivery: nobody is told
//   wrong  FINISHED_STAYS_BORROWED finished_is_finished -DKILLS=1
//          finished but still viewed: not told from unfinished
//   wrong  COUNTED_WHEN_FINISHED at_most_so_many_deliveries -DKILLS=2 -DMOST_DELIVERIES=1
//          a delivery is counted when it ends, so deaths do not count
//   wrong  NO_REDO dropped_is_counted_once -DKILLS=2 -DMOST_DELIVERIES=1
//          the counter and FREE are two stores
#ifndef CONSUMERS
#define CONSUMERS 3
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#ifndef MOST_DELIVERIES
#define MOST_DELIVERIES 2
#endif
#define N CONSUMERS
#include "deaths.pml"
#include "futex.pml"

#define READY 0
#define BORROWED 1
#define KEPT 2
#define GONE 3  // RETURNED or FREE.

// The state word of each message, in the order of their sequence.
byte state[MESSAGES];
byte owner[MESSAGES] = NOBODY;
byte deliveries[MESSAGES];

byte lock = NOBODY;
byte freed;      // Set: processes whose token is free.
byte announced;  // Set: the value that they announced is that of the event word.

byte counted;    // Header::dropped, and the redo record.
bool redo_valid;
byte redo_message;
byte redo_value;

// What only the model knows.
byte finished_ones;          // Set of messages.
byte dropped;                // Set of messages.
byte handed_out[MESSAGES];
bool end_was_told;

hidden byte nothing_comes_back_after_the_end;
hidden byte at_most_so_many_deliveries;
hidden byte finished_is_finished;
hidden byte dropped_is_counted_once;
hidden byte no_message_is_lost;

#define IS_DEAD(p) (freed & BIT(p))
#define OF_THE_DEAD(m) (owner[m] != NOBODY && IS_DEAD(owner[m]))
#define OF_OTHERS(m) (state[m] == BORROWED && owner[m] != me)
#if MESSAGES == 1
#define ANY(condition) (condition(0))
#else
#define ANY(condition) (condition(0) || condition(1))
#endif
#define IS_READY(m) (state[m] == READY)
#define SOMEBODY_IS_GONE (ANY(OF_THE_DEAD) || (lock != NOBODY && IS_DEAD(lock)))
#define SOMETHING_THERE (ANY(IS_READY) || !ANY(OF_OTHERS) || SOMEBODY_IS_GONE)

inline kernel_frees(victim) {
  freed = freed | BIT(victim);
  asleep = asleep & ~BIT(victim)
}

inline forget_expected() { announced = announced & ~BIT(me) }
inline wake_all() { atomic { announced = 0; asleep = 0 } }
inline wake_one() { atomic { announced = 0; futex_wake_one(woken, sleeper); woken = false } }

// In a step.
inline make_ready(m) {
  PROMISE(nothing_comes_back_after_the_end, !end_was_told);
  PROMISE(finished_is_finished, !(finished_ones & BIT(m)));
  state[m] = READY; owner[m] = NOBODY
}

inline finish_redo() {
  if
  :: !redo_valid
  :: redo_valid ->
    counted = redo_value;
    atomic {
      if
      :: state[redo_message] != GONE ->
        state[redo_message] = GONE; owner[redo_message] = NOBODY;
        dropped = dropped | BIT(redo_message)
      :: else
      fi
    }
    redo_valid = false
  fi
}

inline drop(m) {
#ifdef WRONG_NO_REDO
  counted++;
  atomic { state[m] = GONE; owner[m] = NOBODY; dropped = dropped | BIT(m) }
#else
  atomic { redo_message = m; redo_value = counted + 1 }
  redo_valid = true;
  finish_redo()
#endif
}

inline recover() {
  finish_redo();
  living = ~freed;
  message = 0;
  do
  :: message == MESSAGES -> break
  :: message < MESSAGES ->
    if
    :: state[message] == KEPT && !(living & BIT(owner[message])) ->
      atomic { state[message] = GONE; owner[message] = NOBODY }
    :: state[message] == BORROWED && !(living & BIT(owner[message])) ->
      if
      :: deliveries[message] >= MOST_DELIVERIES -> drop(message)
      :: else -> atomic { make_ready(message) }
      fi
    :: else
    fi;
    message++
  od;
  atomic { message = 0; living = 0 }
}

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover();
    wake_all()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}
inline leave() { atomic { lock == me -> lock = NOBODY } }

// `head`: the first that is READY, or NOBODY.
inline find_head() {
  head = 0;
  do
  :: head == MESSAGES -> head = NOBODY; break
  :: head < MESSAGES && IS_READY(head) -> break
  :: head < MESSAGES && !IS_READY(head) -> head++
  od
}

inline look_in_the_hands_of_others() {
  answer = false;
  message = 0;
  do
  :: atomic { message == MESSAGES || answer -> message = 0; break }
  :: atomic { message < MESSAGES && !answer -> answer = OF_OTHERS(message); message++ }
  od
}

inline finish_viewed(m) {
  atomic { state[m] == BORROWED && owner[m] == me ->
#ifndef WRONG_FINISHED_STAYS_BORROWED
    state[m] = KEPT;
#endif
    finished_ones = finished_ones | BIT(m) }
#ifndef WRONG_KEEP_WAKES_NOBODY
  wake_all();
#endif
  if
  :: goto idle  // Keeps its view.
  :: true
  fi;
  atomic { owner[m] == me -> state[m] = GONE; owner[m] = NOBODY }
  wake_all()
}

inline finish(m) {
  atomic { state[m] == BORROWED && owner[m] == me ->
    state[m] = GONE; owner[m] = NOBODY;
    finished_ones = finished_ones | BIT(m) }
  wake_all()
}

inline requeue(m) {
#ifdef WRONG_COUNTED_WHEN_FINISHED
  deliveries[m]++;
#endif
  enter();
  if
  :: deliveries[m] >= MOST_DELIVERIES ->
    drop(m);
    leave();
#ifndef WRONG_DROP_WAKES_NOBODY
    wake_all()
#endif
  :: else -> atomic { make_ready(m) } leave(); wake_one()
  fi
}

proctype consumer() UNDISTURBED {
  byte head, message, living, sleeper;
  bool answer, woken;
  {
    do
    :: atomic { announced = announced | BIT(me) }
      enter();
      atomic { find_head() }
      if
      :: head != NOBODY ->
        atomic {
          handed_out[head]++;
          PROMISE(at_most_so_many_deliveries, handed_out[head] <= MOST_DELIVERIES);
          state[head] = BORROWED; owner[head] = me;
#ifndef WRONG_COUNTED_WHEN_FINISHED
          deliveries[head]++;
#endif
          forget_expected()
        }
        leave();
        if
        :: ANY(IS_READY) -> wake_one()
        :: !ANY(IS_READY)
        fi;
        if
        :: finish_viewed(head)
        :: finish(head)
        :: requeue(head)
        fi;
        head = 0;
        if
        :: true
        :: break
        :: goto idle
        fi
      :: head == NOBODY ->
#ifndef WRONG_END_IGNORES_HANDS
        look_in_the_hands_of_others();
#endif
        if
        :: atomic { !answer -> end_was_told = true; forget_expected() }
          leave();
          break
        :: answer ->
          leave();
          answer = false;
          if
          :: SOMEBODY_IS_GONE -> enter(); recover(); leave(); wake_all()
          :: !SOMEBODY_IS_GONE
          fi;
          futex_wait(announced & BIT(me), SOMETHING_THERE)
        fi
      fi
    od;
timed_out:
    atomic { forget_expected() }
    wake_one();
idle:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run consumer(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index);
  timeout;
  atomic {
    if
    :: lock == NOBODY ->
      PROMISE(dropped_is_counted_once, counted == (dropped & 1) + (dropped >> 1));
      do
      :: index == MESSAGES -> break
      :: index < MESSAGES ->
        PROMISE(no_message_is_lost,
                state[index] != GONE || ((finished_ones | dropped) & BIT(index)));
        index++
      od
    :: else
    fi
  }
}
