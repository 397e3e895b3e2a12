// SPDX-License-Identifier: Apache-2.0
// The end of the stream for workers, with redelivery, and for subscribers, on one ring; and that
// nobody sleeps beside a message for him or beside the end, unless somebody was killed or stopped.
//
// A producer pushes and closes, or stays. Workers pop, finish (perhaps while they view), requeue,
// pop again. Subscribers read each message, finish it or view it for ever, and want more.
//
// Stands for
//   attached_ring.hpp  stream_has_ended, wake_readers, wake_next_consumer, wake_if_stream_may_end
//   stream_ending.hpp  answer;       redelivery.cpp  finish, keep, requeue_block
//   blocks_shared.cpp  serve_without_lock;  blocks.hpp  finish_share
//   channel_subscribe.cpp  try_pop_shared(Message&)
//   recovery.cpp       recover_block, recover_borrowed, end_use;  redo.cpp  finish
// Leaves out
//   the event words, whose wakes are one step (event.pml): data_event is that of workers,
//   share_event that of subscribers, and ONE_EVENT is one for both; the stack of returned blocks
//   and their use again (share_release.pml); who is expected to join; giving up (share_drop.pml).
//
// Runs
//   brief  -DKILLS=1 -DWORKERS=1
//   brief
//   long   -DSTOPS=1 -DWORKERS=1
//   long   -DKILLS=1
//   long   -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=2
//   long   -DKILLS=2 -DWORKERS=1 -DSUBSCRIBERS=1
//   long   -DMESSAGES=2 -DWORKERS=1 -DSUBSCRIBERS=1
//   long   -DKILLS=1 -DONE_EVENT
//   long   -DSTOPS=1 -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=1
//   long   -DKILLS=1 -DMESSAGES=2 -DWORKERS=1 -DSUBSCRIBERS=1
//   wrong  NO_SLICE nobody_is_forgotten -DKILLS=1
//   wrong  WAKES_ONE nobody_is_forgotten -DONE_EVENT
//          one event word, and a publish wakes one sleeper
//   wrong  WAKES_ONE nobody_is_forgotten -DWORKERS=1 -DSUBSCRIBERS=2
//          an event word for subscribers, of whom a publish wakes one
//   wrong  SERVED_WAKES_NOBODY nobody_is_forgotten
//          a worker whose message others still read wakes nobody when it has finished it
//   wrong  END_COUNTS_SHARES nobody_is_forgotten
//          the end for workers waits until subscribers have finished, too
//   wrong  NO_SERVED nobody_waits_for_an_end_that_has_come
//          no state SERVED: a message stays BORROWED by its worker until all have finished it
//   wrong  END_WAITS_FOR_QUEUE nobody_is_forgotten
//          the end for subscribers waits until the queue is empty, too
//   wrong  END_IGNORES_HANDS nothing_comes_back_after_the_end
//          the end is told to a worker while others hold messages
//   wrong  REQUEUE_GIVES_SHARES read_once
//          a message that comes back gets its subscribers' shares again
#ifndef WORKERS
#define WORKERS 2
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 1
#endif
#ifndef MESSAGES
#define MESSAGES 1
#endif
#define MOST_DELIVERIES 2
#define N (1 + WORKERS + SUBSCRIBERS)
#include "deaths.pml"
#include "futex.pml"

#define ALL_SUBSCRIBERS ((BIT(N) - 1) & ~(BIT(1 + WORKERS) - 1))
#define ALL_WORKERS ((BIT(1 + WORKERS) - 1) & ~BIT(0))

#define UNBORN 0
#define READY 1
#define BORROWED 2
#define KEPT 3
#define SERVED 4
#define GONE 5  // RETURNED or FREE.

byte state[MESSAGES];
byte owner[MESSAGES] = NOBODY;
byte deliveries[MESSAGES];
byte shares[MESSAGES];
bool is_shared[MESSAGES];  // Published with shares.
byte cursor[N];
byte published;
byte entries = ALL_SUBSCRIBERS;
byte producers = 1;
byte lock = NOBODY;
byte freed;
byte recovered;
byte announced;  // Set: the value that they announced is that of their event word.

// What only the model knows.
byte finished_ones;
bool end_was_told_to_a_worker;
byte ended;      // Set: subscribers that were told the end.
byte reads[N];   // Bits of messages.

hidden byte nothing_comes_back_after_the_end;
hidden byte nothing_is_left_at_the_end;
hidden byte nobody_waits_for_an_end_that_has_come;
hidden byte finished_is_finished;
hidden byte read_once;

#define IS_DEAD(p) (freed & BIT(p))
#define OF_OTHERS(m) (state[m] == BORROWED && owner[m] != me)
#define OF_OTHERS_ALIVE(m) (state[m] == BORROWED && !(freed & BIT(owner[m])))
#if MESSAGES == 1
#define ANY(condition) (condition(0))
#else
#define ANY(condition) (condition(0) || condition(1))
#endif
#define IS_READY(m) (state[m] == READY)
#define HAS_SHARES(m) (state[m] >= READY && state[m] <= SERVED && shares[m])
#define IS_UNREAD(m) (state[m] >= READY && state[m] <= SERVED && (shares[m] & BIT(me)) && \
    m >= cursor[me])
#define SOMEBODY_IS_GONE ((freed & ~recovered) || (lock != NOBODY && IS_DEAD(lock)))
#ifdef WRONG_END_IGNORES_HANDS
#define HANDS false
#elif defined(WRONG_END_COUNTS_SHARES)
#define HANDS (ANY(OF_OTHERS) || ANY(HAS_SHARES))
#elif defined(WRONG_NO_SERVED)
#define IS_BORROWED(m) (state[m] == BORROWED)
#define HANDS ANY(IS_BORROWED)
#else
#define HANDS ANY(OF_OTHERS)
#endif
#define ENDED_FOR_WORKERS (producers == 0 && !ANY(IS_READY) && !HANDS)
#ifdef WRONG_END_WAITS_FOR_QUEUE
#define ENDED_FOR_SUBSCRIBERS (producers == 0 && !ANY(IS_READY) && !ANY(IS_UNREAD))
#else
#define ENDED_FOR_SUBSCRIBERS (producers == 0 && !ANY(IS_UNREAD))
#endif
#define FOR_WORKERS (ANY(IS_READY) || ENDED_FOR_WORKERS || SOMEBODY_IS_GONE)
#define FOR_SUBSCRIBERS (ANY(IS_UNREAD) || ENDED_FOR_SUBSCRIBERS || SOMEBODY_IS_GONE)

inline kernel_frees(victim) {
  freed = freed | BIT(victim);
  asleep = asleep & ~BIT(victim)
}

inline forget_expected() { announced = announced & ~BIT(me) }
inline wake(set) { atomic { announced = announced & ~(set); asleep = asleep & ~(set) } }
inline wake_everybody() { wake(255) }
// One of them, left open which.
inline wake_one(set) {
  atomic {
    announced = announced & ~(set);
    sleeper = 0;
    do
    :: !(asleep & (set)) -> break
    :: asleep & (set) & BIT(sleeper) -> asleep = asleep & ~BIT(sleeper); break
    :: (asleep & (set)) >> (sleeper + 1) -> sleeper++
    od;
    sleeper = 0
  }
}

inline wake_for_message() {
#ifdef ONE_EVENT
#ifdef WRONG_WAKES_ONE
  wake_one(255)
#else
  wake(255)
#endif
#else
  wake_one(ALL_WORKERS);
#ifdef WRONG_WAKES_ONE
  wake_one(ALL_SUBSCRIBERS)
#else
  wake(ALL_SUBSCRIBERS)
#endif
#endif
}

// In a step.
inline make_ready(m) {
  PROMISE(nothing_comes_back_after_the_end, !end_was_told_to_a_worker);
  PROMISE(finished_is_finished, !(finished_ones & BIT(m)));
#ifdef WRONG_REQUEUE_GIVES_SHARES
  shares[m] = entries;
  cursor[N - 1] = 0;
#endif
  state[m] = READY; owner[m] = NOBODY
}
// The queue is done with it. Of a shared message the shares are looked at afterwards.
inline end_queue_share(m) {
  if
  :: is_shared[m] -> state[m] = SERVED
  :: else -> state[m] = GONE
  fi;
  owner[m] = NOBODY
}
inline forget_if_served(m) {
  atomic {
    if
    :: state[m] == SERVED && shares[m] == 0 -> state[m] = GONE
    :: else
    fi
  }
}

inline recover() {
  living = ~freed;
  message = 0;
  do
  :: message == MESSAGES -> break
  :: message < MESSAGES ->
    atomic { shares[message] = shares[message] & living }
    if
    :: atomic { state[message] == KEPT && !(living & BIT(owner[message])) ->
         end_queue_share(message) }
    :: atomic { state[message] == BORROWED && !(living & BIT(owner[message])) ->
         if
         :: deliveries[message] >= MOST_DELIVERIES ->
           finished_ones = finished_ones | BIT(message); end_queue_share(message)
         :: else -> make_ready(message)
         fi }
    :: else
    fi;
    forget_if_served(message);
    message++
  od;
  atomic {
    if :: !(living & BIT(0)) -> producers = 0 :: else fi;
    entries = entries & living;
    recovered = recovered | ~living;
    message = 0; living = 0
  }
}

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover();
    wake_everybody()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}
inline leave() { atomic { lock == me -> lock = NOBODY } }

inline look_for_the_dead() {
  if
  :: (freed & ~recovered) -> enter(); recover(); leave(); wake_everybody()
  :: !(freed & ~recovered)
  fi
}

proctype producer() UNDISTURBED {
  byte message, living, sleeper;
  {
    do
    :: published == MESSAGES -> break
    :: published < MESSAGES ->
      enter();
      atomic {
        PROMISE(nothing_is_left_at_the_end, !ended);
        shares[published] = entries; is_shared[published] = (entries != 0);
        state[published] = READY; published++
      }
      leave();
      wake_for_message()
    od;
    if
    :: enter(); producers = 0; leave(); wake_everybody()
    :: true -> end_stays: false
    fi;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

// ---- workers -----------------------------------------------------------------------------------

inline find_head() {
  head = 0;
  do
  :: head == MESSAGES -> head = NOBODY; break
  :: head < MESSAGES && IS_READY(head) -> break
  :: head < MESSAGES && !IS_READY(head) -> head++
  od
}

// From BORROWED or KEPT of ours.
inline end_my_part(m) {
#ifdef WRONG_NO_SERVED
  atomic {
    finished_ones = finished_ones | BIT(m);
    if
    :: shares[m] == 0 -> state[m] = GONE; owner[m] = NOBODY
    :: else  // The last subscriber does it.
    fi
  }
#else
  atomic { end_queue_share(m); finished_ones = finished_ones | BIT(m) }
  if
  :: state[m] == SERVED -> forget_if_served(m);
#ifdef WRONG_SERVED_WAKES_NOBODY
    goto woken_nobody
#endif
  :: state[m] != SERVED
  fi
#endif
}

proctype worker() UNDISTURBED {
  byte head, message, living, sleeper;
  {
    do
    :: atomic { announced = announced | BIT(me) }
      enter();
      atomic { find_head() }
      if
      :: head != NOBODY ->
        atomic { state[head] = BORROWED; owner[head] = me; deliveries[head]++; forget_expected() }
        leave();
        if
        :: ANY(IS_READY) -> wake_one(ALL_WORKERS)
        :: !ANY(IS_READY)
        fi;
        if
        :: atomic { state[head] = KEPT; finished_ones = finished_ones | BIT(head) }
          wake(ALL_WORKERS);
          if
          :: goto idle  // Views it for ever.
          :: true
          fi;
          end_my_part(head)
        :: end_my_part(head)
        :: atomic { deliveries[head] < MOST_DELIVERIES -> skip }
          enter();
          atomic { make_ready(head) }
          leave();
          wake_one(ALL_WORKERS)
        fi;
        wake(ALL_WORKERS);
woken_nobody:
        head = 0;
        if
        :: true
        :: goto idle
        fi
      :: head == NOBODY ->
        if
        :: atomic { ENDED_FOR_WORKERS -> end_was_told_to_a_worker = true; forget_expected() }
          leave();
          break
        :: !ENDED_FOR_WORKERS ->
          leave();
          look_for_the_dead();
          futex_wait(announced & BIT(me), FOR_WORKERS)
        fi
      fi
    od;
timed_out:
    atomic { forget_expected() }
    wake_one(ALL_WORKERS);
idle:
    FINISHED
  } UNLESS_STRUCK
}

// ---- subscribers -------------------------------------------------------------------------------

inline find_unread() {
  head = 0;
  do
  :: head == MESSAGES -> head = NOBODY; break
  :: head < MESSAGES && IS_UNREAD(head) -> break
  :: head < MESSAGES && !IS_UNREAD(head) -> head++
  od
}

proctype subscriber() UNDISTURBED {
  byte head, message, living, sleeper;
  {
    do
    :: atomic { announced = announced | BIT(me) }
      enter();
      atomic { find_unread() }
      if
      :: head != NOBODY ->
        atomic {
          PROMISE(read_once, !(reads[me] & BIT(head)));
          reads[me] = reads[me] | BIT(head);
          cursor[me] = head + 1; forget_expected()
        }
        leave();
        if
        :: true
        :: goto idle  // Views it for ever.
        fi;
        atomic { shares[head] = shares[head] & ~BIT(me) }
#ifdef WRONG_NO_SERVED
        atomic {
          if
          :: shares[head] == 0 && state[head] == BORROWED && (finished_ones & BIT(head)) ->
            state[head] = GONE
          :: else
          fi
        }
        wake(ALL_WORKERS);
#else
        forget_if_served(head);
#endif
        head = 0
      :: head == NOBODY ->
        if
        :: atomic { ENDED_FOR_SUBSCRIBERS ->
             PROMISE(nothing_is_left_at_the_end, !ANY(IS_UNREAD));
             ended = ended | BIT(me); forget_expected() }
          leave();
          break
        :: !ENDED_FOR_SUBSCRIBERS ->
          leave();
          head = 0;
          look_for_the_dead();
          futex_wait(announced & BIT(me), FOR_SUBSCRIBERS)
        fi
      fi
    od;
timed_out:
    atomic { forget_expected() }
idle:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index;
  atomic {
    run producer();
    index = 1;
    do
    :: index < 1 + WORKERS -> run worker(); index++
    :: index >= 1 + WORKERS && index < N -> run subscriber(); index++
    :: else -> break
    od;
    index = 0
  }
  strike(index);
  timeout;
  atomic {
    // After a death a slice may still have to end.
    PROMISE(nobody_waits_for_an_end_that_has_come,
            HARMED || (RUNNING & BIT(0)) || !(RUNNING & ~BIT(0)))
  }
}
