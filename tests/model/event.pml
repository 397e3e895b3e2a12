// SPDX-License-Identifier: Apache-2.0
// Waiting for messages: no wake is lost, unless somebody was killed or stopped with it; then the
// slice helps. So nobody sleeps beside a message, the end of the stream, or his own close().
//
// A producer pushes two messages with one wake (a second producer one), and closes or stays. A
// consumer pops, is busy for ever after any message, runs into the deadline before it could look,
// or sees that another thread closes its handle.
//
// Stands for
//   waiting.cpp         see event_word.pml
//   channel_push.cpp    push;  channel_batch.cpp  push_many
//   channel_pop.cpp     pop_into, lock_and_try_pop, try_pop
//   channel_wait.cpp    pop_slowly
//   channel_close.cpp   close
//   attached_ring.cpp   wake_next_consumer, check_while_waiting, sweep, give_up_role,
//                       wake_everybody
// Leaves out
//   what happens under the lock, which is one step here (lock.pml, stream.pml); redelivery, which
//   has more that ends a wait (redelivery.pml).
//
// Runs
//   brief  -DLEAVERS=1 -DEARLY_SLICES=1
//   brief  -DCLOSERS=1 -DCLOSES=0
//   brief  -DPRODUCERS=2 -DCONSUMERS=1 -DEARLY_SLICES=1
//   brief  -DKILLS=1
//   long   -DKILLS=1 -DLEAVERS=1 -DEARLY_SLICES=1
//   long   -DCLOSERS=1 -DLEAVERS=1
//   long   -DKILLS=2
//   long   -DKILLS=1 -DSTOPS=1
//   long   -DPRODUCERS=1 -DCONSUMERS=3 -DCLOSES=0
//   wrong  NO_SLICE nobody_is_forgotten -DKILLS=1
//          a wake is given to one who dies before it looks
//   wrong  LOOK_FIRST nobody_is_forgotten
//          the waiter announces itself after its last look
//   wrong  NO_NEXT nobody_is_forgotten
//          who takes a message and sees more wakes nobody
//   wrong  NO_PASS_ON nobody_is_forgotten -DLEAVERS=1
//          who leaves without a message keeps its wake
//   wrong  CLEARS_W nobody_is_forgotten
//          a waker who has woken one clears W, although others sleep
//   wrong  NO_LAST_WAKE nobody_is_forgotten
//          who found no sleeper clears W and does not look again
//   wrong  CLEAR_KEEPS_SEQUENCE nobody_is_forgotten -DCLOSERS=1 -DCLOSES=0
//          W cleared and set again gives an announced value back, and its owner sleeps on it
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef CLOSERS
#define CLOSERS 0  // Threads that close the first consumer.
#endif
#ifndef CLOSES
#define CLOSES 1   // Whether producers close.
#endif
#ifndef LEAVERS
#define LEAVERS 0  // Calls whose deadline comes while they wait for the lock.
#endif
#define N (PRODUCERS + CONSUMERS + CLOSERS)
#include "deaths.pml"
#include "event_word.pml"

byte queued;
byte producers = PRODUCERS;  // Header::producers
byte left_ring;              // Set: producers that gave up their role.
byte gone;                   // Set: producers that are dead, and still counted.
byte refused;                // Set: consumers that another thread has closed.
byte leavers;

#define EMPTY 0
#define OK 1
#define END 2
#define REFUSED 3
#define TIMED_OUT 4

#define ENDED (producers == 0)
#define SOMETHING_THERE (queued || ENDED || gone || (refused & BIT(me)))

inline kernel_frees(victim) {
  asleep = asleep & ~BIT(victim);
  if
  :: victim < PRODUCERS && !(left_ring & BIT(victim)) -> gone = gone | BIT(victim)
  :: else
  fi
}

inline try_pop() {
  if
  :: leavers < LEAVERS -> leavers++; result = TIMED_OUT
  :: refused & BIT(me) -> result = REFUSED
  :: !(refused & BIT(me)) && queued -> queued--; result = OK
  :: !(refused & BIT(me)) && !queued && ENDED -> result = END
  :: !(refused & BIT(me)) && !queued && !ENDED -> result = EMPTY
  fi;
  if
  :: result != EMPTY -> forget_expected()
  :: else
  fi
}

proctype consumer() UNDISTURBED {
  EVENT_LOCALS;
  byte result;
  {
    do
#ifndef WRONG_LOOK_FIRST
    :: atomic { !announced -> announce() }
#endif
    :: atomic { true -> try_pop() }
#ifndef WRONG_NO_NEXT
      if
      :: result >= REFUSED
      :: result < REFUSED && queued -> wake(ONE)
      :: result < REFUSED && !queued
      fi;
#endif
#ifdef WRONG_LOOK_FIRST
      if
      :: atomic { result == EMPTY -> announce() }
      :: result != EMPTY
      fi;
#endif
      if
      :: result == OK
      :: atomic { result == OK -> break }
      :: result == EMPTY && !announced
      :: result == EMPTY && announced ->
        if
        :: atomic { gone -> gone = 0; producers-- } wake(ALL)
        :: !gone
        fi;
        futex_wait(ANNOUNCED, SOMETHING_THERE)
      :: result >= END -> break
      fi
    od;
    if
    :: result == OK
#ifdef WRONG_NO_PASS_ON
    :: result != OK
#else
    :: result != OK -> wake(ONE)
#endif
    fi;
    FINISHED
  } UNLESS_STRUCK
}

proctype producer() UNDISTURBED {
  EVENT_LOCALS;
  {
    queued = queued + (me == 0 -> 2 : 1);
    wake(ONE);
    if
    :: atomic { CLOSES -> producers--; left_ring = left_ring | BIT(me) } wake(ALL)
    :: skip
    fi;
    FINISHED
  } UNLESS_STRUCK
}

proctype closer() UNDISTURBED {
  EVENT_LOCALS;
  {
    refused = refused | BIT(PRODUCERS);
    wake(ALL);
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < PRODUCERS -> run producer(); index++
    :: index >= PRODUCERS && index < PRODUCERS + CONSUMERS -> run consumer(); index++
    :: index >= PRODUCERS + CONSUMERS && index < N -> run closer(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index)
}
