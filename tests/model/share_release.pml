// SPDX-License-Identifier: Apache-2.0
// The end of a message with several readers: its block is freed
// once, put on the stack of returned blocks once, never while one of the living has it in hand or
// has still to read it, and never lost.
//
// A producer publishes; workers share the queue, each subscriber gets every message. A reader
// copies a message inside the lock hold, or views it and finishes it later without the lock. Blocks
// are used again, under a new generation. A reader may be taken for dead while it has a view
// (LATE). Without WORKERS the ring is broadcast.
//
// Stands for
//   blocks.cpp         publish, share, borrow_head, mark_returned, push_returned, collect
//   blocks_shared.cpp  serve, serve_without_lock, return_served, free_served; finish_share
//   shares.hpp         begin, left, clear, free_if_served
//   channel_subscribe.cpp  try_pop_shared(Message&)
//   recovery.cpp       recover_block, mask_shares, end_use, free_chain; redo.cpp  finish
// Leaves out
//   the links of the stack (returned.pml): it is a set; joining and leaving (share_life.pml);
//   giving up and counters (share_drop.pml); KEPT, which is left as BORROWED is. An entry of the
//   table of subscribers is the bit of its process.
//
// Runs
//   brief  -DKILLS=1 -DMESSAGES=1
//   brief  -DSPURIOUS=1 -DSUBSCRIBERS=1
//   long   -DKILLS=1
//   long   -DSPURIOUS=1
//   long   -DKILLS=1 -DWORKERS=0
//   long   -DKILLS=1 -DREDELIVER -DWORKERS=2 -DSUBSCRIBERS=1
//   long   -DLATE=1 -DKILLS=1 -DSUBSCRIBERS=2 -DMESSAGES=1
//   long   -DLATE=1 -DSPURIOUS=1
//   long   -DKILLS=2 -DMESSAGES=1
//   long   -DKILLS=2 -DSUBSCRIBERS=1
//   long   -DKILLS=2 -DWORKERS=0
//   long   -DKILLS=1 -DBLOCKS=2 -DSUBSCRIBERS=1 -DSPURIOUS=1
//   long   -DKILLS=1 -DSPURIOUS=1 -DMESSAGES=1
//   long   -DKILLS=1 -DSTOPS=1 -DMESSAGES=1
//   long   -DKILLS=1 -DSUBSCRIBERS=3 -DWORKERS=0 -DMESSAGES=1
//   long   -DLATE=1 -DKILLS=1 -DSPURIOUS=1 -DMESSAGES=1 -DWORKERS=0
//   wrong  NO_LOOK nothing_is_lost
//          the worker stores SERVED and does not look at the shares again
//   wrong  PLAIN_STORE nothing_is_lost
//          the look overtakes the store of SERVED, as it may unless both are seq_cst
//   wrong  NO_CAS pushed_once
//          whoever sees no share left stores RETURNED and pushes, without a CAS from SERVED
//   wrong  ANY_GENERATION nobody_has_still_to_read_it -DSPURIOUS=1
//          the CAS from SERVED does not compare the generation
//   wrong  RETURNED_WITHOUT_OWNER pushed_once -DSPURIOUS=1
//          RETURNED does not name who pushes, so recover() frees it before it is pushed
//   wrong  RECOVER_STORES pushed_once -DSPURIOUS=1
//          recover() frees a SERVED block without shares by a store
//   wrong  RECOVER_NO_LOOK nothing_is_lost -DKILLS=1
//          recover() makes a dead worker's message SERVED and does not look at the shares again
//   wrong  STATE_BEFORE_MASK nothing_is_lost -DKILLS=1 -DMESSAGES=1
//          recover() reads the state, takes shares of the dead away, and ignores that none is left:
//          a worker stores SERVED in between and sees the share that goes
//   wrong  UNSET_BIT_COUNTS pushed_once -DLATE=1 -DSPURIOUS=1 -DWORKERS=0
//          who finds its bit cleared already goes on: it may still be the one that sees no share
//          left
//   wrong  LATE_IN_FLIGHT pushed_once -DLATE=1
//          not wrong, but to be known, and true of BORROWED -> RETURNED: taken for dead between the
//          CAS to RETURNED and the push. There the token that was lost tells the handle not to push
#ifndef WORKERS
#define WORKERS 1
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#ifndef LATE
#define LATE 0
#endif
#ifndef SPURIOUS
#define SPURIOUS 0
#endif
#define N (1 + WORKERS + SUBSCRIBERS)
#include "deaths.pml"

#define NONE 255
#define FREE 0
#define LOANED 1
#define READY 2
#define BORROWED 3
#define SERVED 4
#define RETURNED 5

#define IS_WORKER (me <= WORKERS)

// The state word, in four parts; always read and written in one step.
byte state[BLOCKS];
byte owner[BLOCKS] = NOBODY;
byte generation[BLOCKS];
bool is_shared[BLOCKS];
// The word of shares.
byte shares[BLOCKS];
byte shares_of[BLOCKS];  // Its generation.
byte sequence[BLOCKS];

byte next_sequence;
byte cursor[N];
byte entries = (BIT(N) - BIT(1 + WORKERS));  // Set: subscribers that the table names.
byte stack;       // Set of blocks: the stack of returned blocks.
byte collecting;  // Set of blocks.
byte lock = NOBODY;
byte freed;       // Set: processes whose token is free, or is taken for free.
byte recovered;   // Set: of these, those after whom recover() has cleaned up.
byte spurious;

// What only the model knows.
byte in_hand[BLOCKS];  // Set of processes.
byte unread[BLOCKS];   // Set of subscribers.
byte late = NOBODY;
byte viewing;          // Set: processes that have a view and have not begun to finish it.
#ifdef WRONG_LATE_IN_FLIGHT
byte in_flight;        // Set: those that have.
#endif

hidden byte freed_once;
hidden byte nobody_has_it_in_hand;
hidden byte nobody_has_still_to_read_it;
hidden byte pushed_once;
hidden byte nothing_is_lost;

inline kernel_frees(victim) { freed = freed | BIT(victim) }

#if BLOCKS == 1
#define ANY(condition) (condition(0))
#else
#define ANY(condition) (condition(0) || condition(1))
#endif
#define IS_DEAD(p) (freed & BIT(p))
#define LIVES(p) ((p) != NOBODY && (living & BIT(p)))
#define PUBLISHED(s) ((s) >= READY && (s) <= SERVED)

// In a step.
inline free(b) {
  PROMISE(freed_once, state[b] != FREE);
  PROMISE(nobody_has_it_in_hand, !(in_hand[b] & ~freed));
  PROMISE(nobody_has_still_to_read_it, !(unread[b] & ~freed));
  state[b] = FREE; owner[b] = NOBODY; is_shared[b] = false; in_hand[b] = 0; unread[b] = 0
}

inline push(b) {
  atomic {
    PROMISE(pushed_once, !(stack & BIT(b)) && state[b] == RETURNED);
    stack = stack | BIT(b)
  }
}

// ---- repair ------------------------------------------------------------------------------------

inline free_returned(set) {
  block = 0;
  do
  :: block == BLOCKS -> break
  :: block < BLOCKS ->
    atomic {
      if :: ((set) & BIT(block)) && state[block] == RETURNED -> free(block) :: else fi;
      block++
    }
  od
}

// Under the lock. The shares are looked at after SERVED was stored, or after one was cleared.
inline free_if_served(b) {
  seen = shares[b];
  if
  :: atomic { seen == 0 ->
#ifdef WRONG_RECOVER_STORES
       if
       :: state[b] != FREE -> free(b)
#else
       if
       :: state[b] == SERVED && generation[b] == shares_of[b] -> free(b)
#endif
       :: else
       fi }
  :: seen != 0
  fi;
  seen = 0
}

// Of a block of a dead owner that nobody else touches: the queue is done with it.
inline end_use() {
  if
  :: atomic { !is_shared[block] -> free(block) }
  :: atomic { is_shared[block] -> state[block] = SERVED; owner[block] = NOBODY }
#ifndef WRONG_RECOVER_NO_LOOK
    free_if_served(block)
#endif
  fi
}

inline recover_block() {
  atomic { was = state[block]; owned_by = owner[block] }
  if
  :: is_shared[block] && PUBLISHED(was) ->
    atomic {
      none_is_left = (shares_of[block] == generation[block] && (shares[block] & ~living) &&
                      !(shares[block] & living));
      shares[block] = shares[block] & living
    }
#ifndef WRONG_STATE_BEFORE_MASK
    if
    :: none_is_left -> free_if_served(block)
    :: !none_is_left
    fi;
#endif
    none_is_left = false
  :: else
  fi;
  if
  :: was == SERVED -> free_if_served(block)
  :: was == BORROWED && !LIVES(owned_by) ->
#ifdef REDELIVER
    atomic { state[block] = READY; owner[block] = NOBODY }
#else
    end_use()
#endif
  :: atomic { (was == LOANED || was == RETURNED) && !LIVES(owned_by) -> free(block) }
  :: else
  fi;
  atomic { was = 0; owned_by = 0 }
}

inline recover() {
  living = ~freed;
  free_returned(collecting);
  seen = stack;
  do
  :: free_returned(seen);
    if
    :: atomic { stack == seen -> stack = 0; break }
    :: atomic { stack != seen -> seen = stack }
    fi
  od;
  atomic { collecting = 0; seen = 0; block = 0 }
  do
  :: block == BLOCKS -> break
  :: block < BLOCKS -> recover_block(); block++
  od;
  atomic {
    entries = entries & living;
    recovered = recovered | ~living;
    block = 0; seen = 0; living = 0
  }
}
#define RECOVER_LOCALS byte block, seen, living, was, owned_by; bool none_is_left

inline enter() {
  if
  :: atomic { lock == NOBODY -> lock = me }
    if
    :: (freed & ~recovered) -> recover()
    :: atomic { spurious < SPURIOUS -> spurious++ }
      recover()
    :: true
    fi
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}
inline leave() { atomic { lock == me -> lock = NOBODY } }

// ---- the producer ------------------------------------------------------------------------------

inline collect() {
  if
  :: !stack
  :: atomic { stack -> collecting = stack; seen = stack; stack = 0 }
    free_returned(seen);
    atomic { collecting = 0; block = 0; seen = 0 }
  fi
}

inline find(condition) {
  mine = 0;
  do
  :: mine == BLOCKS -> mine = NONE; break
  :: mine < BLOCKS && (condition) -> break
  :: mine < BLOCKS && !(condition) -> mine++
  od
}

#define IS_FREE(b) (state[b] == FREE)
#define SOMETHING_TO_COLLECT \
    (ANY(IS_FREE) || stack || (freed & ~recovered) || (lock != NOBODY && IS_DEAD(lock)))

proctype producer() UNDISTURBED {
  byte mine;
  RECOVER_LOCALS;
  {
    do
    :: next_sequence == MESSAGES -> break
    :: next_sequence < MESSAGES ->
      enter();
      collect();
      if
      :: next_sequence == MESSAGES -> leave(); break
      :: else
      fi;
      atomic { find(state[mine] == FREE) }
      if
      :: mine == NONE ->
        leave();
end_full:
        SOMETHING_TO_COLLECT
      :: mine != NONE ->
        atomic {
          state[mine] = LOANED; owner[mine] = me;
          generation[mine] = (generation[mine] + 1) % 4
        }
        // A broadcast ring without subscribers refuses it.
        if
        :: WORKERS == 0 && !entries ->
          atomic { state[mine] = FREE; owner[mine] = NOBODY }
          leave();
          break
        :: else
        fi;
        if
        :: atomic { entries ->
             shares[mine] = entries; shares_of[mine] = generation[mine];
             sequence[mine] = next_sequence }
        :: !entries
        fi;
        atomic {
#if WORKERS
          state[mine] = READY;
#else
          state[mine] = SERVED;
#endif
          owner[mine] = NOBODY; is_shared[mine] = (entries != 0);
          unread[mine] = entries & ~freed;
          // As in share_life.pml: what matters here are blocks.
          next_sequence++
        }
        leave()
      fi;
      atomic { mine = 0; block = 0; seen = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

// ---- readers -----------------------------------------------------------------------------------

// Without the lock: from SERVED of this generation, and only who did it pushes.
inline return_served() {
#ifdef WRONG_NO_CAS
  atomic { state[mine] = RETURNED; owner[mine] = me; won = true }
#else
  atomic {
    if
#ifdef WRONG_ANY_GENERATION
    :: state[mine] == SERVED ->
#else
    :: state[mine] == SERVED && generation[mine] == my_generation ->
#endif
      state[mine] = RETURNED;
#ifdef WRONG_RETURNED_WITHOUT_OWNER
      owner[mine] = NOBODY;
#else
      owner[mine] = me;
#endif
      PROMISE(nobody_has_it_in_hand, !(in_hand[mine] & ~freed));
      won = true
    :: else
    fi
  }
#endif
  if
  :: won -> push(mine); won = false
  :: else
  fi
}

#ifdef WRONG_UNSET_BIT_COUNTS
#define STILL_MINE(share) true
#else
#define STILL_MINE(share) (shares[mine] & (share))
#endif

// One compare-exchange loop. `left`: what is left, or NONE: not mine any more.
inline clear(share) {
  if
  :: shares_of[mine] == my_generation && STILL_MINE(share) ->
    shares[mine] = shares[mine] & ~(share);
    left = shares[mine]
  :: else -> left = NONE
  fi
}

inline finish_share() {
  atomic { in_hand[mine] = in_hand[mine] & ~BIT(me); clear(BIT(me)) }
  if
  :: left == 0 -> return_served()
  :: left != 0
  fi
}

// From BORROWED of ours.
inline finish_work() {
  atomic {
    in_hand[mine] = in_hand[mine] & ~BIT(me);
#ifdef WRONG_PLAIN_STORE
    left = shares[mine]
  }
  atomic {
#endif
    if
    :: state[mine] == BORROWED && owner[mine] == me && generation[mine] == my_generation ->
      if
      :: is_shared[mine] -> state[mine] = SERVED; owner[mine] = NOBODY
      :: else -> state[mine] = RETURNED; won = true
      fi
    :: else -> left = NONE
    fi
  }
  if
  :: won -> push(mine); won = false
  :: !won && left == NONE
  :: !won && left != NONE ->
#if defined(WRONG_NO_LOOK)
    left = NONE;
#elif !defined(WRONG_PLAIN_STORE)
    left = shares[mine];
#endif
    if
    :: left == 0 -> return_served()
    :: left != 0
    fi
  fi
}

// Under the lock. A death in between leaves a bit of the dead.
inline copy_share() {
  atomic { cursor[me] = sequence[mine] + 1; unread[mine] = unread[mine] & ~BIT(me) }
  atomic { clear(BIT(me)) }
  if
  :: left == 0 -> free_if_served(mine)
  :: left != 0
  fi
}

inline copy_work() {
  if
  :: atomic { !is_shared[mine] -> free(mine) }
  :: atomic { is_shared[mine] -> state[mine] = SERVED }
#ifndef WRONG_NO_LOOK
    free_if_served(mine)
#endif
  fi
}

#define FOR_SUBSCRIBER(b) (is_shared[b] && PUBLISHED(state[b]) && \
    shares_of[b] == generation[b] && (shares[b] & BIT(me)) && sequence[b] >= cursor[me] && \
    !EARLIER(b))
#if BLOCKS == 1
#define EARLIER(b) false
#else
// Another one that is to be read before this one.
#define EARLIER(b) (is_shared[1 - (b)] && PUBLISHED(state[1 - (b)]) && \
    shares_of[1 - (b)] == generation[1 - (b)] && (shares[1 - (b)] & BIT(me)) && \
    sequence[1 - (b)] >= cursor[me] && sequence[1 - (b)] < sequence[b])
#endif
#define IS_READY(b) (state[b] == READY)
#define FOR_ME(b) (IS_WORKER && IS_READY(b) || !IS_WORKER && FOR_SUBSCRIBER(b))

#ifdef WRONG_LATE_IN_FLIGHT
#define FINISHING in_flight = in_flight | BIT(me)
#define NOT_FINISHING in_flight = in_flight & ~BIT(me)
#define MAY_BE_LATE (in_flight & RUNNING)
#else
#define FINISHING skip
#define NOT_FINISHING skip
#define MAY_BE_LATE (viewing & RUNNING)
#endif

proctype reader() UNDISTURBED {
  byte mine, my_generation, left;
  bool won;
  RECOVER_LOCALS;
  {
end_waits:
    do
    :: ANY(FOR_ME) || (freed & ~recovered) || (lock != NOBODY && IS_DEAD(lock)) ->
      enter();
      atomic { find(FOR_ME(mine)) }
      if
      :: mine == NONE -> leave()
      :: mine != NONE ->
        my_generation = generation[mine];
        if
        :: atomic { IS_WORKER -> state[mine] = BORROWED; owner[mine] = me;
             in_hand[mine] = in_hand[mine] | BIT(me); viewing = viewing | BIT(me) }
          leave()
        :: atomic { !IS_WORKER -> cursor[me] = sequence[mine] + 1;
             unread[mine] = unread[mine] & ~BIT(me);
             in_hand[mine] = in_hand[mine] | BIT(me); viewing = viewing | BIT(me) }
          leave()
#ifndef REDELIVER
        :: IS_WORKER -> copy_work(); leave()
#endif
        :: !IS_WORKER -> copy_share(); leave()
        fi;
        if
        :: viewing & BIT(me) ->
          // Late: what was begun before others cleaned up is LATE_IN_FLIGHT.
          atomic { late != me || (recovered & BIT(me)) -> viewing = viewing & ~BIT(me) }
          FINISHING;
          if
          :: IS_WORKER -> finish_work()
          :: !IS_WORKER -> finish_share()
          fi;
          NOT_FINISHING;
          if
          :: late == me -> goto timed_out
          :: else
          fi
        :: else
        fi
      fi;
      atomic { mine = 0; my_generation = 0; left = 0; block = 0; seen = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte index, mine, victim;
  RECOVER_LOCALS;
  atomic {
    run producer();
    index = 1;
    do
    :: index < N -> run reader(); index++
    :: else -> break
    od;
    index = 0
  }
#if LATE
  if
  :: atomic { MAY_BE_LATE && lock == NOBODY ->
       victim = 1;
       do
       :: MAY_BE_LATE & BIT(victim) -> break
       :: else -> victim++
       od;
       late = victim; freed = freed | BIT(victim); victim = 0 }
  :: true
  fi;
#endif
  strike(index);
  // Whoever comes last.
  timeout;
  if
  :: lock != NOBODY && IS_DEAD(lock) -> recover()
  :: lock == NOBODY && (freed & ~recovered) -> recover()
  :: else
  fi;
  if
  :: lock != NOBODY && !IS_DEAD(lock) -> goto locked
  :: else -> collect()
  fi;
  atomic {
    do
    :: index == BLOCKS -> break
    :: index < BLOCKS ->
      // A queue without workers keeps its messages.
      PROMISE(nothing_is_lost, state[index] == FREE || state[index] == READY ||
              (in_hand[index] & stopped) || (unread[index] & stopped) ||
              // Stopped between the last clear and the CAS to RETURNED.
              (stopped && state[index] == SERVED && shares[index] == 0) ||
              (owner[index] != NOBODY && (stopped & BIT(owner[index]))));
      index++
    od
  }
locked: skip
}
