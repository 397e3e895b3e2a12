# SPDX-License-Identifier: Apache-2.0
"""What a Queue knows of its tasks: which are finished, and whether more may come.

The ring counts what was put, and a `_core.TaskCount` what was finished; both survive the death of
any process, and neither costs put or get anything but a look at the state.
"""

from __future__ import annotations

import queue
import sys
from typing import NoReturn

from ipc0cp import errors
from ipc0cp._queue.share import Share
from ipc0cp.log import logger
from ipc0cp.ring_buffer import RingStats

#: States of a `TaskCount`.
OPEN, STOPPED = 0, 2

if sys.version_info >= (3, 13):

    class ShutDown(errors.Closed, queue.ShutDown):
        """Some process has called `Queue.shutdown`."""

else:

    class ShutDown(errors.Closed):
        """Some process has called `Queue.shutdown`; a ``queue.ShutDown`` from Python 3.13 on."""


class Tasks:
    """The part of `Queue` that counts tasks."""

    _share: Share

    @property
    def name(self) -> str:
        """The name of its ring, whose file is ``/dev/shm/ipc0cp.<name>``."""
        return self._share.recipe.name

    def task_done(self) -> None:
        """Says that an item that was got has been dealt with; see `join`.

        Raises:
            ValueError: as InvalidArgument, if that was said of all items that were put.
            ValueError: as Closed, if this process has closed the queue.
        """
        if not self._finish_one():
            raise errors.InvalidArgument(
                "task_done() called too many times: once for each item that was put, no more"
            )

    def _finish_one(self) -> bool:
        """Counts one more task as finished; False if all that were put are."""
        pushed = -1
        while pushed != (pushed := self._share.pushed()):
            if self._share.tasks.finish_one(pushed):
                return True
            # Others may have put and finished more since we looked: then it has grown.
        return False

    def join(self) -> None:
        """Waits until `task_done` has been called for each item that was put, by whomever.

        As with ``multiprocessing.JoinableQueue``, an item counts until then whatever became of it:
        also where the process that got it was killed, or `get` raised. Whoever knows may call
        `task_done` in its place. `join` warns once if such items may be what it waits for, and
        nobody's death leaves a lock behind.

        Raises:
            ValueError: as Closed, if this process has closed the queue.
        """
        tasks = self._share.tasks
        warned = False
        try:
            while True:
                seen, finished = tasks.event, tasks.finished
                stats = self._share.writing().stats()
                if finished >= stats.pushed:
                    return
                if tasks.state == STOPPED:  # Of a process that was killed before it withdrew it.
                    self._drop_queued()
                if not warned:
                    warned = self._warn_of_losses(stats, stats.pushed - finished)
                tasks.wait(seen)
        except errors.Closed:
            self._share.has_ended()
            raise

    def _warn_of_losses(self, stats: RingStats, unfinished: int) -> bool:
        if stats.messages > 0 or stats.lost + stats.dropped == 0:
            return False
        logger.warning(
            "queue %r: join waits for %d items, and nothing is queued; %d were lost with processes"
            " that were killed, %d were damaged: task_done has to be called for these as well",
            self.name,
            unfinished,
            stats.lost,
            stats.dropped,
        )
        return True

    def shutdown(self, immediate: bool = False) -> None:
        """Ends the queue in all its processes, as ``queue.Queue.shutdown`` does in one.

        `put` raises ShutDown from now on, and `get` once nothing is left; a `get` that waits does
        so within a quarter of a second. A `put` that is waiting for room still gets it.

        Args:
            immediate: drop what is queued, count it as done for `join`, and let every `get` raise.
                Can follow a shutdown that was not immediate.

        Raises:
            ValueError: as Closed, if this process has closed the queue.
        """
        self._share.ends()
        self._share.tasks.shut_down(immediate)
        if immediate:
            self._drop_queued()

    @property
    def is_shutdown(self) -> bool:
        """Whether some process has called `shutdown`."""
        return self._share.tasks.state != OPEN

    def _shut_down_error(self) -> ShutDown:
        return ShutDown(f"queue {self.name!r} was shut down")

    def _refuse_shut_down(self) -> NoReturn:
        raise self._shut_down_error()

    def _withdraw(self) -> NoReturn:
        """After a put: an immediate shutdown that came meanwhile may have looked too early."""
        self._drop_queued()
        self._refuse_shut_down()

    def _drop_queued(self) -> None:
        """Takes what is queued without decoding it."""
        consumer = self._share.reading()
        while True:
            try:
                if consumer.pop_raw(0) is None:
                    raise self._share.closed_error()
            except errors.Timeout:
                return
            except errors.CorruptPayload as error:
                logger.debug("queue %r: dropped by its shutdown: %s", self.name, error)
            self._finish_one()
