// SPDX-License-Identifier: Apache-2.0
// close() while another thread of the handle is in a call: no two are inside at once, although the
// token goes. (That sleeping calls are woken: event.pml, room.pml.)
//
// One thread calls a few times, one closes; two other handles take the lock, and one may die with
// it. A thread that takes the lock over is inside while it recovers, whatever it answers then.
//
// Stands for
//   channel.cpp          lock, lock_slowly
//   attached_ring.hpp    try_lock, lock, lock_although_closed, unlock, Busy, busy
//   attached_ring.cpp    give_up_role, drop_token
//   lock.cpp             acquire_slowly, take_over_from_dead
//   channel_close.cpp    close;  handle_lifetime.cpp  end_when_all_is_given_back, drop_token
// Leaves out
//   that close() waits for a thread that is in a call for at most a second. A thread that gets no
//   processor for so long, or has 2 MiB of memory reserved for longer, while another thread of its
//   process closes, is out of its bounds, and the model's.
//
// Runs
//   brief  -DKILLS=1
//   long   -DKILLS=2 -DCALLS=3
//   long   -DKILLS=1 -DSTOPS=1
//   wrong  REFUSED_TOO_LATE one_inside -DKILLS=1
//          a call looks whether its handle is closed before it counts itself as busy, and after it
//          has the lock; in between it may take over, and recover, when the token is gone
#ifndef CALLS
#define CALLS 2
#endif
#define N 4
// Processes 0 and 1 are threads of one handle; 2 and 3 are handles of others.
#define SPARED (BIT(0) | BIT(1))
#define OURS 0
#include "deaths.pml"

byte lock = NOBODY;  // OURS, or the number of another handle.
bool refusal;        // Membership::refusal
byte busy;
bool token = true;   // Of our handle.
byte freed;          // Set: of the others.

byte inside;
hidden byte one_inside;

#define IS_OURS (me <= 1)
#define HANDLE (IS_OURS -> OURS : me)
#define IS_DEAD(handle) ((handle) == OURS -> !token : freed & BIT(handle))
#define TAKES_OVER (lock != NOBODY && lock != HANDLE && IS_DEAD(lock))

inline kernel_frees(victim) {
  freed = freed | BIT(victim);
  inside = inside & ~BIT(victim)
}

inline work() {
  atomic { inside = inside | BIT(me); PROMISE(one_inside, inside == BIT(me)) }
  inside = inside & ~BIT(me)
}

// Lock::acquire, and recover() after a take-over. `answer`: whether it was to be had in time.
inline acquire() {
  if
  :: atomic { lock == NOBODY -> lock = HANDLE; answer = true }
  :: atomic { TAKES_OVER -> lock = HANDLE; answer = true }
    work()
  :: atomic { IS_OURS && lock != NOBODY && !TAKES_OVER -> answer = false }
  :: atomic { !IS_OURS && lock != NOBODY && (stopped & BIT(lock)) -> goto given_up }
  fi
}

inline leave() { atomic { lock = (lock == HANDLE -> NOBODY : lock) } }

proctype caller() UNDISTURBED {
  byte calls;
  bool answer;
  {
    do
    :: calls == CALLS -> break
    :: calls < CALLS ->
      if
      :: atomic { lock == NOBODY -> lock = OURS }
      :: lock != NOBODY ->
        if
        :: refusal -> break
        :: !refusal
        fi;
        do
        :: busy++;
#ifndef WRONG_REFUSED_TOO_LATE
          if
          :: refusal -> busy--; goto given_up
          :: !refusal
          fi;
#endif
          acquire();
          busy--;
          if
          :: answer -> break
          :: !answer ->
            if
            :: refusal -> goto given_up
            :: !refusal
            fi
          fi
        od
      fi;
      if
      :: refusal -> leave(); break
      :: !refusal
      fi;
      work();
      leave();
      calls++
    od;
given_up:
    FINISHED
  } UNLESS_STRUCK
}

proctype closer() UNDISTURBED {
  bool answer;
  {
    refusal = true;
    busy++;
    acquire();
    busy--;
    if
    :: answer -> work(); leave()
    :: !answer
    fi;
    do
    :: lock == OURS
    :: lock != OURS ->
      if
      :: !busy -> break
      :: busy
      fi
    od;
    token = false;
given_up:
    FINISHED
  } UNLESS_STRUCK
}

proctype other() UNDISTURBED {
  byte rounds;
  bool answer;
  {
    do
    :: rounds == CALLS -> break
    :: rounds < CALLS -> acquire(); work(); leave(); rounds++
    od;
given_up:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic { run caller(); run closer(); run other(); run other() }
  strike(index)
}
