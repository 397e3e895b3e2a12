// SPDX-License-Identifier: Apache-2.0
// Priority of the oldest want: a large push is not starved by small ones, nor they by it, nor
// anybody by the priority of somebody who is dead or stopped.
//
// Producers push for ever, small messages of one unit and a large one of two, into a ring of two
// units; a consumer pops for ever. Fairness: whoever can take a step all the time takes one in the
// end. It is not said that anybody looks just when there is room.
//
// Stands for
//   channel_wait.cpp   push_slowly, try_push_while_waiting
//   admission.cpp      admit, must_yield, register_want, end_want
//   recovery.cpp       rebuild_counts
// Leaves out
//   clocks: a want that is not the oldest waits for ever, the oldest gets priority at its next
//   look, and the priority of somebody silent has expired after two looks of others. The relief
//   block, which serves the producer with priority sooner. Sleeping (room.pml).
//
// Runs
//   brief  -DNP -DPROGRESS_OF_LARGE
//   brief  -DNP -DPROGRESS_OF_SMALL -DKILLS=1
//   brief  -DNP -DPROGRESS_OF_SMALL -DSTOPS=1
//   long   -DNP -DPROGRESS_OF_SMALL -DSMALL=3 -DKILLS=1 -DSTOPS=1
//   long   -DNP -DPROGRESS_OF_LARGE -DSMALL=3
//   wrong  NO_PRIORITY no_starvation -DNP -DPROGRESS_OF_LARGE
//   wrong  PRIORITY_NEVER_EXPIRES no_starvation -DNP -DPROGRESS_OF_SMALL -DKILLS=1
#ifndef SMALL
#define SMALL 2  // Producers of small messages.
#endif
#define N (SMALL + 1)
#define LARGE SMALL
#define ROOM 2
#include "deaths.pml"

byte used;
byte queued;      // Units.
byte preferred = NOBODY;
byte waiting;     // Set: have a want in their slot.
byte older[N];    // Set: whose want is older.
byte looks;       // Of others, since who has priority fell silent.
byte freed;

#define WANT(p) ((p) == LARGE -> 2 : 1)
#define SILENT (freed | stopped)
#ifdef WRONG_PRIORITY_NEVER_EXPIRES
#define EXPIRED (!(waiting & BIT(preferred)))
#else
#define EXPIRED (!(waiting & BIT(preferred)) || looks == 2)
#endif

inline kernel_frees(victim) { freed = freed | BIT(victim) }

inline end_want() {
  waiting = waiting & ~BIT(me);
  other = 0;
  do
  :: other < N -> older[other] = older[other] & ~BIT(me); other++
  :: other == N -> other = 0; break
  od
}

inline register_want() {
  if
  :: !(waiting & BIT(me)) -> older[me] = waiting; waiting = waiting | BIT(me)
  :: else
  fi;
#ifndef WRONG_NO_PRIORITY
  if
  :: preferred == me || (preferred == NOBODY && !(older[me] & ~SILENT)) -> preferred = me; looks = 0
  :: else
  fi
#endif
}

inline try_push() {
  served = true;
  if
  :: preferred != NOBODY && preferred != me && EXPIRED -> preferred = NOBODY
  :: preferred != NOBODY && preferred != me && !EXPIRED ->
    looks = (looks < 2 && (SILENT & BIT(preferred)) -> looks + 1 : looks);
    served = (used + WANT(me) + WANT(preferred) <= ROOM)
  :: else
  fi;
  served = served && used + WANT(me) <= ROOM;
  if
  :: served ->
    used = used + WANT(me); queued = queued + WANT(me);
    preferred = (preferred == me -> NOBODY : preferred);
    end_want()
  :: else
  fi
}

proctype producer() UNDISTURBED {
  byte other;
  bool served;
  {
    do
    :: atomic { true -> try_push() }
      do
      :: served -> break
      :: !served -> atomic { register_want(); try_push() }
      od;
      if
      :: me == LARGE ->
#ifdef PROGRESS_OF_LARGE
progress_large:
#endif
        skip
      :: me != LARGE ->
#ifdef PROGRESS_OF_SMALL
progress_small:
#endif
        skip
      fi
    od
  } UNLESS_STRUCK
}

proctype consumer() {
  do
  :: atomic { queued -> queued--; used-- }
  od
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run producer(); index++
    :: else -> break
    od;
    run consumer();
    index = 0
  }
  strike(index)
}
