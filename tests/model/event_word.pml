// SPDX-License-Identifier: Apache-2.0
// Part of the models that wait for messages or room: one event word.
// Stands for src/shm/waiting.cpp: Event::announce, sleep, someone_waits, signal.
//
// The sequence, which would only make states differ, is kept as: whose remembered value is the
// word's. So it never comes round. Steps of one process are seen by all in one order: those that
// matter here are seq_cst in the code, or go through the ring's lock.
#include "futex.pml"

bool waiters;               // W
byte announced_now;         // Set: the value that they announced is that of the word.
byte announced_but_for_w;   // Set: it would be, if W were set again.
byte last_raiser = NOBODY;  // The value that its fetch_add left is that of the word.

#define EVENT_LOCALS byte sleeper; bool woken; bool announced
#define ANNOUNCED (announced_now & BIT(me))
#define ONE 0
#define ALL 1

inline forget_expected() {
  announced = false;
  announced_now = announced_now & ~BIT(me);
  announced_but_for_w = announced_but_for_w & ~BIT(me)
}

// In a step: W by compare-exchange, or W is there and the value is read.
inline announce() {
  announced = true;
  if
  :: waiters -> announced_now = announced_now | BIT(me)
  :: else ->
    waiters = true;
    announced_now = announced_but_for_w | BIT(me);
    announced_but_for_w = 0
  fi
}

// In a step. The sequence is raised once more, else an announced value would come back with W.
inline clear_w() {
  waiters = false;
#ifdef WRONG_CLEAR_KEEPS_SEQUENCE
  announced_but_for_w = announced_now;
#endif
  announced_now = 0
}

inline forget_raised() {
  if
  :: last_raiser == me -> last_raiser = NOBODY
  :: else
  fi
}

// Event::wake_one and wake_all.
inline wake(whom) {
  if
  :: !waiters
  :: waiters ->
    atomic { announced_now = 0; announced_but_for_w = 0; last_raiser = me }
    atomic {
      if
      :: whom == ALL -> futex_wake_all(woken)
      :: else -> futex_wake_one(woken, sleeper)
      fi;
      if
      :: woken ->
#ifdef WRONG_CLEARS_W
        clear_w();
#endif
        forget_raised()
      :: else
      fi
    }
    if
    :: woken
    :: else ->
      atomic {
        if
        :: last_raiser == me -> last_raiser = NOBODY; clear_w()
        :: else -> woken = true  // Not cleared, so nothing is left to do.
        fi
      }
#ifndef WRONG_NO_LAST_WAKE
      if
      :: woken
      :: else -> atomic { futex_wake_all(woken) }
      fi
#endif
    fi
  fi
}
