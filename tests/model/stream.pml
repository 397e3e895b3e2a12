// SPDX-License-Identifier: Apache-2.0
// The end of the stream, and what a newcomer makes of what others left behind: the end is told when
// nothing is queued and all producers of this run are gone, however they went, and a run in which
// one died is never taken for one that ended well.
//
// Producers join, push once and close; consumers join, pop to the end and close. With two slots for
// three, slots change hands. A producer that finds leftovers of a run that did not end well
// discards them, a consumer reads them and then waits for a producer.
//
// Stands for
//   joining.cpp         keep_or_discard_leftovers, take_role
//   opening.cpp         join
//   blocks.cpp          publish (one message)
//   channel_pop.cpp     try_pop;  channel_wait.cpp  pop_slowly
//   attached_ring.cpp   stream_has_ended, give_up_role
//   recovery.cpp        take_roles_of_the_dead
// Leaves out
//   incarnations (lock.pml): claim, token and new incarnation are one step. Wakes (event.pml): who
//   waits sees what there is to see, as after a slice. Redelivery (redelivery.pml).
//
// Runs
//   brief  -DKILLS=1
//   brief  -DKILLS=2 -DPRODUCERS=1 -DCONSUMERS=2
//   long   -DKILLS=2
//   long   -DKILLS=1 -DSTOPS=1
//   long   -DKILLS=2 -DSLOTS=3
//   wrong  ROLES_ARE_EVIDENCE a_run_with_deaths_did_not_end_well -DKILLS=1
//          whether a producer died is told by the roles of dead slots, which others recover or take
//   wrong  COUNT_GOES_ON the_end_needs_a_producer_of_this_run -DKILLS=1
//          joined and left do not start anew after leftovers
//   wrong  ENDS_WHEN_ALL_HAVE_LEFT nobody_waits_for_an_end_that_has_come -DKILLS=1
//          the end comes when as many have left as have joined: like a message that says so
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef CONSUMERS
#define CONSUMERS 1
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#define N (PRODUCERS + CONSUMERS)
#include "deaths.pml"

#define NONE 0
#define ATTACHING 1
#define PRODUCER 2
#define CONSUMER 3
#define LINGERING 4
#define PRODUCES (me < PRODUCERS)

typedef Slot {
  byte role;
  byte holder = NOBODY;  // Has claim and token.
}
Slot slot[SLOTS];
byte lock = NOBODY;
byte freed;         // Set: processes whose token is free.
byte ever_joined;   // Header::joined_left
byte left_cleanly;
byte queued;
byte producers;     // Derived, as are the consumers.
byte consumers;

// What only the model knows.
byte came;          // Producers of this run.
byte producing;     // Set: of these, those that have not closed.
bool unclean;       // One of them has died.

hidden byte a_run_with_deaths_did_not_end_well;
hidden byte the_end_is_the_end;
hidden byte the_end_needs_a_producer_of_this_run;
hidden byte nobody_waits_for_an_end_that_has_come;

inline kernel_frees(victim) {
  byte s = 0;
  do
  :: s == SLOTS -> break
  :: s < SLOTS ->
    if :: slot[s].holder == victim -> slot[s].holder = NOBODY :: else fi;
    s++
  od;
  s = 0;
  freed = freed | BIT(victim);
  if :: producing & BIT(victim) -> unclean = true :: else fi;
  producing = producing & ~BIT(victim)
}
#define IS_DEAD(p) (freed & BIT(p))

#ifdef WRONG_ENDS_WHEN_ALL_HAVE_LEFT
#define ENDED (ever_joined >= 1 && ever_joined == left_cleanly)
#else
#define ENDED (ever_joined >= 1 && producers == 0)
#endif
#define IS_GONE(s) (slot[s].role != NONE && slot[s].holder == NOBODY)
#if SLOTS == 2
#define A_SLOT_IS_GONE (IS_GONE(0) || IS_GONE(1))
#else
#define A_SLOT_IS_GONE (IS_GONE(0) || IS_GONE(1) || IS_GONE(2))
#endif
#define SOMEBODY_IS_GONE (A_SLOT_IS_GONE || (lock != NOBODY && IS_DEAD(lock)))

inline recover() {
  index = 0; producers_seen = 0; consumers_seen = 0;
  do
  :: index == SLOTS -> break
  :: index < SLOTS ->
    atomic {
      if
      :: slot[index].holder == NOBODY -> slot[index].role = NONE
      :: else ->
        if
        :: slot[index].role == PRODUCER -> producers_seen++
        :: slot[index].role == CONSUMER -> consumers_seen++
        :: else
        fi
      fi;
      index++
    }
  od;
  atomic {
    producers = producers_seen; consumers = consumers_seen;
    index = 0; producers_seen = 0; consumers_seen = 0
  }
}

inline enter() {
  entered = true;
  if
  :: atomic { lock == NOBODY -> lock = me }
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
     recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> entered = false }
  fi
}
inline leave() { atomic { lock == me; lock = NOBODY } }

inline look_for_the_dead() {
  atomic {
    index = 0; answer = false;
    do
    :: index == SLOTS -> break
    :: index < SLOTS ->
      answer = answer || IS_GONE(index);
      index++
    od;
    index = 0
  }
}

inline begin_a_run() {
#ifndef WRONG_COUNT_GOES_ON
  ever_joined = 0; left_cleanly = 0;
#endif
  came = 0; unclean = false
}

// joining.cpp answer_is_kept: for a minute, which here may be over at any time.
#define ANSWER_IS_KEPT (ever_joined == left_cleanly && ever_joined)

inline keep_or_discard_leftovers() {
  if
  :: producers + consumers
  :: !(producers + consumers) && !queued -> atomic { begin_a_run() }
  :: !(producers + consumers) && !queued && !PRODUCES && ANSWER_IS_KEPT ->
    atomic { PROMISE(a_run_with_deaths_did_not_end_well, !unclean) }
  :: !(producers + consumers) && queued ->
#ifdef WRONG_ROLES_ARE_EVIDENCE
    answer = !evidence;
#else
    answer = (ever_joined == left_cleanly && ever_joined);
#endif
    if
    :: answer -> atomic { PROMISE(a_run_with_deaths_did_not_end_well, !unclean); answer = false }
    :: !answer ->
      do
      :: PRODUCES && queued -> queued--  // stale="discard"
      :: !(PRODUCES && queued) -> break  // stale="resume"
      od;
      atomic { begin_a_run() }
    fi
  fi
}

inline take_role() {
  if
  :: PRODUCES ->
    atomic { ever_joined++; came++; producing = producing | BIT(me) }
    slot[mine].role = PRODUCER;
    producers++
  :: !PRODUCES ->
    slot[mine].role = CONSUMER;
    consumers++
  fi
}

inline enter_or_give_up() {
  enter();
  if
  :: entered
  :: !entered -> goto gone
  fi
}

inline pop_to_the_end() {
  do
  :: enter_or_give_up();
    if
    :: queued -> queued--; leave()
    :: !queued && ENDED ->
      atomic {
        PROMISE(the_end_is_the_end, !queued && !(producing & ~dead));
        PROMISE(the_end_needs_a_producer_of_this_run, came)
      }
      leave();
      break
    :: !queued && !ENDED ->
      leave();
      look_for_the_dead();
      if
      :: answer -> enter_or_give_up(); recover(); leave(); answer = false
      :: !answer
      fi;
end_waits:
      queued || ENDED || SOMEBODY_IS_GONE
    fi
  od
}

proctype handle() UNDISTURBED {
  byte mine, index, producers_seen, consumers_seen;
  bool answer, entered, predecessor_died;
#ifdef WRONG_ROLES_ARE_EVIDENCE
  bool evidence;
#endif
  {
    do
    :: atomic { slot[mine].holder == NOBODY ->
         predecessor_died = (slot[mine].role != NONE);
#ifdef WRONG_ROLES_ARE_EVIDENCE
         evidence = (slot[mine].role == PRODUCER);
#endif
         slot[mine].role = ATTACHING;
         slot[mine].holder = me; break }
    :: atomic { slot[mine].holder != NOBODY && mine < SLOTS - 1 -> mine++ }
    :: atomic { slot[mine].holder != NOBODY && mine == SLOTS - 1 -> mine = 0; goto no_slot }
    od;
    enter_or_give_up();
#ifdef WRONG_ROLES_ARE_EVIDENCE
    atomic {
      do
      :: index == SLOTS -> index = 0; break
      :: index < SLOTS ->
        evidence = evidence || (slot[index].role == PRODUCER && IS_GONE(index));
        index++
      od
    }
#endif
    look_for_the_dead();
    if
    :: answer || predecessor_died -> recover(); predecessor_died = false; answer = false
    :: else
    fi;
    keep_or_discard_leftovers();
    take_role();
    leave();
    if
    :: PRODUCES -> enter_or_give_up(); queued++; leave()
    :: !PRODUCES -> pop_to_the_end()
    fi;
    enter_or_give_up();
    look_for_the_dead();
    if
    :: answer -> recover(); answer = false
    :: else
    fi;
    if
    :: PRODUCES ->
      atomic { left_cleanly++; producing = producing & ~BIT(me) }
      producers--
    :: !PRODUCES -> consumers--
    fi;
    slot[mine].role = LINGERING;
    leave();
gone:
    slot[mine].holder = NOBODY;
no_slot:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    do
    :: index < N -> run handle(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index);
  // Who still runs waits for the end.
  timeout;
  atomic { PROMISE(nobody_waits_for_an_end_that_has_come, !RUNNING || !came || stopped) }
}
