# SPDX-License-Identifier: Apache-2.0
"""What one process has of a Queue: a share in its keeper and, from the first use on, two handles.

A queue never ends and needs no reader, so each process that uses it has both ends: with a producer
alive there is no end of stream, with a consumer alive a push has somebody to go to. A child that
has only been handed the queue has the keeper alone: one descriptor, inherited or sent, which keeps
the ring and costs none of its 1,023 handles.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from multiprocessing import reduction, util
from typing import Any, NoReturn

from ipc0cp import _core, errors
from ipc0cp._queue.ends import Ends, QueueConsumer, QueueProducer, Recipe
from ipc0cp.log import logger
from ipc0cp.ring_buffer import RingStats

#: Seconds that attaching waits for a ring whose lock is held by a process that is stopped.
_ATTACH_PATIENCE = 60.0
_A_LONG_TIME = 3600.0
#: After multiprocessing has waited for the children that it waits for.
_AFTER_CHILDREN = -100


class ClosedPipeError(errors.Closed, OSError):
    """What multiprocessing raises for a pipe that is closed."""


class Share:
    """The part of one process in a queue.

    Thread-safe, and without any lock: a signal handler, `__del__` or the collector may call it in
    the middle of any of its own calls. What has to be given up once is taken out of a container by
    one operation of the interpreter, and whoever gets it closes it.

    It is let go of by the destructors of what it holds, not by a finalizer: those of a cycle run
    before the `__del__` methods of the others in it, which may still want to put something.
    """

    __slots__ = (
        "__weakref__",
        "_attaching",
        "_closed",
        "_ended",
        "_ends",
        "_keepers",
        "_last_stats",
        "recipe",
        "tasks",
    )

    def __init__(
        self,
        recipe: Recipe,
        keeper: _core.RingKeeper | None = None,
        tasks: _core.TaskCount | None = None,
    ) -> None:
        """Makes the queue, or joins the one that a `keeper` has brought here."""
        self.recipe = recipe
        self.tasks = _core.TaskCount() if tasks is None else tasks
        self._closed = False
        self._ended = False
        self._last_stats: RingStats | None = None
        # By the life of the process that made them: a forked child finds none of its own.
        self._ends: dict[object, Ends] = {}
        #: On their way to `_ends`.
        self._attaching: list[QueueConsumer] = []
        self._keepers = [self._create() if keeper is None else keeper]
        _shares.add(self)
        _note_name(recipe.name)

    def _create(self) -> _core.RingKeeper:
        producer, consumer = QueueProducer(self.recipe), QueueConsumer(self.recipe)
        try:
            consumer.attach(_ATTACH_PATIENCE)
            keeper = _core.RingKeeper(self.recipe.name)
        except BaseException:
            # Only a consumer removes a ring; one that could not attach before has room for it now.
            producer.close()
            consumer.attach(_ATTACH_PATIENCE)
            consumer.close()
            raise
        self._ends[_process_life] = Ends(producer, consumer)
        return keeper

    def __reduce__(self) -> tuple[Any, ...]:
        descriptors = (self.descriptor, self.tasks.descriptor)
        return _join, (self.recipe, *map(reduction.DupFd, descriptors))

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def is_attached(self) -> bool:
        """Whether this process has used the queue."""
        return _process_life in self._ends

    @property
    def descriptor(self) -> int:
        """The keeper's, to be sent to another process. Raises Closed."""
        try:
            return self._keepers[0].descriptor
        except IndexError:
            raise self.closed_error() from None

    def ends(self) -> Ends:
        """Both ends. Raises Closed, and what attaching raises."""
        try:
            return self._ends[_process_life]
        except KeyError:
            return self._attach()

    def writing(self) -> QueueProducer:
        """The writing end. Raises Closed, and what attaching raises."""
        return self.ends().producer

    def reading(self) -> QueueConsumer:
        """The reading end. Raises Closed, and what attaching raises."""
        return self.ends().consumer

    def pushed(self) -> int:
        """How many items have been put since the queue was made, also by processes since killed."""
        pushed: int = self.writing()._handle.stats()["pushed"]
        return pushed

    def _attach(self) -> Ends:
        """Of several threads that come at once the first one's handles stay."""
        self._refuse_removed()
        consumer = QueueConsumer(self.recipe)
        self._attaching.append(consumer)  # Before looking, as `close` looks here after telling.
        try:
            self._refuse_closed()
            consumer.attach(_ATTACH_PATIENCE)
            mine = Ends(QueueProducer(self.recipe), consumer)
        finally:
            self._attaching.remove(consumer)
        ends = self._ends.setdefault(_process_life, mine)
        if ends is not mine:
            mine.close()
        if self._closed:
            self._close_ends()
            # Closed in between, the ring was gone before the producer came, which made it anew.
            _remove_if_unused(self.recipe.name)
        self._refuse_closed()
        return ends

    def _refuse_closed(self) -> None:
        if self._closed:
            raise self.closed_error()

    def end(self) -> None:
        """Leaves the queue because the process ends."""
        self._ended = True
        self.close()

    def has_ended(self) -> bool:
        """Whether the end of the process has closed it; a daemon thread does not come back.

        What a program has left waiting when it ends is silent with multiprocessing, too.
        """
        while self._ended and threading.current_thread().daemon:
            time.sleep(_A_LONG_TIME)
        return self._ended

    def closed_error(self) -> errors.Closed:
        return errors.Closed(f"Queue {self.recipe.name!r} is closed")

    def _refuse_removed(self) -> None:
        if os.fstat(self.descriptor).st_nlink == 0:
            raise errors.Closed(
                f"Queue {self.recipe.name!r} is closed: its ring was removed by hand while"
                " this process had not used it yet"
            )

    def refuse_as_a_pipe(self) -> NoReturn:
        """Raises what a closed pipe raises, which is an OSError."""
        raise ClosedPipeError(f"Queue {self.recipe.name!r} is closed")

    def close(self) -> None:
        """Leaves the queue; whoever leaves last removes it. Idempotent."""
        self._note_stats()
        self._closed = True
        for consumer in tuple(self._attaching):
            consumer.close()
        self._close_ends()
        self.tasks.give_descriptor_up()
        while self._keepers:
            try:
                keeper = self._keepers.pop()
            except IndexError:
                return
            keeper.close()

    def stats(self) -> RingStats | None:
        """Of the ring; once closed, as they were then, or None if it was not used here.

        Raises:
            What attaching raises.
        """
        if not self._closed:
            try:
                return self.writing().stats()
            except errors.Closed:
                if not self._closed:
                    raise
        return self._last_stats

    def _note_stats(self) -> None:
        ends = self._ends.get(_process_life)
        if self._last_stats is None and ends is not None:
            try:
                self._last_stats = ends.producer.stats()
            except errors.Error as error:
                logger.debug("queue %r closes without its counts: %s", self.recipe.name, error)

    def _close_ends(self) -> None:
        while self._ends:
            try:
                _, ends = self._ends.popitem()
            except KeyError:
                return
            ends.close()


def _join(recipe: Recipe, keeper: Any, tasks: Any) -> Share:
    """The part of the process that a queue was sent to."""
    return Share(
        recipe,
        _core.RingKeeper.adopt(recipe.name, keeper.detach()),
        _core.TaskCount.adopt(tasks.detach()),
    )


# ---- the process ---------------------------------------------------------------------------------

#: Replaced in a forked child: what was made under another one belongs to a parent.
_process_life = object()
_shares: weakref.WeakSet[Share] = weakref.WeakSet()
#: Names of queues that this process has had, which others may leave by being killed.
_known_names: set[str] = set()
_LEAST_NAMES_BEFORE_A_LOOK = 500
_names_before_a_look = 2 * _LEAST_NAMES_BEFORE_A_LOOK


class _Anchor:
    """Lives as long as the module, so that multiprocessing keeps the hook."""


_ANCHOR = _Anchor()


def _end_with_process() -> None:
    for share in list(_shares):
        share.end()
    _remove_what_nobody_has()


def _remove_what_nobody_has() -> None:
    """Removes queues whose last users were killed, as multiprocessing terminates daemons."""
    for name in list(_known_names):
        if _remove_if_unused(name):
            _known_names.discard(name)


def _remove_if_unused(name: str) -> bool:
    """False: others have it."""
    try:
        _core.RingKeeper(name).close()
    except errors.InvalidArgument:
        return False
    except errors.SystemFailure as error:
        logger.debug("queue %r needs no removal: %s", name, error)
    return True


def _note_name(name: str) -> None:
    global _names_before_a_look
    _known_names.add(name)
    if len(_known_names) >= _names_before_a_look:
        _remove_what_nobody_has()
        _names_before_a_look = 2 * max(len(_known_names), _LEAST_NAMES_BEFORE_A_LOOK)


def _register_end() -> None:
    util.Finalize(None, _end_with_process, exitpriority=_AFTER_CHILDREN)


def _reset_in_child() -> None:
    global _process_life
    _process_life = object()
    _known_names.clear()
    _register_end()


_register_end()
os.register_at_fork(after_in_child=_reset_in_child)
# Children of multiprocessing forget the finalizers that were registered before they began.
util.register_after_fork(_ANCHOR, lambda _: _register_end())
