# SPDX-License-Identifier: Apache-2.0
"""The two handles that a process has of a Queue once it uses it, and what they carry."""

from __future__ import annotations

import dataclasses
import select
from typing import Any

from ipc0cp import _core, errors
from ipc0cp._codec.encoding import Encoded, Received, view_of
from ipc0cp._codec.metadata import parse_metadata
from ipc0cp._queue import codec as queue_codec
from ipc0cp.log import logger
from ipc0cp.ring_buffer import SharedRingBufferConsumer, SharedRingBufferProducer
from ipc0cp.type_registry import TypeRegistry

_REGISTRY = TypeRegistry.instance()
#: Far longer than a thread takes to wake.
_MOMENT_MS = 20


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
    """The reading end of a ring that is there already; `attach` first."""

    __slots__ = ("_may_pickle",)

    def __init__(self, recipe: Recipe) -> None:
        self._may_pickle = recipe.may_pickle
        super().__init__(recipe.name, auto_attach=False)

    def take(self, timeout: float | None, copy: bool) -> Any:
        """The next item; None is one like any other."""
        popped = self._pop(timeout, copy)
        if popped is None:
            # The end of the stream: our own producer has just been closed by another thread.
            raise errors.Closed(f"Queue {self.name!r} is closed")
        return self._decode(popped, copy) if type(popped) is _core.Block else popped

    def take_many(self, timeout: float | None, copy: bool, most: int) -> list[Any]:
        """1 to `most` items; see `take`."""
        items = self.pop_many(most, timeout, copy)
        if not items:
            raise errors.Closed(f"Queue {self.name!r} is closed")
        return items

    def _decode_message(self, block: _core.Block, copy: bool) -> Any:
        text = block.metadata
        if text == queue_codec.MARKED_JSON_METADATA and _REGISTRY.find("json") is None:
            return queue_codec.decode_marked_json(view_of(block))
        metadata = parse_metadata(text)
        if metadata.get("type") in queue_codec.TAGS:
            return queue_codec.decode(metadata, Received(view_of(block), copy), self._may_pickle)
        return super()._decode_message(block, copy)


class Ends:
    """The two handles of one process. Closed by its destructor at the latest."""

    __slots__ = ("consumer", "producer", "watchers")

    def __init__(self, producer: QueueProducer, consumer: QueueConsumer) -> None:
        self.producer = producer
        self.consumer = consumer
        #: One at most, of the first of several threads that come at once.
        self.watchers: dict[str, _core.Watcher] = {}
        for end in (producer, consumer):
            end._handle.outlive_exit_hook()

    def watch(self) -> int:
        """A descriptor that is readable while there is something to get."""
        watcher = self.watchers.get("get")
        if watcher is None:
            watcher = self.watchers.setdefault("get", self.consumer._handle.watcher())
        if self._look(watcher):
            # Its thread tells at once, unless another process is faster.
            poll = select.poll()
            poll.register(watcher.descriptor, select.POLLIN)
            poll.poll(_MOMENT_MS)
        return watcher.descriptor

    def attempted(self) -> None:
        """After each attempt to get, where `watchers` has one: what it says may be over."""
        try:
            for watcher in tuple(self.watchers.values()):
                self._look(watcher)
        except errors.Closed as error:
            # What was got stays got, and the next call says it.
            logger.debug("a queue is closed while its descriptor is in use: %s", error)

    def _look(self, watcher: _core.Watcher) -> bool:
        """Makes the descriptor readable soon if something is queued, and unreadable if not."""
        is_filled = self.consumer._handle.stats()["messages"] > 0
        if not is_filled:
            watcher.take()
        watcher.arm()
        return is_filled

    def close(self) -> None:
        self.watchers.clear()
        self.producer.close()
        self.consumer.close()
