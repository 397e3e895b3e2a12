// SPDX-License-Identifier: Apache-2.0
// A descriptor that follows the queue: whenever nobody is in the middle of anything, it is readable
// exactly while something is queued. Its thread makes it readable, calls that pop make it
// unreadable.
//
// Producers push one message each. Threads of the handle pop or find nothing, and look at what is
// left. The watcher's thread sleeps in the event word until a push.
//
// Stands for
//   level.cpp     popped, show
//   watcher.cpp   tell, rearm, run
//   watch.cpp     await_answer
// Leaves out
//   the event word, in which a push wakes this thread whenever it has announced itself
//   (event.pml); that the thread passes on a wake that it does not need; the slices, which would
//   hide what is lost; other processes' consumers, of whom the descriptor knows nothing until the
//   next call; the end of the handle.
//
// Runs
//   brief  -DPRODUCERS=2 -DPOPPERS=2
//   brief  -DPRODUCERS=3 -DPOPPERS=1 -DPOPS=3
//   long   -DPRODUCERS=3 -DPOPPERS=2 -DPOPS=2
//   wrong  NO_COUNT descriptor_tells_the_truth
//          the thread tells of what it saw before the last pop
//   wrong  TWO_STEPS descriptor_tells_the_truth
//          two threads look in one order, and show what they saw in the other
//   wrong  ARM_FIRST descriptor_tells_the_truth
//          the thread waits before the descriptor is made unreadable, which undoes its news
//   wrong  LOOK_FIRST descriptor_tells_the_truth
//          the thread announces itself after its last look
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef POPPERS
#define POPPERS 2
#endif
#ifndef POPS
#define POPS 1  // Of each popper.
#endif

byte queued;
byte pushes;     // The event word.
bool readable;
bool armed = true;
bool given_up;
byte changes;
bool level_mutex;
bool mutex;      // The watcher's.
byte at_work = PRODUCERS + POPPERS;
bool descriptor_tells_the_truth;

inline lock(which) { atomic { !which -> which = true } }
inline unlock(which) { which = false }

proctype producer() {
  queued++;
  pushes++;
  at_work--
}

inline show_it(is_ready) {
  if
  :: is_ready ->
    lock(mutex);
    if
    :: armed -> armed = false; given_up = true
    :: else
    fi;
    readable = true;
    unlock(mutex)
  :: else ->
#ifdef WRONG_ARM_FIRST
    lock(mutex);
    given_up = false; armed = true; changes++;
    unlock(mutex);
    lock(mutex);
    readable = false;
    unlock(mutex)
#else
    lock(mutex);
    readable = false;
    given_up = false; armed = true; changes++;
    unlock(mutex)
#endif
  fi
}

proctype popper() {
  bool is_ready;
  byte pops;
  do
  :: pops < POPS ->
    pops++;
    atomic {
      if
      :: queued > 0 -> queued--
      :: else
      fi
    }
#ifdef WRONG_TWO_STEPS
    is_ready = (queued > 0);
    lock(level_mutex);
#else
    lock(level_mutex);
    is_ready = (queued > 0);
#endif
    show_it(is_ready);
    unlock(level_mutex)
  :: else -> break
  od;
  at_work--
}

proctype watcher() {
  byte seen, announced;
  bool was_armed;
  do
  :: lock(mutex);
    seen = changes;
    was_armed = armed;
    unlock(mutex);
    if
    :: !was_armed ->
end_parked:
      changes != seen
    :: else ->
      do
      :: true ->
#ifndef WRONG_LOOK_FIRST
        announced = pushes;
#endif
        if
        :: given_up -> break
        :: else
        fi;
        if
        :: queued > 0 -> break
        :: else
        fi;
#ifdef WRONG_LOOK_FIRST
        announced = pushes;
#endif
end_asleep:
        pushes != announced
      od;
      lock(mutex);
      if
      :: !armed || given_up
#ifndef WRONG_NO_COUNT
      :: armed && !given_up && changes != seen
      :: armed && !given_up && changes == seen ->
#else
      :: armed && !given_up ->
#endif
        armed = false;
        readable = true
      fi;
      unlock(mutex)
    fi
  od
}

init {
  byte index;
  atomic {
    run watcher();
    do
    :: index < PRODUCERS -> run producer(); index++
    :: index >= PRODUCERS && index < PRODUCERS + POPPERS -> run popper(); index++
    :: else -> break
    od
  }
  // Asleep with nothing to wake for, and nobody else there: only then is it looked at.
  timeout;
  assert(at_work == 0);
  d_step {
    descriptor_tells_the_truth = (readable == (queued > 0));
    assert(descriptor_tells_the_truth)
  }
}
