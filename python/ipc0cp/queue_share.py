# SPDX-License-Identifier: Apache-2.0
"""What one process has of a Queue: a share in its keeper and, from the first use on, two handles.

A queue never ends and needs no reader, so each process that uses it has both ends: with a producer
alive there is no end of stream, with a consumer alive a push has somebody to go to. A child that
has only been handed the queue has the keeper alone: one descriptor, inherited or sent, which keeps
the ring and costs none of its 1,023 handles.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from typing import Any

from ipc0cp import _core, errors, queue_codec
from ipc0cp.encoding import Encoded, Received, view_of
from ipc0cp.metadata import parse_metadata
from ipc0cp.ring_buffer import SharedRingBufferConsumer, SharedRingBufferProducer

#: Seconds that attaching waits for a ring whose lock is held by a process that is stopped.
_ATTACH_PATIENCE = 60.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What all processes have to agree on."""

    name: str
    total_data_bytes: int
    max_messages: int
    may_pickle: bool


class QueueProducer(SharedRingBufferProducer):
    """The writing end; carries what queues carry."""

    __slots__ = ("_may_pickle",)

    def __init__(self, recipe: Recipe) -> None:
        self._may_pickle = recipe.may_pickle
        super().__init__(
            recipe.name,
            recipe.total_data_bytes,
            max_messages=recipe.max_messages,
            stale="resume",
        )

    def push(self, obj: Any, timeout: float | None = None) -> bool:
        try:
            pushed = self._push(obj, timeout)
        except errors.UnsupportedType:
            pushed = None  # A str that is not UTF-8: for pickle, or to be told of it.
        return self._push_encoded(obj, timeout) if pushed is None else pushed

    def _encode(self, obj: Any) -> Encoded:
        return queue_codec.encode(obj, self._may_pickle)


class QueueConsumer(SharedRingBufferConsumer):
    """The reading end of a ring that is there already."""

    __slots__ = ("_may_pickle",)

    def __init__(self, recipe: Recipe) -> None:
        self._may_pickle = recipe.may_pickle
        super().__init__(recipe.name, auto_attach=False)
        self.attach(_ATTACH_PATIENCE)

    def take(self, timeout: float | None, copy: bool) -> Any:
        """The next item; None is one like any other."""
        popped = self._pop(timeout, copy)
        if popped is None:
            # The end of the stream: our own producer has just been closed by another thread.
            raise errors.Closed(f"Queue {self.name!r} is closed")
        return self._decode(popped, copy) if type(popped) is _core.Block else popped

    def _decode(self, block: _core.Block, copy: bool) -> Any:
        metadata = parse_metadata(block.metadata)
        if metadata.get("type") in queue_codec.TAGS:
            return queue_codec.decode(metadata, Received(view_of(block), copy), self._may_pickle)
        return super()._decode(block, copy)


class Share:
    """The part of one process in a queue. Thread-safe."""

    __slots__ = ("_closed", "_consumer", "_keeper", "_lock", "_producer", "recipe")

    def __init__(self, recipe: Recipe, keeper: _core.RingKeeper | None = None) -> None:
        """Makes the queue, or joins the one that a `keeper` has brought here."""
        self.recipe = recipe
        self._closed = False
        self._lock = threading.Lock()
        self._producer: QueueProducer | None = None
        self._consumer: QueueConsumer | None = None
        self._keeper = self._create() if keeper is None else keeper

    def _create(self) -> _core.RingKeeper:
        self._producer = QueueProducer(self.recipe)
        try:
            self._consumer = QueueConsumer(self.recipe)
            return _core.RingKeeper(self.recipe.name)
        except BaseException:
            # Only a consumer removes a ring; one that could not be made before has room for it now.
            self._producer.close()
            (self._consumer or QueueConsumer(self.recipe)).close()
            raise

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def is_attached(self) -> bool:
        """Whether this process has used the queue."""
        return self._producer is not None

    @property
    def descriptor(self) -> int:
        """The keeper's, to be sent to another process. Raises Closed."""
        self._refuse_closed()
        return self._keeper.descriptor

    def writing(self) -> QueueProducer:
        """The writing end. Raises Closed, and what attaching raises."""
        return self._producer or self._attach()[0]

    def reading(self) -> QueueConsumer:
        """The reading end. Raises Closed, and what attaching raises."""
        return self._consumer or self._attach()[1]

    def _attach(self) -> tuple[QueueProducer, QueueConsumer]:
        with self._lock:
            self._refuse_closed()
            if self._producer is None or self._consumer is None:
                self._refuse_removed()
                consumer = QueueConsumer(self.recipe)
                self._producer, self._consumer = QueueProducer(self.recipe), consumer
            return self._producer, self._consumer

    def _refuse_closed(self) -> None:
        if self._closed:
            raise errors.Closed(f"Queue {self.recipe.name!r} is closed")

    def _refuse_removed(self) -> None:
        if os.fstat(self._keeper.descriptor).st_nlink == 0:
            raise errors.Closed(
                f"Queue {self.recipe.name!r} is closed: its ring was removed by hand while"
                " this process had not used it yet"
            )

    def close(self) -> None:
        """Leaves the queue; whoever leaves last removes it. Idempotent."""
        with self._lock:
            self._closed = True
            for end in (self._producer, self._consumer):
                if end is not None:
                    end.close()
            self._producer = self._consumer = None
            self._keeper.close()

    def become_childs(self) -> None:
        """In a forked child: the handles are the parent's, the keeper is shared.

        Threads of the parent may have held the lock.
        """
        self._lock = threading.Lock()
        self._producer = self._consumer = None
