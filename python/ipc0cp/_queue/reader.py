# SPDX-License-Identifier: Apache-2.0
"""What libraries find where a ``multiprocessing.Queue`` has its pipe."""

from __future__ import annotations

from multiprocessing import connection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ipc0cp.queues import Queue


class Reader:
    """What stands for the reading pipe of a ``multiprocessing.Queue``: something to wait for."""

    __slots__ = ("_queue",)

    def __init__(self, queue: Queue[Any]) -> None:
        self._queue = queue

    @property
    def closed(self) -> bool:
        """Whether this process has closed the queue."""
        return self._queue.closed

    def fileno(self) -> int:
        """See `Queue.fileno`."""
        return self._queue.fileno()

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Whether there is something to get, within `timeout` seconds; None: waits for ever."""
        queues: list[Any] = [self._queue]
        return not self._queue.empty() or bool(connection.wait(queues, timeout))
