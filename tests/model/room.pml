// SPDX-License-Identifier: Apache-2.0
// Waiting for room: no wake is lost, unless somebody was killed or stopped with it; then the slice
// helps. So no producer sleeps beside room that is enough for it, or beside a ring that is retired.
//
// The ring is full of messages of one unit. The first producer wants two units, the others one.
// Consumers join, copy messages out or view them, give the views back or keep them for ever, and
// close or stay.
//
// Stands for
//   waiting.cpp         see event_word.pml
//   channel_wait.cpp    push_slowly, try_push_while_waiting;  admission.cpp  wait_for_soft_cap
//   channel_push.cpp    take_block, try_push
//   channel_pop.cpp     take_small;  attached_ring.cpp  release_block, signal_space, give_up_role
//   channel_close.cpp   close;  opening.cpp  join (the wake at its end)
//   blocks.cpp          collect (as one step: returned.pml)
// Leaves out
//   growth and the relief block (mark.pml), priority (priority.pml), and what happens under the
//   lock.
//   Wakes are withheld while half of the releases that are queued are missing, not an eighth.
//
// Runs
//   brief  -DEARLY_SLICES=1
//   brief  -DSOFT_CAPS=1 -DPRODUCERS=1
//   brief  -DROOM=6 -DVIEWS_COME_BACK
//   brief  -DKILLS=1
//   long   -DROOM=6 -DVIEWS_COME_BACK -DPRODUCERS=1 -DCONSUMERS=2 -DEARLY_SLICES=1
//   long   -DCONSUMERS=2 -DEARLY_SLICES=1
//   long   -DKILLS=2
//   long   -DKILLS=1 -DSTOPS=1
//   wrong  NO_SLICE nobody_is_forgotten -DKILLS=1
//   wrong  CLEAR_KEEPS_SEQUENCE nobody_is_forgotten
//          W cleared and set again gives an announced value back, and its owner sleeps on it
//   wrong  WAKE_BEFORE_CAS nobody_is_forgotten -DPRODUCERS=1
//          the event word and the wake come before the block is given back
//   wrong  HINT_BEFORE_CAS nobody_is_forgotten -DPRODUCERS=1
//          no stack: a hint says that blocks are to be collected, and is set before they are
//   wrong  WAKE_ONLY_WHEN_LINKED nobody_is_forgotten -DPRODUCERS=1
//          a wake only by who could take the lock and collect; else the holder is trusted to
//   wrong  ONLY_THOSE_THAT_FIT nobody_is_forgotten -DPRODUCERS=1
//          a release wakes producers that want no more than it has given back
//   wrong  SLEEPS_ON_RETIRED nobody_is_forgotten -DPRODUCERS=1
//          the look before the sleep asks for room only, not whether the last consumer has left
//   wrong  LEAVES_OFF nobody_is_forgotten -DROOM=6 -DPRODUCERS=1
//          not wrong, but to be known: wakes are withheld while much is queued, and the consumer
//          stops popping; the producer looks when its slice ends
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef SOFT_CAPS
#define SOFT_CAPS 0  // Producers that wait for the soft cap, and leave that without a wake.
#endif
#ifndef ROOM
#define ROOM 2
#endif
#define N (PRODUCERS + CONSUMERS + SOFT_CAPS)
#include "deaths.pml"
#include "event_word.pml"

#define WANT (me == 0 -> 2 : 1)

byte queued = ROOM;
byte used = ROOM;  // Header::used_bytes
byte returned;     // Units on the stack of returned blocks.
byte viewed;       // Set: consumers with a BORROWED block.
byte unrecovered;  // Units of the dead.
byte consumers;    // Header::consumers
bool retired;
#ifdef WRONG_HINT_BEFORE_CAS
bool hint;
#endif
#ifdef WRONG_WAKE_ONLY_WHEN_LINKED
bool locked;
#endif

#define FULL 0
#define OK 1
#define NO_CONSUMERS 2

#define SOMETHING_THERE \
    (retired || (consumers && ROOM - used + returned + unrecovered >= WANT))

inline kernel_frees(victim) {
  asleep = asleep & ~BIT(victim);
  if
  :: viewed & BIT(victim) -> viewed = viewed & ~BIT(victim); unrecovered++
  :: else
  fi
}

inline collect() {
#ifdef WRONG_HINT_BEFORE_CAS
  if
  :: hint -> hint = false; used = used - returned; returned = 0
  :: else
  fi
#else
  used = used - returned;
  returned = 0
#endif
}

inline try_push() {
  if
  :: retired || !consumers -> result = NO_CONSUMERS
  :: else ->
    if
    :: used + WANT <= ROOM
    :: else -> collect()
    fi;
    if
    :: used + WANT <= ROOM -> used = used + WANT; result = OK; forget_expected()
    :: else -> result = FULL
    fi
  fi;
#ifdef WRONG_WAKE_ONLY_WHEN_LINKED
  locked = true
#endif
}

inline leave() {
#ifdef WRONG_WAKE_ONLY_WHEN_LINKED
  locked = false
#else
  skip
#endif
}

#define GIVEN_UP (result == NO_CONSUMERS && retired)

proctype producer() UNDISTURBED {
  EVENT_LOCALS;
  byte result;
  {
    atomic { try_push() }
    leave();
    do
    :: result == OK || GIVEN_UP -> break
    :: else ->
      if
      :: atomic { unrecovered -> used = used - unrecovered; unrecovered = 0 } wake(ALL)
      :: !unrecovered
      fi;
      atomic { announce() }
      atomic { try_push() }
      leave();
      if
      :: result == OK
#ifndef WRONG_SLEEPS_ON_RETIRED
      :: GIVEN_UP
#endif
      :: else -> futex_wait(ANNOUNCED, SOMETHING_THERE)
      fi
    od;
    wake(ALL);
    FINISHED
  } UNLESS_STRUCK
}

inline signal_space() {
  if
  :: !waiters
  :: waiters ->
#ifdef WRONG_ONLY_THOSE_THAT_FIT
    atomic { announced_now = 0; asleep = asleep & BIT(0) }
#else
    unsignalled++;
    if
    :: unsignalled < queued / 2
    :: atomic { unsignalled >= queued / 2 -> unsignalled = 0 } wake(ALL)
    fi
#endif
  fi
}

#if defined(VIEWS_COME_BACK) && !defined(WRONG_LEAVES_OFF)
#define MAY_LEAVE_OFF false
#else
#define MAY_LEAVE_OFF true
#endif

proctype consumer() UNDISTURBED {
  EVENT_LOCALS;
  byte unsignalled;
  {
    consumers++;
    wake(ALL);
    do
    :: atomic { queued -> queued--; used-- }
      signal_space()
    :: atomic { queued -> queued--; viewed = viewed | BIT(me) }
      if
      :: MAY_LEAVE_OFF -> break
      :: true
      fi;
#ifdef WRONG_HINT_BEFORE_CAS
      hint = true;
#endif
#ifdef WRONG_WAKE_BEFORE_CAS
      signal_space();
#endif
      atomic { viewed = viewed & ~BIT(me); returned++ }
#ifdef WRONG_WAKE_ONLY_WHEN_LINKED
      if
      :: atomic { !locked -> collect() } signal_space()
      :: locked
      fi
#elif !defined(WRONG_WAKE_BEFORE_CAS)
      signal_space()
#endif
    :: !queued -> break
    od;
    if
    :: atomic { consumers--; retired = !consumers } wake(ALL)
    :: skip
    fi;
    FINISHED
  } UNLESS_STRUCK
}

proctype soft_cap() UNDISTURBED {
  EVENT_LOCALS;
  {
    atomic { announce() }
    atomic { forget_expected() }
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < PRODUCERS -> run producer(); index++
    :: index >= PRODUCERS && index < PRODUCERS + CONSUMERS -> run consumer(); index++
    :: index >= PRODUCERS + CONSUMERS && index < N -> run soft_cap(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index)
}
