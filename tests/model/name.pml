// SPDX-License-Identifier: Apache-2.0
// The life of a name: it is absent or whole, nobody joins a ring that is given up, nobody removes a
// newcomer's ring, locks are held on the very file that is mapped, no newcomer waits for ever for
// a name to go, and a ring that its consumers have left leaves no name behind.
//
// Consumers and producers open the name or create it, join, push or pop once, and close; consumers
// with auto_unlink. A keeper is made by a consumer and outlives it; its process then lets go, and
// removes the ring unless it is read.
//
// Stands for
//   opening.cpp         run, open_existing, revive_orphan, join, create, initialise
//   ring_file.cpp       RingFile, NameLock, remove_if_retired
//   channel_close.cpp   close;  attached_ring.cpp  give_up_role, retire_unless_kept
//   keeper.cpp          RingKeeper, close, retire_unless_read
//   liveness.cpp        lock_byte, unlock_byte, range_is_held
// Leaves out
//   slots and how the lock gets from the dead to the living (lock.pml): here it does, and who is
//   dead counts as no member. What a newcomer makes of messages (stream.pml). How long pauses are:
//   two newcomers that give way to each other again and again are left to them. Three descriptions
//   are two here. Numbers of files that are closed and unnamed are used again.
//
// Runs
//   brief  -DKILLS=1 -DCONSUMERS=1
//   brief  -DLEAVERS=1
//   brief  -DCONSUMERS=1 -DKEEPERS=1
//   long   -DKILLS=1
//   long   -DCONSUMERS=1 -DKILLS=2
//   long   -DCONSUMERS=1 -DKILLS=1 -DSTOPS=1
//   long   -DCONSUMERS=1 -DLIVES=2
//   long   -DCONSUMERS=1 -DKEEPERS=1 -DKILLS=1
//   wrong  NO_LIFE_AT_CLOSE no_newcomers_file_is_removed
//          retire, then unlink, without the life byte
//   wrong  ATTACHERS_WAIT no_endless_wait
//          who meets a retired ring waits until its last consumer has removed it
//   wrong  GIVES_UP_SILENTLY no_name_is_left_behind -DLEAVERS=1
//          who held life, and so kept a closing consumer from removing the name, leaves it there
//   wrong  NO_LOOK_BEFORE_REMOVING no_newcomers_file_is_removed
//          an orphan is removed without a second look under the write lock
//   wrong  NO_SECOND_LOOK locks_are_on_the_mapped_file
//          no look at the name once life is read-locked
//   wrong  NAMED_BEFORE_FILLED a_name_is_whole
//          the file gets its name first
//   wrong  RETIRES_WHAT_IS_KEPT a_kept_ring_stays -DCONSUMERS=1 -DKEEPERS=1
//          the last consumer does not look for keepers
//   wrong  KEEPER_LOOKS_FIRST no_name_is_left_behind -DCONSUMERS=1 -DKEEPERS=1 -DPRODUCERS=0
//          the keeper looks for consumers before it lets go
#ifndef CONSUMERS
#define CONSUMERS 2
#endif
#ifndef PRODUCERS
#define PRODUCERS 1
#endif
#ifndef KEEPERS
#define KEEPERS 0
#endif
#ifndef LIVES
#define LIVES 1
#endif
#ifndef LEAVERS
#define LEAVERS 0  // Newcomers that run into their deadline.
#endif
#define N (CONSUMERS + PRODUCERS + KEEPERS)
#define FILES (N + 1)
#include "deaths.pml"

#define NONE 255
#define CONSUMES (me < CONSUMERS || KEEPS)
#define KEEPS (me >= CONSUMERS + PRODUCERS)

typedef File {
  byte open;              // Set: processes that have it open.
  byte life_readers;      // Set.
  byte life_writer = NOBODY;
  byte held;              // Set: hold claim and token.
  byte keeper = NOBODY;
  byte members;           // Set: have their role.
  byte lock = NOBODY;
  bool retired;
  bool queued;
  bool whole;
  bool was_read;          // Only the model knows: a consumer has joined.
}
File file[FILES];
byte name = NONE;
byte leavers;
byte freed;               // Set: processes that the kernel has cleared away.

hidden byte no_newcomers_file_is_removed;
hidden byte nobody_joins_what_is_given_up;
hidden byte a_name_is_whole;
hidden byte locks_are_on_the_mapped_file;
hidden byte a_kept_ring_stays;
hidden byte no_name_is_left_behind;

#define IS_DEAD(p) (freed & BIT(p))
#define OURS file[token]
#define STILL_NAMED (name == token && token == mapped)
#define ANYONE_LIVES (OURS.held || OURS.keeper != NOBODY)
#define ALL_CONSUMERS ((BIT(CONSUMERS) - 1) | (BIT(N) - BIT(CONSUMERS + PRODUCERS)))

inline locks_end(process) {
  i = 0;
  do
  :: i == FILES -> break
  :: i < FILES ->
    file[i].life_readers = file[i].life_readers & ~BIT(process);
    file[i].held = file[i].held & ~BIT(process);
    file[i].open = file[i].open & ~BIT(process);
    if :: file[i].life_writer == process -> file[i].life_writer = NOBODY :: else fi;
    if :: file[i].keeper == process -> file[i].keeper = NOBODY :: else fi;
    if
    :: !file[i].open && name != i ->
      file[i].members = 0; file[i].lock = NOBODY;
      file[i].retired = false; file[i].queued = false;
      file[i].whole = false; file[i].was_read = false
    :: else
    fi;
    i++
  od;
  i = 0
}

inline kernel_frees(victim) {
  byte i;
  locks_end(victim);
  freed = freed | BIT(victim)
}

inline open_file(which) {
  which = name;
  if
  :: name != NONE -> file[which].open = file[which].open | BIT(me)
  :: else
  fi
}

// Write-locks life, from nothing or from a read lock of ours, without waiting.
inline write_lock_life() {
  atomic {
    yes = (OURS.life_writer == NOBODY && !(OURS.life_readers & ~BIT(me)));
    if
    :: yes -> OURS.life_writer = me; OURS.life_readers = OURS.life_readers & ~BIT(me)
    :: else
    fi
  }
}

inline remove_name() {
  atomic {
    PROMISE(no_newcomers_file_is_removed,
            name == token && (OURS.retired || !(OURS.held & ~BIT(me))));
    PROMISE(a_kept_ring_stays, OURS.keeper == NOBODY);
    name = NONE
  }
}

inline remove_if_retired() {
  if
  :: !OURS.retired
  :: OURS.retired ->
#ifdef WRONG_NO_LIFE_AT_CLOSE
    if
    :: STILL_NAMED -> remove_name()
    :: !STILL_NAMED
    fi
#else
    write_lock_life();
    if
    :: !yes
    :: yes ->
      if
      :: STILL_NAMED -> remove_name()
      :: !STILL_NAMED
      fi;
      atomic { OURS.life_writer = NOBODY; yes = false }
    fi
#endif
  fi
}

// Opening::give_way: who has held life and did not join does what a closing consumer left to it.
inline give_way() {
  atomic {
    yes = false;
    locks_end(me); token = NONE; mapped = NONE
  }
#ifndef WRONG_GIVES_UP_SILENTLY
  if
  :: !held_life
  :: held_life ->
    atomic { held_life = false; open_file(token); mapped = token }
    if
    :: token == NONE
    :: token != NONE -> remove_if_retired()
    fi;
    atomic { locks_end(me); token = NONE; mapped = NONE }
  fi
#else
  held_life = false
#endif
}

// `yes` is false if the call timed out, which only a stopped holder brings about.
inline enter() {
  if
  :: atomic { OURS.lock == NOBODY || IS_DEAD(OURS.lock) ->
       OURS.lock = me; OURS.members = OURS.members & ~freed; yes = true }
  :: atomic { OURS.lock != NOBODY && (stopped & BIT(OURS.lock)) -> yes = false }
  fi
}

inline leave() { atomic { OURS.lock == me -> OURS.lock = NOBODY } }

// Opening::open_existing; goes on at `again`, `create` or behind it, joined.
inline open_existing() {
  atomic { open_file(token); if :: token == NONE -> goto create :: else fi }
  atomic { open_file(mapped); if :: mapped == NONE -> goto create :: else fi }
  if
  :: atomic { OURS.life_writer == NOBODY ->
       OURS.life_readers = OURS.life_readers | BIT(me); held_life = true }
  :: OURS.life_writer != NOBODY -> goto again
  fi;
#ifndef WRONG_NO_SECOND_LOOK
  if
  :: STILL_NAMED
  :: !STILL_NAMED -> goto again
  fi;
#endif
  atomic { PROMISE(a_name_is_whole, file[mapped].whole) }
  if
  :: ANYONE_LIVES
  :: !ANYONE_LIVES -> revive_orphan()
  fi;
  join()
}

inline revive_orphan() {
  write_lock_life();
  if
  :: yes
  :: !yes -> goto again
  fi;
#ifndef WRONG_NO_LOOK_BEFORE_REMOVING
  if
  :: STILL_NAMED && !ANYONE_LIVES
  :: !(STILL_NAMED && !ANYONE_LIVES) -> goto again
  fi;
#endif
  if
  :: !OURS.queued || OURS.retired -> remove_name(); goto again
  :: OURS.queued && !OURS.retired
  :: CONSUMES && !OURS.queued && !OURS.retired  // Its end is not long ago: it is told to us.
  fi;
  atomic { OURS.life_writer = NOBODY; OURS.life_readers = OURS.life_readers | BIT(me) }
}

inline join() {
  OURS.held = OURS.held | BIT(me);
  enter();
  if
  :: yes
  :: !yes -> goto gone
  fi;
  if
  :: !file[mapped].retired
  :: file[mapped].retired ->
    leave();
#ifdef WRONG_ATTACHERS_WAIT
    atomic { locks_end(me); held_life = false }
    name != mapped;
#endif
    goto again
  fi;
  atomic {
    PROMISE(locks_are_on_the_mapped_file, token == mapped);
    PROMISE(nobody_joins_what_is_given_up, name == token && !OURS.retired);
    OURS.members = OURS.members | BIT(me);
    OURS.was_read = OURS.was_read || CONSUMES
  }
  leave();
  atomic { OURS.life_readers = OURS.life_readers & ~BIT(me); held_life = false }
  remove_if_retired()
}

// An unnamed file, its creator's slot and role included; false at `again` if others were faster.
inline create_ring() {
  atomic {
    locks_end(me);
    token = 0;
    do
    :: OURS.open || name == token -> token++
    :: !OURS.open && name != token -> break
    od;
    mapped = token;
    OURS.open = BIT(me); OURS.held = BIT(me); OURS.members = BIT(me);
    OURS.was_read = CONSUMES;
#ifndef WRONG_NAMED_BEFORE_FILLED
    OURS.whole = true
#endif
  }
  if
  :: atomic { name == NONE -> name = token }
  :: atomic { name != NONE -> goto again }
  fi;
#ifdef WRONG_NAMED_BEFORE_FILLED
  OURS.whole = true
#endif
}

inline close_ring() {
  enter();
  if
  :: yes
  :: !yes -> goto gone
  fi;
  atomic {
    OURS.members = OURS.members & ~BIT(me);
    if
#ifdef WRONG_RETIRES_WHAT_IS_KEPT
    :: CONSUMES && !(OURS.members & ALL_CONSUMERS) -> OURS.retired = true
#else
    :: CONSUMES && !(OURS.members & ALL_CONSUMERS) && OURS.keeper == NOBODY -> OURS.retired = true
#endif
    :: else
    fi
  }
  leave();
  remove_if_retired()
}

// RingKeeper::close, after the handle that made the keeper is closed. What it sees afterwards, it
// sees in the second life of the process, as a consumer.
inline let_the_ring_go() {
  OURS.held = OURS.held & ~BIT(me);
#ifdef WRONG_KEEPER_LOOKS_FIRST
  if
  :: OURS.members & ALL_CONSUMERS -> lives++
  :: !(OURS.members & ALL_CONSUMERS)
  fi;
#endif
  OURS.keeper = NOBODY;
  kept = token
}

proctype handle() UNDISTURBED {
  byte token, mapped, i, lives, kept = NONE;
  bool yes, held_life;
  {
    do
    :: lives == LIVES + KEEPS -> break
    :: lives < LIVES + KEEPS ->
again:
      give_way();
      if
      :: kept != NONE && name != kept -> goto gone
      :: kept != NONE && name == kept
      :: kept == NONE
      :: atomic { leavers < LEAVERS && !KEEPS -> leavers++; goto gone }
      fi;
      open_existing();
      goto joined;
create:
      if
      :: kept != NONE -> goto gone
      :: kept == NONE
      fi;
      create_ring();
joined:
      if
      :: KEEPS && kept == NONE -> OURS.keeper = me
      :: atomic { !KEEPS && OURS.lock == NOBODY && !OURS.retired -> OURS.queued = !CONSUMES }
      :: !KEEPS || kept != NONE
      fi;
      close_ring();
      if
      :: KEEPS && kept == NONE -> let_the_ring_go()
      :: !(KEEPS && kept == NONE)
      fi;
gone:
      give_way();
      lives++
    od;
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
  timeout;
  atomic {
    PROMISE(no_name_is_left_behind,
            HARMED || RUNNING || name == NONE || !file[(name == NONE -> 0 : name)].was_read)
  }
}
