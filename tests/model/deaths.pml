// SPDX-License-Identifier: Apache-2.0
// Part of every model: who is killed or stopped, and when.
//
// A process is `proctype name() UNDISTURBED { { steps; FINISHED } UNLESS_STRUCK }`. Between any two
// steps of any process, `strike` may hit it:
//   kill   no further step; the kernel lets go of what the dead held some time later, never before
//          (a core dump, a big resident set)
//   stop   no further step, and what it holds stays held: SIGSTOP without an end
// A stop that ends needs no step of its own: any process may rest as long as the others like.
//
// A model defines N, for its processes 0..N-1, and includes this. Then it says what the kernel lets
// go of, in `kernel_frees(victim)`. Its init runs the processes 0..N-1 in this order, and `strike`.
#ifndef KILLS
#define KILLS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef SPARED
#define SPARED 0  // Set: processes that are never struck.
#endif

#define me (_pid - 1)
#define NOBODY 255
#define BIT(p) (1 << (p))

// Sets of processes.
byte dead;
byte stopped;
byte finished;

byte deaths;
byte stops;
byte struck;  // The _pid that has to leave its steps before anybody else goes on, 0: none.

#define HARMED (dead | stopped)
#define RUNNING (~(dead | stopped | finished) & (BIT(N) - 1))
#define MAY_BE_STRUCK (RUNNING & ~(SPARED))
#define STRUCK_ENOUGH (deaths == KILLS && stops == STOPS)

#define UNDISTURBED provided (struck == 0 || struck == _pid)
#define FINISHED finished = finished | BIT(me)
#define UNLESS_STRUCK unless { \
    atomic { struck == _pid -> struck = 0 } \
    if :: dead & BIT(me) :: stopped & BIT(me) -> end_stopped: false fi }

// A property by its name, which the error message then tells. The name is a `hidden byte`.
#define PROMISE(name, condition) d_step { name = ((condition) != 0); assert(name) }

inline choose(victim) {
  victim = 0;
  do
  :: MAY_BE_STRUCK & BIT(victim) -> break
  :: MAY_BE_STRUCK >> (victim + 1) -> victim++
  od;
  struck = victim + 1
}

inline strike(victim) {
  do
  :: STRUCK_ENOUGH -> break
  :: atomic { deaths < KILLS && MAY_BE_STRUCK && struck == 0 ->
       choose(victim); dead = dead | BIT(victim); deaths++ }
     atomic { kernel_frees(victim); victim = 0; if :: STRUCK_ENOUGH -> break :: else fi }
  :: atomic { stops < STOPS && MAY_BE_STRUCK && struck == 0 ->
       choose(victim); stopped = stopped | BIT(victim); stops++;
       victim = 0; if :: STRUCK_ENOUGH -> break :: else fi }
  :: atomic { !STRUCK_ENOUGH -> break }
  od
}
