// SPDX-License-Identifier: Apache-2.0
// Part of the models that sleep: platform::futex_wait and futex_wake on one word.
//
// The kernel compares and queues in one step. Whom it wakes is left open, which is more than it
// does. A dying process stays queued until the kernel clears it away, and may be given a wake.
//
// Slices. A sleep may end by its slice at any time, but only EARLY_SLICES times in a run. Beyond
// that a slice ends only when nothing else can happen any more. If there is something for the
// sleeper then, it was forgotten, and without a death or a stop that is an error.
//
// A model defines `forget_expected()`: the value that was expected is not remembered any longer.
#ifndef EARLY_SLICES
#define EARLY_SLICES 0
#endif

byte asleep;  // A set of processes.
byte early_slices;

hidden byte nobody_is_forgotten;

#define SLEEPS (asleep & BIT(me))
#define WAKE_UP asleep = asleep & ~BIT(me)

inline futex_wait(expected, something_there) {
  atomic {
    if
    :: expected -> asleep = asleep | BIT(me)
    :: else
    fi;
    forget_expected()
  }
end_asleep:
  if
  :: !SLEEPS
  :: atomic { SLEEPS && early_slices < EARLY_SLICES -> early_slices++; WAKE_UP }
  :: atomic { timeout && (something_there) ->
#ifdef WRONG_NO_SLICE
       PROMISE(nobody_is_forgotten, false);
#else
       PROMISE(nobody_is_forgotten, HARMED);
#endif
       WAKE_UP }
  fi
}

// In a step. `woken`: whether anybody was.
inline futex_wake_one(woken, sleeper) {
  woken = (asleep != 0);
  sleeper = 0;
  do
  :: asleep == 0 -> break
  :: asleep & BIT(sleeper) -> asleep = asleep & ~BIT(sleeper); break
  :: asleep >> (sleeper + 1) -> sleeper++
  od;
  sleeper = 0
}

inline futex_wake_all(woken) {
  woken = (asleep != 0);
  asleep = 0
}
