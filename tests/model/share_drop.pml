// SPDX-License-Identifier: Apache-2.0
// Giving up old messages for new ones: unread shares of subscribers that allow it (drop_oldest),
// and, if the producer drops, heads of the queue. Never what somebody has in hand, never out of
// order, each message read or counted as given up once, and a stopped reader of that kind stops
// nobody.
//
// A producer publishes more messages than there are blocks. Where room lacks it collects, and then
// gives up. Workers share the queue; the subscribers of DROPPERS allow dropping, the others do not.
//
// Stands for
//   giving_up.cpp      oldest, head, clear_unread, may_go, would_be_free, to_be_had
//   admission.cpp      give_up_and_admit;  blocks.cpp  give_up_head;  redo.cpp  finish
//   shares.hpp         first_unread, clear, free_if_served;  blocks.hpp  finish_share
//   blocks_shared.cpp  serve_without_lock, return_served
//   recovery.cpp       recover_block, mask_shares, recover_borrowed
// Leaves out
//   joining and leaving (share_life.pml), late owners (share_release.pml), the links of the stack,
//   wakes, sizes: a message is a block. Without WORKERS the ring is broadcast.
//
// Runs
//   brief  -DKILLS=1 -DSUBSCRIBERS=1
//   brief  -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=1 -DOVERFLOW -DMESSAGES=2 -DBLOCKS=1
//   brief  -DSTOPS=1 -DSUBSCRIBERS=1 -DMESSAGES=4
//   long   -DKILLS=1
//   long   -DKILLS=2 -DSUBSCRIBERS=1
//   long   -DKILLS=1 -DSUBSCRIBERS=2 -DDROPPERS=2
//   long   -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=1 -DOVERFLOW
//   long   -DKILLS=2 -DWORKERS=1 -DSUBSCRIBERS=1 -DOVERFLOW -DMESSAGES=2 -DBLOCKS=1
//   long   -DKILLS=1 -DWORKERS=2 -DSUBSCRIBERS=0 -DOVERFLOW -DREDELIVER
//   long   -DKILLS=2 -DWORKERS=1 -DSUBSCRIBERS=1 -DDROPPERS=0 -DOVERFLOW -DMESSAGES=2 -DBLOCKS=1
//   long   -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=2 -DDROPPERS=4 -DOVERFLOW -DMESSAGES=2
//   long   -DKILLS=1 -DWORKERS=2 -DSUBSCRIBERS=1 -DOVERFLOW -DREDELIVER -DMESSAGES=2 -DBLOCKS=1
//   wrong  CURSOR_FIRST nothing_is_lost -DKILLS=1 -DSUBSCRIBERS=1
//          the cursor is moved before the bit is cleared
//   wrong  DROPS_IN_HAND nobody_has_it_in_hand
//          any share is given up, also of a message that is in hand
//   wrong  NO_DROP nobody_waits_for_the_slow -DSTOPS=1 -DSUBSCRIBERS=1 -DMESSAGES=4
//          nothing is given up
//   wrong  DROP_STORES pushed_once
//          the producer frees what has no share left by a store
//   wrong  NO_SKIP nothing_is_lost -DKILLS=1 -DSUBSCRIBERS=1
//          a subscriber looks only at the message of its cursor; the bit may have been cleared, and
//          the producer killed before it moved the cursor
//   wrong  DROPS_FOR_NOTHING given_up_for_room -DSUBSCRIBERS=2 -DDROPPERS=2
//          shares are given up from the oldest on, whoever else still needs the message
//   wrong  HEADS_FOR_NOTHING given_up_for_room -DWORKERS=1 -DSUBSCRIBERS=1 -DDROPPERS=0 -DOVERFLOW
//          heads of the queue are given up although a subscriber that blocks has still to read them
//   wrong  REDO_FREES nobody_has_it_in_hand -DWORKERS=1 -DSUBSCRIBERS=1 -DDROPPERS=0 -DOVERFLOW
//          the redo record ends in FREE, also of what subscribers have in hand
//   wrong  NO_REDO counted_once -DKILLS=1 -DWORKERS=1 -DSUBSCRIBERS=0 -DOVERFLOW
//          the counter and the state are two stores
#ifndef WORKERS
#define WORKERS 0
#endif
#ifndef SUBSCRIBERS
#define SUBSCRIBERS 2
#endif
#ifndef MESSAGES
#define MESSAGES 3
#endif
#ifndef BLOCKS
#define BLOCKS 2
#endif
#define N (1 + WORKERS + SUBSCRIBERS)
#include "deaths.pml"
#define ALL_SUBSCRIBERS ((BIT(N) - 1) & ~(BIT(1 + WORKERS) - 1))
#ifndef DROPPERS
#define DROPPERS ALL_SUBSCRIBERS
#endif

#define NONE 255
#define FREE 0
#define LOANED 1
#define READY 2
#define BORROWED 3
#define SERVED 4
#define RETURNED 5
#define IS_WORKER (me <= WORKERS)
#if WORKERS
#define PUBLISHED_STATE READY
#else
#define PUBLISHED_STATE SERVED
#endif

byte state[BLOCKS];
byte owner[BLOCKS] = NOBODY;
byte generation[BLOCKS];
bool is_shared[BLOCKS];
byte shares[BLOCKS];
byte shares_of[BLOCKS];
byte sequence[BLOCKS];
byte next_sequence;
byte cursor[N];
byte entries = ALL_SUBSCRIBERS;
byte stack;
byte collecting;
byte lock = NOBODY;
byte freed;
byte recovered;

// Two counters, and the redo record.
byte overflowed;
byte lost;
bool redo_valid;
byte redo_block;
byte redo_state;       // READY or BORROWED: with the generation, the expected word.
byte redo_generation;
byte redo_owner = NOBODY;
byte redo_value;

// What only the model knows.
byte in_hand[BLOCKS];
byte unread[BLOCKS];
byte got[N];
byte missed[N];
byte viewing;
byte given_up;
byte died_with;

hidden byte freed_once;
hidden byte nobody_has_it_in_hand;
hidden byte nobody_has_still_to_read_it;
hidden byte pushed_once;
hidden byte nothing_is_lost;
hidden byte in_order;
hidden byte each_is_read_or_given_up;
hidden byte nobody_waits_for_the_slow;
hidden byte given_up_for_room;
hidden byte counted_once;

inline kernel_frees(victim) { freed = freed | BIT(victim) }
#define IS_DEAD(p) (freed & BIT(p))
#define LIVES(p) ((p) != NOBODY && (living & BIT(p)))
#define LIVING_OWNER(b) LIVES(owner[b])
#if BLOCKS == 1
#define ANY(condition) (condition(0))
#define OTHER_IS_EARLIER(b, condition) false
#else
#define ANY(condition) (condition(0) || condition(1))
#define OTHER_IS_EARLIER(b, condition) (condition(1 - (b)) && sequence[1 - (b)] < sequence[b])
#endif
#define OF_NOW(b) (is_shared[b] && shares_of[b] == generation[b])
#define PUBLISHED_AS(s) ((s) >= READY && (s) <= SERVED)
#define PUBLISHED(b) PUBLISHED_AS(state[b])
#define SHARES(b) (shares[b] * OF_NOW(b))  // Of another generation: none.
#define IS_READY(b) (state[b] == READY)
#define IS_HEAD(b) (IS_READY(b) && !OTHER_IS_EARLIER(b, IS_READY))
#define IS_UNREAD(b) (PUBLISHED(b) && (SHARES(b) & BIT(me)) && sequence[b] >= cursor[me])
#ifdef WRONG_NO_SKIP
#define FOR_SUBSCRIBER(b) (IS_UNREAD(b) && sequence[b] == cursor[me])
#else
#define FOR_SUBSCRIBER(b) (IS_UNREAD(b) && !OTHER_IS_EARLIER(b, IS_UNREAD))
#endif
#define FOR_ME(b) (IS_WORKER && IS_HEAD(b) || !IS_WORKER && FOR_SUBSCRIBER(b))
#define IS_FREE(b) (state[b] == FREE)

// Who has still to read it, as the words say it: under the lock.
#define UNREAD_BY(b, p) ((SHARES(b) & BIT(p)) && sequence[b] >= cursor[p])
#if N == 2
#define UNREAD_SHARES(b) UNREAD_BY(b, 1) * BIT(1)
#elif N == 3
#define UNREAD_SHARES(b) (UNREAD_BY(b, 1) * BIT(1) | UNREAD_BY(b, 2) * BIT(2))
#else
#define UNREAD_SHARES(b) (UNREAD_BY(b, 1) * BIT(1) | UNREAD_BY(b, 2) * BIT(2) | \
                          UNREAD_BY(b, 3) * BIT(3))
#endif

// In a step.
inline free(b) {
  PROMISE(freed_once, state[b] != FREE);
  PROMISE(nobody_has_it_in_hand, !(in_hand[b] & ~freed));
  PROMISE(nobody_has_still_to_read_it, !(unread[b] & ~freed));
  state[b] = FREE; owner[b] = NOBODY; is_shared[b] = false; in_hand[b] = 0; unread[b] = 0
}

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

// Whoever stored SERVED, or cleared a bit under the lock, looks at the shares afterwards.
inline free_if_served(b) {
  seen = SHARES(b);
  if
#ifdef WRONG_DROP_STORES
  :: seen == 0 && state[b] == SERVED -> atomic { free(b) }
  :: else
#else
  :: atomic { seen == 0 && state[b] == SERVED -> free(b) }
  :: atomic { !(seen == 0 && state[b] == SERVED) -> seen = 0 }
#endif
  fi
}

// ---- the queue's share ends with a count -------------------------------------------------------

// In a step: READY, or BORROWED of a dead worker, to what is left of it.
inline end_queue_share(b) {
  if
#ifndef WRONG_REDO_FREES
  :: is_shared[b] -> state[b] = SERVED; owner[b] = NOBODY
#endif
  :: else -> free(b)
  fi
}

inline finish_redo() {
  if
  :: !redo_valid
  :: redo_valid ->
    if
    :: redo_state == READY -> overflowed = redo_value
    :: redo_state == BORROWED -> lost = redo_value
    fi;
    atomic {
      if
      :: state[redo_block] == redo_state && generation[redo_block] == redo_generation &&
         owner[redo_block] == redo_owner ->
        if
        :: redo_state == READY -> given_up++
        :: else -> died_with++
        fi;
        end_queue_share(redo_block)
      :: else
      fi
    }
    redo_valid = false;
    if
    :: generation[redo_block] == redo_generation -> free_if_served(redo_block)
    :: else
    fi
  fi
}

inline end_and_count(b) {
#ifdef WRONG_NO_REDO
  if
  :: state[b] == READY -> overflowed++
  :: state[b] == BORROWED -> lost++
  fi;
  atomic {
    if
    :: state[b] == READY -> given_up++
    :: state[b] == BORROWED -> died_with++
    fi;
    end_queue_share(b) }
  free_if_served(b)
#else
  atomic {
    redo_block = b; redo_state = state[b]; redo_generation = generation[b];
    redo_owner = owner[b];
    redo_value = 1 + (state[b] == READY) * overflowed + (state[b] != READY) * lost
  }
  redo_valid = true;
  finish_redo()
#endif
}

inline recover_block() {
  atomic { was = state[block]; owned_by = owner[block] }
  if
  :: is_shared[block] && PUBLISHED_AS(was) ->
    atomic {
      none_is_left = (OF_NOW(block) && (shares[block] & ~living) && !(shares[block] & living));
      shares[block] = shares[block] & living
    }
    if
    :: none_is_left -> free_if_served(block)
    :: !none_is_left
    fi;
    none_is_left = false
  :: else
  fi;
  if
  :: was == SERVED -> free_if_served(block)
  :: was == BORROWED && !LIVES(owned_by) ->
#ifdef REDELIVER
    atomic { state[block] = READY; owner[block] = NOBODY }
#else
    end_and_count(block)
#endif
  :: atomic { (was == LOANED || was == RETURNED) && !LIVES(owned_by) -> free(block) }
  :: else
  fi;
  atomic { was = 0; owned_by = 0 }
}

inline recover() {
  finish_redo();
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
    :: true
    fi
  :: atomic { lock != NOBODY && IS_DEAD(lock) -> lock = me }
    recover()
  :: atomic { lock != NOBODY && (stopped & BIT(lock)) -> goto timed_out }
  fi
}
inline leave() { atomic { lock == me -> lock = NOBODY } }

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

// ---- the producer ------------------------------------------------------------------------------

#ifdef OVERFLOW
#define MAY_GIVE_UP_HEADS true
#else
#define MAY_GIVE_UP_HEADS false
#endif

// Somebody has still to read it who does not let go: nothing behind it is looked at.
#if defined(WRONG_DROPS_FOR_NOTHING)
#define IS_NEEDED(b) false
#elif defined(WRONG_HEADS_FOR_NOTHING)
#define IS_NEEDED(b) (state[b] == READY && !MAY_GIVE_UP_HEADS)
#else
#define IS_NEEDED(b) ((UNREAD_SHARES(b) & ~(DROPPERS)) || (state[b] == READY && !MAY_GIVE_UP_HEADS))
#endif
#define TO_BE_GIVEN_UP(b) (PUBLISHED(b) && ((UNREAD_SHARES(b) & (DROPPERS)) || state[b] == READY))
// Nothing is given up unless that brings room: also what others have in hand may lie before it.
#if defined(WRONG_DROPS_FOR_NOTHING) || defined(WRONG_HEADS_FOR_NOTHING) || \
    defined(WRONG_DROPS_IN_HAND) || defined(WRONG_REDO_FREES)
#define ROOM_IS_TO_BE_HAD true
#elif BLOCKS == 1
#define ROOM_IS_TO_BE_HAD WOULD_BE_FREE(0)
#else
#define ROOM_IS_TO_BE_HAD (WOULD_BE_FREE(0) || WOULD_BE_FREE(1))
#endif
#define WOULD_BE_FREE(b) (TO_BE_GIVEN_UP(b) && !IS_NEEDED(b) && state[b] != BORROWED && \
    SHARES(b) == UNREAD_SHARES(b) && !OTHER_IS_EARLIER(b, STOPS_THE_WALK))
#define STOPS_THE_WALK(b) (TO_BE_GIVEN_UP(b) && IS_NEEDED(b))
#define OLDEST_TO_BE_GIVEN_UP(b) (TO_BE_GIVEN_UP(b) && !OTHER_IS_EARLIER(b, TO_BE_GIVEN_UP))

// One share of the oldest message, or the queue's.
inline give_up_share(p) {
#ifdef WRONG_CURSOR_FIRST
  cursor[p] = sequence[mine] + 1;
#endif
  atomic {
    PROMISE(given_up_for_room, !((unread[mine] & ~freed) & ~(DROPPERS)) &&
            (state[mine] != READY || MAY_GIVE_UP_HEADS));
    shares[mine] = shares[mine] & ~BIT(p);
    if :: unread[mine] & BIT(p) -> missed[p]++ :: else fi;
    unread[mine] = unread[mine] & ~BIT(p)
  }
#ifndef WRONG_CURSOR_FIRST
  cursor[p] = sequence[mine] + 1
#endif
}

inline make_room() {
  do
  ::
    atomic { find(state[mine] == FREE) }
    if
    :: mine != NONE -> break
    :: else
    fi;
    atomic { find(OLDEST_TO_BE_GIVEN_UP(mine)) }
#ifdef WRONG_NO_DROP
    mine = NONE;
#endif
    if
    :: mine == NONE -> break
    :: mine != NONE && (IS_NEEDED(mine) || !ROOM_IS_TO_BE_HAD) -> mine = NONE; break
    :: mine != NONE && !IS_NEEDED(mine) && ROOM_IS_TO_BE_HAD ->
      whose = 1 + WORKERS;
      do
      :: whose == N -> break
      :: whose < N ->
        if
#ifdef WRONG_DROPS_IN_HAND
        :: (DROPPERS & BIT(whose)) && (SHARES(mine) & BIT(whose)) -> give_up_share(whose)
#else
        :: (DROPPERS & BIT(whose)) && UNREAD_BY(mine, whose) -> give_up_share(whose)
#endif
        :: else
        fi;
        whose++
      od;
      whose = 0;
      if
      :: state[mine] == READY && MAY_GIVE_UP_HEADS ->
        PROMISE(given_up_for_room, !(unread[mine] & ~freed));
        end_and_count(mine)
      :: else -> free_if_served(mine)
      fi
    fi
  od
}

#define SOMETHING_FOR_ROOM (ANY(IS_FREE) || stack || ANY(MAY_GO) || (freed & ~recovered) || \
    (lock != NOBODY && IS_DEAD(lock)))
#ifdef WRONG_NO_DROP
#define MAY_GO(b) false
#else
#define MAY_GO(b) (OLDEST_TO_BE_GIVEN_UP(b) && !IS_NEEDED(b) && ROOM_IS_TO_BE_HAD)
#endif

proctype producer() UNDISTURBED {
  byte mine, whose;
  RECOVER_LOCALS;
  {
    do
    :: next_sequence == MESSAGES -> break
    :: next_sequence < MESSAGES ->
      enter();
      collect();
      make_room();
      if
      :: mine == NONE || next_sequence == MESSAGES ->
        leave();
end_full:
        SOMETHING_FOR_ROOM
      :: mine != NONE && next_sequence < MESSAGES ->
        atomic {
          state[mine] = LOANED; owner[mine] = me; generation[mine] = (generation[mine] + 1) % 4
        }
        // A broadcast ring without subscribers refuses it.
        if
        :: WORKERS == 0 && !entries ->
          atomic { state[mine] = FREE; owner[mine] = NOBODY }
          leave();
          break
        :: else
        fi;
        atomic {
          if
          :: entries -> shares[mine] = entries; shares_of[mine] = generation[mine]
          :: else
          fi;
          sequence[mine] = next_sequence
        }
        atomic {
          state[mine] = PUBLISHED_STATE; owner[mine] = NOBODY; is_shared[mine] = (entries != 0);
          unread[mine] = entries & ~freed;
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

inline push_returned() {
  atomic {
    PROMISE(pushed_once, !(stack & BIT(mine)) && state[mine] == RETURNED);
    stack = stack | BIT(mine)
  }
}

inline return_served() {
  atomic {
    if
    :: state[mine] == SERVED && generation[mine] == my_generation ->
      state[mine] = RETURNED; owner[mine] = me; won = true
    :: else
    fi
  }
  if
  :: won -> push_returned(); won = false
  :: else
  fi
}

inline finish_share() {
  atomic {
    in_hand[mine] = in_hand[mine] & ~BIT(me);
    if
    :: shares_of[mine] == my_generation && (shares[mine] & BIT(me)) ->
      shares[mine] = shares[mine] & ~BIT(me); left = shares[mine]
    :: else -> left = NONE
    fi
  }
  if
  :: left == 0 -> return_served()
  :: left != 0
  fi
}

inline finish_work() {
  atomic {
    in_hand[mine] = in_hand[mine] & ~BIT(me);
    if
    :: is_shared[mine] -> state[mine] = SERVED; owner[mine] = NOBODY
    :: else -> state[mine] = RETURNED; won = true
    fi
  }
  if
  :: won -> push_returned(); won = false
  :: !won ->
    left = shares[mine];
    if
    :: left == 0 -> return_served()
    :: left != 0
    fi
  fi
}

proctype reader() UNDISTURBED {
  byte mine, my_generation, left, last = NONE;
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
        atomic {
          my_generation = generation[mine];
#ifndef REDELIVER
          PROMISE(in_order, last == NONE || sequence[mine] > last);
          last = sequence[mine];
#endif
          if
          :: IS_WORKER -> state[mine] = BORROWED; owner[mine] = me
          :: else ->
            cursor[me] = sequence[mine] + 1; unread[mine] = unread[mine] & ~BIT(me); got[me]++
          fi;
          in_hand[mine] = in_hand[mine] | BIT(me); viewing = viewing | BIT(me)
        }
        leave();
end_keeps_view:
        if
        :: atomic { viewing = viewing & ~BIT(me) }
          if
          :: IS_WORKER -> finish_work()
          :: !IS_WORKER -> finish_share()
          fi
        :: true -> end_for_ever: false
        fi
      fi;
      atomic { mine = 0; my_generation = 0; left = 0; block = 0; seen = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

#if BLOCKS == 1
#define SOMEBODY_BLOCKS (BLOCKED(0))
#else
#define SOMEBODY_BLOCKS (BLOCKED(0) && BLOCKED(1))
#endif
// In hand, needed, or on its way back with one who was stopped.
#define BLOCKED(b) ((in_hand[b] & ~freed) || (unread[b] & ~freed & ~(DROPPERS)) || \
    (state[b] == READY && !MAY_GIVE_UP_HEADS) || \
    (state[b] == RETURNED && (stopped & BIT(owner[b])) && !(stack & BIT(b))) || \
    (state[b] == SERVED && SHARES(b) == 0 && stopped))

init {
  byte index, mine;
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
  strike(index);
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
    PROMISE(counted_once, overflowed == given_up && lost == died_with);
    do
    :: index == BLOCKS -> break
    :: index < BLOCKS ->
      PROMISE(nothing_is_lost, state[index] == FREE || state[index] == READY ||
              (in_hand[index] & ~freed) ||
              (unread[index] & (stopped | viewing) & ~freed) ||
              (owner[index] != NOBODY && (stopped & BIT(owner[index]))) || stopped);
      index++
    od;
    index = 1 + WORKERS;
    do
    :: index == N -> break
    :: index < N ->
      PROMISE(each_is_read_or_given_up, !(RUNNING & ~viewing & BIT(index)) ||
              got[index] + missed[index] == next_sequence);
      index++
    od;
    // Blocks that nobody has in hand are enough to go on, unless somebody who blocks keeps a
    // message.
    PROMISE(nobody_waits_for_the_slow, !(RUNNING & BIT(0)) || next_sequence == MESSAGES ||
            SOMEBODY_BLOCKS)
  }
locked: skip
}
