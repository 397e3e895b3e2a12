// SPDX-License-Identifier: Apache-2.0
// Who gets what: a subscriber is given every message published
// between its joining and its leaving, each once and in order, and the next one on its entry
// inherits none of its shares, whoever dies or lingers with a view meanwhile, and however often a
// recoverer is killed.
//
// A producer publishes on a broadcast ring. Handles join on a free entry of the table, read, leave,
// perhaps with a view that they finish later or never, and perhaps come again.
//
// Stands for
//   subscription.cpp   join, begin_leaving, give_back_unread, end_leaving; is_ours
//   joining.cpp        take_role;    attached_ring_leaving.cpp  leave_subscription, drop_token
//   blocks.cpp         publish, share;  blocks_shared.cpp  free_served, return_served
//   channel_subscribe.cpp  try_pop_shared(Message&)
//   recovery.cpp       take_roles_of_the_dead, look_who_subscribes, mask_shares, recover_block,
//                      free_entries_of_the_dead, and next_sequence of rebuild_queue
// Leaves out
//   the queue and its workers (share_release.pml); tokens and slots (lock.pml): an owner is a
//   process and which of its lives; the links of the stack (returned.pml); the order array. The
//   bits that a publish gives are read from the entries; a mask of them is derived. One message is
//   given back in one hold.
//
// Runs
//   brief  -DKILLS=1
//   brief  -DMESSAGES=1 -DUNCLEAN -DLIVES=2
//   long   -DKILLS=2
//   long   -DKILLS=1 -DBLOCKS=2
//   long   -DKILLS=1 -DENTRIES=2
//   long   -DBLOCKS=2 -DLIVES=2
//   long   -DBLOCKS=2 -DUNCLEAN
//   long   -DLATE=1 -DKILLS=1
//   long   -DMESSAGES=3 -DBLOCKS=2 -DENTRIES=2
//   long   -DKILLS=1 -DUNCLEAN
//   long   -DKILLS=1 -DLIVES=2
//   long   -DKILLS=1 -DSTOPS=1 -DMESSAGES=1
//   long   -DHANDLES=3 -DMESSAGES=1 -DENTRIES=2
//   wrong  STATE_BEFORE_SHARES nobody_has_still_to_read_it -DKILLS=1
//          the shares are stored after the state
//   wrong  SEQUENCE_OF_READY_ONLY nothing_is_missed -DKILLS=1
//          recover() does not look at SERVED messages for next_sequence
//   wrong  PUBLISHES_TO_LINGERING nothing_is_lost
//          a publish gives a share to every entry that is not 0, also to one that lingers
//   wrong  ENTRY_BEFORE_VIEW no_share_is_inherited
//          leaving frees the entry at once, although a view is out
//   wrong  ENTRY_BEFORE_CLEAR no_share_is_inherited
//          who gives the last view back frees the entry before it clears its bit
//   wrong  ENTRY_IS_STORED no_entry_is_lost -DKILLS=1 -DMESSAGES=1
//          recover() stores that an entry leaves, without a CAS: its owner has freed it meanwhile
//   wrong  UNCLEAN_IS_LEFT_ALONE nothing_is_lost -DUNCLEAN -DBLOCKS=2
//          who could not get the lock to leave lingers, and recover() leaves its unread shares
//          alone
//   wrong  NO_GENERATION nothing_is_missed -DLATE=1
//          the word of shares has no generation: one taken for dead clears a bit of the next owner
#ifndef HANDLES
#define HANDLES 2
#endif
#ifndef ENTRIES
#define ENTRIES 1
#endif
#ifndef MESSAGES
#define MESSAGES 2
#endif
#ifndef BLOCKS
#define BLOCKS 1
#endif
#ifndef LIVES
#define LIVES 1
#endif
#ifndef LATE
#define LATE 0
#endif
#define N (1 + HANDLES)
#include "deaths.pml"

#define NONE 255
#define FREE 0
#define LOANED 1
#define SERVED 4
#define RETURNED 5

#define NO_ROLE 0
#define PRODUCER 1
#define ATTACHING 2
#define SUBSCRIBER 3
#define LINGERING 4

byte state[BLOCKS];  // The state word, in three parts.
byte owner[BLOCKS] = NOBODY;
byte generation[BLOCKS];
byte shares[BLOCKS];     // The word of shares, in two parts.
byte shares_of[BLOCKS];
byte sequence[BLOCKS];

byte entry[ENTRIES];     // Owner, 0: free. One word with:
bool leaving[ENTRIES];
byte next_sequence;
// A slot: its role, which life the process leads on it, as incarnations are, and how far it has
// read.
byte role[N];
byte lives[N];
byte cursor[N];
byte dropped;            // Set: processes whose token is gone, and whose role is not.
byte living_life[N];     // Of the recoverer; 0: nobody lives on this slot.
bool recovery_wanted;
byte stack;
byte collecting;
byte lock = NOBODY;
byte freed;

// What only the model knows.
byte in_hand[BLOCKS];
byte unread[BLOCKS];
byte members;      // Set: processes that have joined and not left.
byte expected[N];  // The sequence that comes next.
byte late = NOBODY;
bool late_is_recovered;
byte viewing;      // Set: processes with a view that they have not begun to finish.

hidden byte freed_once;
hidden byte nobody_has_it_in_hand;
hidden byte nobody_has_still_to_read_it;
hidden byte pushed_once;
hidden byte nothing_is_lost;
hidden byte no_share_is_inherited;
hidden byte each_once_and_in_order;
hidden byte nothing_is_missed;
hidden byte no_entry_is_lost;

inline kernel_frees(victim) { freed = freed | BIT(victim); members = members & ~BIT(victim) }

#define IS_DEAD(p) (freed & BIT(p))
#define OWNER(p) ((p) << 2 | lives[p])
#define PROCESS_OF(o) ((o) >> 2)
#define SELF (me << 2 | life)
// As the recoverer saw it at its beginning.
#define OWNER_LIVES(o) (living_life[PROCESS_OF(o)] != 0 && OWNER_THEN(PROCESS_OF(o)) == (o))
#define OWNER_THEN(p) ((p) << 2 | living_life[p])
#define IS_GONE(p) (role[p] != NO_ROLE && ((freed | dropped) & BIT(p)))
#if HANDLES == 2
#define ANYONE_IS_GONE (IS_GONE(0) || IS_GONE(1) || IS_GONE(2))
#else
#define ANYONE_IS_GONE (IS_GONE(0) || IS_GONE(1) || IS_GONE(2) || IS_GONE(3))
#endif
#define SOMEBODY_IS_GONE (ANYONE_IS_GONE || recovery_wanted || (lock != NOBODY && IS_DEAD(lock)))
#ifdef WRONG_PUBLISHES_TO_LINGERING
#define GETS_SHARES(e) (entry[e] != 0)
#else
#define GETS_SHARES(e) (entry[e] != 0 && !leaving[e])
#endif
#if ENTRIES == 1
#define SOMEBODY_SUBSCRIBES GETS_SHARES(0)
#else
#define SOMEBODY_SUBSCRIBES (GETS_SHARES(0) || GETS_SHARES(1))
#endif
#if BLOCKS == 1
#define ANY(condition) (condition(0))
#define EARLIER(b) false
#else
#define ANY(condition) (condition(0) || condition(1))
#define EARLIER(b) (MAY_BE_READ(1 - (b)) && sequence[1 - (b)] < sequence[b])
#endif
#ifdef WRONG_NO_GENERATION
#define OF_NOW(b) true
#else
#define OF_NOW(b) (shares_of[b] == generation[b])
#endif
#define HAS_SHARE(b, e) (state[b] == SERVED && OF_NOW(b) && (shares[b] & BIT(e)))
#define MAY_BE_READ(b) (HAS_SHARE(b, mine) && sequence[b] >= cursor[me])
#define FOR_ME(b) (MAY_BE_READ(b) && !EARLIER(b))
#define IS_FREE(b) (state[b] == FREE)

// In a step.
inline free(b) {
  PROMISE(freed_once, state[b] != FREE);
  PROMISE(nobody_has_it_in_hand, !(in_hand[b] & ~freed));
  PROMISE(nobody_has_still_to_read_it, !(unread[b] & members & ~freed));
  state[b] = FREE; owner[b] = NOBODY; in_hand[b] = 0; unread[b] = 0
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

inline free_if_served(b) {
  if
  :: atomic { state[b] == SERVED && (!OF_NOW(b) || shares[b] == 0) -> free(b) }
  :: else
  fi
}

inline take_roles_of_the_dead() {
  index = 0;
  do
  :: index == N -> break
  :: atomic { index < N ->
       if
       :: IS_GONE(index) -> role[index] = NO_ROLE
       :: else
       fi;
       living_life[index] = (role[index] != NO_ROLE) * lives[index];
       index++ }
  od;
  index = 0
}

// Entries whose bits stay, and those of which only what is in hand stays.
inline look_who_subscribes() {
  do
  :: index == ENTRIES -> break
  :: index < ENTRIES ->
    atomic { found = entry[index]; leaves = leaving[index] }
    if
    :: found != 0 && OWNER_LIVES(found) ->
#ifndef WRONG_UNCLEAN_IS_LEFT_ALONE
      leaves = leaves || role[PROCESS_OF(found)] == NO_ROLE ||
               role[PROCESS_OF(found)] == LINGERING;
#endif
      // Who lingers may free its entry at this moment.
      atomic {
        if
#ifdef WRONG_ENTRY_IS_STORED
        :: leaves ->
          entry[index] = found; leaving[index] = true; lingering = lingering | BIT(index)
#else
        :: leaves && entry[index] == found ->
          leaving[index] = true; lingering = lingering | BIT(index)
#endif
        :: !leaves -> subscribing = subscribing | BIT(index)
        :: else
        fi
      }
    :: else
    fi;
    index++
  od;
  atomic { index = 0; found = 0; leaves = false }
}

// In a step: bit of an entry that lingers, if it has this message in hand.
#define CURSOR(e) (cursor[PROCESS_OF(entry[e])] * (entry[e] != 0))
#define HAND(b, e) ((lingering & BIT(e)) * (sequence[b] < CURSOR(e)))
#if ENTRIES == 1
#define IN_HAND(b) HAND(b, 0)
#else
#define IN_HAND(b) (HAND(b, 0) | HAND(b, 1))
#endif

inline recover_block() {
  was = state[block];
  if
  :: was == SERVED ->
    atomic {
      if
      :: OF_NOW(block) -> shares[block] = shares[block] & (subscribing | IN_HAND(block))
      :: else
      fi
    }
    free_if_served(block)
  :: atomic { (was == LOANED || was == RETURNED) &&
              (owner[block] == NOBODY || !living_life[owner[block]]) -> free(block) }
  :: else
  fi;
  was = 0
}

inline free_entries_of_the_dead() {
  index = 0;
  do
  :: index == ENTRIES -> break
  :: index < ENTRIES ->
    if
    :: atomic { entry[index] != 0 && !OWNER_LIVES(entry[index]) ->
         entry[index] = 0; leaving[index] = false }
    :: else
    fi;
    index++
  od;
  index = 0
}

inline recover() {
  recovery_wanted = false;
  take_roles_of_the_dead();
  look_who_subscribes();
  free_returned(collecting);
  seen = stack;
  do
  :: free_returned(seen);
    if
    :: atomic { stack == seen -> stack = 0; break }
    :: atomic { stack != seen -> seen = stack }
    fi
  od;
  atomic { collecting = 0; block = 0; seen = 0 }
  do
  :: block == BLOCKS -> break
  :: block < BLOCKS -> recover_block(); block++
  od;
  free_entries_of_the_dead();
#ifndef WRONG_SEQUENCE_OF_READY_ONLY
  block = 0;
  do
  :: block == BLOCKS -> break
  :: atomic { block < BLOCKS ->
       if
       :: state[block] == SERVED && sequence[block] >= next_sequence ->
         next_sequence = sequence[block] + 1
       :: else
       fi;
       block++ }
  od;
#endif
  atomic {
    block = 0; subscribing = 0; lingering = 0;
    late_is_recovered = (late != NOBODY && role[late] == NO_ROLE);
    do
    :: index == N -> break
    :: index < N -> living_life[index] = 0; index++
    od;
    index = 0
  }
}

inline enter() {
  if
  :: late == me -> goto timed_out
  :: atomic { lock == NOBODY && late != me -> lock = me }
    if
    :: ANYONE_IS_GONE || recovery_wanted -> recover()
    :: true
    fi
  :: atomic { lock != NOBODY && IS_DEAD(lock) && late != me -> lock = me }
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

#define RECOVER_LOCALS byte block, seen, index, found, was, subscribing, lingering; bool leaves

// ---- the producer ------------------------------------------------------------------------------

inline give_shares() {
  to_whom = 0; index = 0;
  do
  :: index == ENTRIES -> break
  :: index < ENTRIES ->
    if :: GETS_SHARES(index) -> to_whom = to_whom | BIT(index) :: else fi;
    index++
  od;
  index = 0;
  shares[at] = to_whom; shares_of[at] = generation[at]; to_whom = 0
}

inline find_block(condition) {
  at = 0;
  do
  :: at == BLOCKS -> at = NONE; break
  :: at < BLOCKS && (condition) -> break
  :: at < BLOCKS && !(condition) -> at++
  od
}

proctype producer() UNDISTURBED {
  byte at, to_whom;
  RECOVER_LOCALS;
  {
    do
    :: next_sequence >= MESSAGES -> break
    :: next_sequence < MESSAGES ->
      enter();
      collect();
      atomic { find_block(state[at] == FREE) }
      if
      :: at == NONE || next_sequence >= MESSAGES || !SOMEBODY_SUBSCRIBES ->
        leave();
end_full:
        (ANY(IS_FREE) || stack || SOMEBODY_IS_GONE) &&
            (SOMEBODY_SUBSCRIBES || next_sequence >= MESSAGES)
      :: at != NONE && next_sequence < MESSAGES && SOMEBODY_SUBSCRIBES ->
        atomic { state[at] = LOANED; owner[at] = me; generation[at] = (generation[at] + 1) % 4 }
        sequence[at] = next_sequence;
#ifndef WRONG_STATE_BEFORE_SHARES
        atomic { give_shares() }
#endif
        atomic { state[at] = SERVED; owner[at] = NOBODY; unread[at] = members }
#ifdef WRONG_STATE_BEFORE_SHARES
        atomic { give_shares() }
#endif
        next_sequence++;
        leave()
      fi;
      atomic { at = 0; block = 0; seen = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

// ---- subscribers -------------------------------------------------------------------------------

inline push_returned() {
  atomic {
    PROMISE(pushed_once, !(stack & BIT(at)) && state[at] == RETURNED);
    stack = stack | BIT(at)
  }
}

// One compare-exchange loop on the word of shares; then, if nothing is left, one on the state.
inline finish() {
  atomic {
    in_hand[at] = in_hand[at] & ~BIT(me);
    left = NONE;
    if
#ifdef WRONG_NO_GENERATION
    :: shares[at] & BIT(mine) ->
#else
    :: shares_of[at] == my_generation && (shares[at] & BIT(mine)) ->
#endif
      shares[at] = shares[at] & ~BIT(mine); left = shares[at]
    :: else
    fi
  }
  if
  :: left == 0 ->
    atomic {
      won = false;
      if
      :: state[at] == SERVED && generation[at] == my_generation ->
        state[at] = RETURNED; owner[at] = me; won = true
      :: else
      fi
    }
    if
    :: won -> push_returned(); won = false
    :: else
    fi
  :: else
  fi;
  atomic { at = 0; my_generation = 0; left = 0 }
}

// Without the lock.
inline free_entry() {
  atomic {
    if
    :: entry[mine] == SELF -> entry[mine] = 0; leaving[mine] = false
    :: else
    fi
  }
}

inline join() {
  // A role that is left over makes the newcomer recover.
  atomic {
    recovery_wanted = recovery_wanted || (role[me] != NO_ROLE);
    lives[me] = life; role[me] = ATTACHING; dropped = dropped & ~BIT(me)
  }
  enter();
  if
  :: recovery_wanted -> recover()
  :: else
  fi;
  atomic {
    mine = 0;
    do
    :: mine < ENTRIES && entry[mine] != 0 -> mine++
    :: mine == ENTRIES || entry[mine] == 0 -> break
    od
  }
  if
  :: mine == ENTRIES -> leave(); mine = 0; role[me] = NO_ROLE; goto timed_out
  :: else
  fi;
  atomic {
    block = 0;
    do
    :: block == BLOCKS -> block = 0; break
    :: block < BLOCKS -> PROMISE(no_share_is_inherited, !HAS_SHARE(block, mine)); block++
    od
  }
  cursor[me] = next_sequence;
  atomic {
    entry[mine] = SELF; leaving[mine] = false;
    members = members | BIT(me); expected[me] = next_sequence
  }
  role[me] = SUBSCRIBER;
  leave()
}

// Under the lock, which others may have in between.
inline give_back_unread() {
  do
  :: atomic { find_block(FOR_ME(at)) }
    if
    :: at == NONE -> break
    :: at != NONE ->
      atomic { shares[at] = shares[at] & ~BIT(mine) }
      free_if_served(at);
      leave();
      enter()
    fi
  od
}

#define HAS_VIEW (viewing & BIT(me))

inline leave_ring() {
  atomic { members = members & ~BIT(me) }
  if
#ifdef UNCLEAN
  :: true ->
    // The lock is not to be had in time.
    role[me] = LINGERING;
    recovery_wanted = true;
    unclean = true
#endif
  :: enter();
    if
    :: entry[mine] != SELF -> leave(); goto timed_out  // Others have taken us for dead.
    :: else
    fi;
    leaving[mine] = true;
    my_view = at;
    give_back_unread();
    at = my_view; my_view = 0;
    role[me] = LINGERING;
#ifdef WRONG_ENTRY_BEFORE_VIEW
    free_entry();
#endif
    leave()
  fi
}

inline finish_view() {
  atomic { late != me || late_is_recovered -> viewing = viewing & ~BIT(me) }
  finish()
}

inline pop() {
  enter();
  if
  :: entry[mine] != SELF -> leave(); goto timed_out  // Others have taken us for dead.
  :: else
  fi;
  atomic { find_block(FOR_ME(at)) }
  if
  :: at == NONE -> leave(); at = 0
  :: at != NONE ->
    atomic {
      my_generation = generation[at];
      cursor[me] = sequence[at] + 1;
      PROMISE(each_once_and_in_order, sequence[at] == expected[me]);
      expected[me] = expected[me] + 1;
      unread[at] = unread[at] & ~BIT(me); in_hand[at] = in_hand[at] | BIT(me)
    }
    if
    :: true -> viewing = viewing | BIT(me)
    :: true ->
      // A small message: copied in the same hold.
      atomic {
        in_hand[at] = in_hand[at] & ~BIT(me);
        if :: OF_NOW(at) -> shares[at] = shares[at] & ~BIT(mine) :: else fi
      }
      free_if_served(at);
      atomic { at = 0; my_generation = 0 }
    fi;
    leave()
  fi
}

proctype handle() UNDISTURBED {
  byte mine, at, my_view, my_generation, left, life = 1;
  bool won, stays, unclean;
  RECOVER_LOCALS;
  {
    do
    :: life > LIVES -> break
    :: life <= LIVES ->
      join();
      if
      :: stays = true
      :: stays = false
      fi;
end_waits:
      do
      :: !HAS_VIEW && (ANY(FOR_ME) || SOMEBODY_IS_GONE) -> pop()
      :: HAS_VIEW -> finish_view(); if :: late == me -> goto timed_out :: else fi
      :: !stays -> break
      :: late == me && !HAS_VIEW -> goto timed_out
      od;
      leave_ring();
end_keeps_view:
      if
      :: HAS_VIEW ->
#ifdef WRONG_ENTRY_BEFORE_CLEAR
        if
        :: !unclean -> free_entry()
        :: else
        fi;
#endif
        finish_view();
        if
        :: late == me -> goto timed_out
        :: else
        fi
      :: HAS_VIEW -> end_for_ever: false
      :: !HAS_VIEW
      fi;
      // Unclean, the role stays, and the token that is gone tells others to recover.
      if
      :: unclean -> atomic { dropped = dropped | BIT(me); unclean = false }
      :: else -> free_entry(); role[me] = NO_ROLE
      fi;
      atomic { life++; mine = 0; at = 0; my_generation = 0; left = 0 }
    od;
timed_out:
    FINISHED
  } UNLESS_STRUCK
}

init {
  byte at, victim;
  RECOVER_LOCALS;
  atomic {
    role[0] = PRODUCER; lives[0] = 1;
    run producer();
    index = 1;
    do
    :: index < N -> run handle(); index++
    :: else -> break
    od;
    index = 0
  }
#if LATE
  if
  :: atomic { (viewing & RUNNING) && lock == NOBODY ->
       victim = 1;
       do
       :: viewing & RUNNING & BIT(victim) -> break
       :: else -> victim++
       od;
       late = victim; freed = freed | BIT(victim); members = members & ~BIT(victim); victim = 0 }
  :: true
  fi;
#endif
  strike(index);
  timeout;
  if
  :: lock != NOBODY && IS_DEAD(lock) -> recover()
  :: lock == NOBODY && SOMEBODY_IS_GONE -> recover()
  :: else
  fi;
  if
  :: lock != NOBODY && !IS_DEAD(lock) -> goto locked
  :: else -> collect()
  fi;
  atomic {
    index = 0;
    do
    :: index == BLOCKS -> break
    :: index < BLOCKS ->
      PROMISE(nothing_is_lost, state[index] == FREE || (in_hand[index] & ~freed) ||
              (unread[index] & members & ~freed) ||
              // Stopped with a loan, while leaving, or between the last clear and the push.
              (owner[index] != NOBODY && (stopped & BIT(owner[index]))) ||
              (stopped && state[index] == SERVED));
      index++
    od;
    index = 0;
    do
    :: index == ENTRIES -> break
    :: index < ENTRIES ->
      PROMISE(no_entry_is_lost, entry[index] == 0 || role[PROCESS_OF(entry[index])] != NO_ROLE);
      index++
    od;
    index = 1;
    do
    :: index == N -> break
    :: index < N ->
      PROMISE(nothing_is_missed, !(members & RUNNING & BIT(index)) ||
              expected[index] == next_sequence || (viewing & BIT(index)));
      index++
    od
  }
locked: skip
}
