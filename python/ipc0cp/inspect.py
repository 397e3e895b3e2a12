# SPDX-License-Identifier: Apache-2.0
"""Looking at rings from outside: which there are, who takes part, what is queued, who waits.

>>> from ipc0cp import inspect
>>> for ring in inspect.rings():
...     print(ring.name, ring.state, ring.stats.messages)

Nothing here joins a ring, takes its lock or writes into it, so looking changes nothing. Files that
are damaged, of another layout version, foreign or no rings at all are told by a `RingState` and a
sentence; figures of a ring that others write meanwhile are those of a glance.

All functions are thread-safe. Sizes are bytes; moments are seconds as ``time.monotonic()`` counts
them, ``None`` where they are not known. C++ has the same in ``ipc0cp/inspect.hpp``.
"""

from __future__ import annotations

import dataclasses
import enum
from typing import Any

from ipc0cp import _core
from ipc0cp.stats import RingStats

__all__ = [
    "Directory",
    "Memory",
    "MessagePreview",
    "Participant",
    "ProcessState",
    "QueuedMessage",
    "Rates",
    "Ring",
    "RingState",
    "RingSummary",
    "Role",
    "WaitsFor",
    "directory",
    "preview",
    "rates",
    "ring",
    "rings",
    "summary",
]


class RingState(enum.StrEnum):
    """What a file among the rings is. From `DAMAGED` on, figures may be missing or wrong."""

    LIVE = "live"  #: Somebody lives in it who reads, or it waits for a first message.
    WAITING_FOR_CONSUMER = "waiting for a consumer"  #: Producers live, and nobody reads.
    ORPHAN = "orphan"  #: Nobody lives in it, nor keeps it.
    RETIRED = "retired"  #: Its name is given up: nobody can join it any more.
    DAMAGED = "damaged"  #: It contradicts itself.
    OTHER_VERSION = "other version"  #: A ring of another layout version.
    NOT_A_RING = "not a ring"  #: Something else has the name.
    NO_PERMISSION = "no permission"  #: This user may not read it.


class Role(enum.StrEnum):
    """What a participant does in a ring."""

    PRODUCER = "producer"
    CONSUMER = "consumer"  #: A worker: each message goes to one of them.
    SUBSCRIBER = "subscriber"  #: It gets every message.
    ATTACHING = "attaching"  #: It is just joining.
    CLOSED = "closed"  #: A closed handle whose loans or views are still in use.
    GONE = "gone"  #: It has left or died, and something of it is still there.


class ProcessState(enum.StrEnum):
    """What the process of a participant does."""

    RUNNING = "running"
    SLEEPING = "sleeping"  #: It waits, which is how most processes spend their time.
    STOPPED = "stopped"  #: By a signal or a debugger.
    DEAD = "dead"  #: It has ended, and nobody has cleaned up behind it yet.
    UNKNOWN = "unknown"  #: It lives, in another pid namespace or hidden from this user.


class WaitsFor(enum.StrEnum):
    """What a call of a participant is blocked on."""

    NOTHING = "nothing"
    MESSAGE = "a message"
    ROOM = "room"
    CONSUMER = "a consumer"
    LOCK = "the lock"  #: That another participant has, see `Participant.has_lock`.


@dataclasses.dataclass(frozen=True, slots=True)
class Participant:
    """A handle on a ring, and what it keeps from the others. Texts are printable ASCII."""

    slot: int  #: Its place in the ring's table, from 1.
    role: Role
    process_state: ProcessState
    process_id: int  #: As its own pid namespace numbers it.
    process_name: str
    pid_namespace: int  #: Inode of ``/proc/PID/ns/pid``.
    in_this_namespace: bool  #: Whether `process_id` means the same here.
    attached: float | None  #: When it came.
    waits_for: WaitsFor
    blocked_since: float | None  #: Since when it waits; None: it does not.
    wanted_bytes: int  #: What it waits for room for, 0: nothing.
    has_priority: bool  #: The others leave room for it.
    has_lock: bool
    messages: int  #: Pushed by a producer or popped by a consumer.
    bytes: int  #: Payload and metadata of these.
    loans: int  #: Blocks that it is writing,
    loan_bytes: int  #: and their payloads.
    views: int  #: Messages and views in its hands,
    view_bytes: int  #: and their payloads.
    unread: int  #: Of a subscriber: messages that it has still to read, at most.
    drops_oldest: bool  #: Of a subscriber: they are given up for want of room.


@dataclasses.dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits in the queue."""

    id: int  #: Its number in the order of publishing, from 1.
    payload_bytes: int
    metadata_bytes: int  #: 0: those of plain bytes, which are not stored.
    deliveries: int  #: How often a consumer had it before.
    published: float | None  #: By a clock of 1 to 10 ms, read once in 16 messages in full flow.


@dataclasses.dataclass(frozen=True)
class MessagePreview(QueuedMessage):
    """A queued message and how it begins: bytes that a producer wrote and nobody has checked."""

    metadata: bytes  #: JSON text in UTF-8, perhaps cut off.
    payload: bytes  #: Its first bytes.


@dataclasses.dataclass(frozen=True, slots=True)
class Memory:
    """The payload area: the main part for everybody, and the relief block behind it.

    The relief block holds one message, of the producer with priority.
    """

    main_bytes: int
    main_backed_bytes: int  #: So much of it has memory behind it.
    relief_bytes: int
    relief_backed_bytes: int
    relief_in_use: bool
    holes: int  #: Pieces of the main part between blocks, and behind.
    hole_bytes: int  #: All of them together.
    largest_hole_bytes: int  #: The largest one.
    largest_that_fits_bytes: int  #: The largest payload a push finds room for without waiting.
    views_out: int  #: Blocks in the hands of consumers,
    views_out_bytes: int  #: and their bytes.
    loans_out: int  #: Blocks that are being written,
    loans_out_bytes: int  #: and their payloads.
    quarantined: int  #: Blocks that are out of use for good, after damage.


@dataclasses.dataclass(frozen=True, slots=True)
class RingSummary:
    """What a list of rings shows of each."""

    name: str  #: Printable ASCII; '?' for what is not.
    state: RingState
    problem: str  #: What is wrong and what to do, in a sentence; empty: nothing.
    owner: int  #: User number of the file's owner,
    mode: int  #: and its permission bits.
    file_bytes: int  #: Address space, not memory.
    backed_bytes: int  #: Memory behind the file.
    layout_version: int
    ring_id: int  #: Another ring of the same name has another; 0: there are no figures.
    created: float | None  #: When it was made.
    taken: float  #: When this was looked at.
    stats: RingStats  #: As ``stats()`` of a handle tells them.
    producers: int  #: That live,
    consumers: int  #: workers that live,
    subscribers: int  #: those that get every message and live,
    dead: int  #: and those of all that have died and nobody has noticed.
    kept: bool  #: A keeper wants it to stay although nobody may live in it.
    depth: float  #: How full it is, 0 to 1: of the messages or of the bytes.
    oldest_published: float | None  #: Of the message at the head; None: none, or not known.

    @property
    def oldest_age(self) -> float | None:
        """Seconds that the oldest message had waited when this was looked at; None: not known."""
        return None if self.oldest_published is None else self.taken - self.oldest_published


@dataclasses.dataclass(frozen=True)
class Ring(RingSummary):
    """Everything that can be seen of a ring from outside."""

    redeliver: bool  #: Messages of dead consumers come again.
    reserved: bool  #: All memory was backed at creation.
    broadcast: bool  #: There is no queue: every consumer subscribes.
    options_fixed: bool  #: A producer has decided these.
    joined_producers: int  #: That ever came since the ring was last empty of handles,
    left_producers: int  #: and those of them that have closed.
    recovery_wanted: bool  #: Somebody has asked the others to clean up.
    memory: Memory
    participants: tuple[Participant, ...]  #: By slot; those that have left only if they hold.
    queue: tuple[QueuedMessage, ...]  #: Oldest first; those that stood still meanwhile.


@dataclasses.dataclass(frozen=True, slots=True)
class Rates:
    """What went in and out per second."""

    seconds: float  #: Between the two looks.
    messages_in: float
    messages_out: float
    bytes_in: float
    bytes_out: float


@dataclasses.dataclass(frozen=True, slots=True)
class Directory:
    """Where rings live, and the memory that is left there."""

    path: str
    total_bytes: int | None  #: None: there is no limit.
    free_bytes: int | None  #: None: there is no limit.


def rings() -> list[RingSummary]:
    """All files of rings in the directory of rings, by name; also those that are none.

    Raises:
        SystemFailure: The directory cannot be read.
    """
    return [RingSummary(**_typed(fields)) for fields in _core.inspect_rings()]


def ring(name: str) -> Ring:
    """One ring, whatever state it is in.

    Args:
        name: As for a producer.

    Raises:
        InvalidArgument: No ring can have this name.
        SystemFailure: There is none (errno ENOENT); the text names those with similar names.
    """
    fields = _typed(_core.inspect_ring(name))
    fields["memory"] = Memory(**fields["memory"])
    fields["participants"] = tuple(map(_participant, fields["participants"]))
    fields["queue"] = tuple(QueuedMessage(**message) for message in fields["queue"])
    return Ring(**fields)


def summary(name: str) -> RingSummary:
    """The same as `ring` without participants and queue, which is faster.

    Args:
        name: As for a producer.

    Raises:
        InvalidArgument, SystemFailure: As for `ring`.
    """
    return RingSummary(**_typed(_core.inspect_summary(name)))


def preview(
    name: str,
    *,
    max_messages: int = 16,
    max_payload_bytes: int = 64,
    max_metadata_bytes: int = 4096,
    after_id: int = 0,
) -> list[MessagePreview]:
    """What is queued, oldest first, and stays there.

    A message that is popped or freed while it is looked at is left out.

    Args:
        name: As for a producer.
        max_messages: At most so many.
        max_payload_bytes: So much of each payload.
        max_metadata_bytes: So much of the metadata of each.
        after_id: Only messages with larger numbers, to follow a ring.

    Raises:
        InvalidArgument, SystemFailure: As for `ring`.
        VersionMismatch, NotARing, CorruptBuffer, PermissionDenied: Its messages cannot be seen.
    """
    found = _core.inspect_preview(
        name, max_messages, max_payload_bytes, max_metadata_bytes, after_id
    )
    return [MessagePreview(**fields) for fields in found]


def rates(earlier: RingSummary, later: RingSummary) -> Rates | None:
    """What went in and out between two looks at one ring.

    Args:
        earlier: The first look.
        later: The second one.

    Returns:
        None if it is not the same ring, or no time has passed.
    """
    seconds = later.taken - earlier.taken
    if earlier.ring_id == 0 or earlier.ring_id != later.ring_id or seconds <= 0:
        return None

    def per_second(field: str) -> float:
        before: int = getattr(earlier.stats, field)
        after: int = getattr(later.stats, field)
        return max(0.0, (after - before) / seconds)

    fields = ("pushed", "popped", "pushed_bytes", "popped_bytes")
    return Rates(seconds, *map(per_second, fields))


def directory() -> Directory:
    """Where rings live, and the memory that is left there."""
    path, total_bytes, free_bytes = _core.inspect_directory()
    return Directory(path, *(size if total_bytes else None for size in (total_bytes, free_bytes)))


def _typed(fields: dict[str, Any]) -> dict[str, Any]:
    fields["state"] = RingState(fields["state"])
    fields["stats"] = RingStats(**fields["stats"])
    return fields


def _participant(fields: dict[str, Any]) -> Participant:
    fields["role"] = Role(fields["role"])
    fields["process_state"] = ProcessState(fields["process_state"])
    fields["waits_for"] = WaitsFor(fields["waits_for"])
    return Participant(**fields)
