# SPDX-License-Identifier: Apache-2.0
"""The two handles that a process has of a Queue once it uses it, and what they carry."""

from __future__ import annotations

import dataclasses
from typing import Any

from ipc0cp import _core, errors
from ipc0cp._codec.encoding import Encoded, Received, view_of
from ipc0cp._codec.metadata import parse_metadata
from ipc0cp._queue import codec as queue_codec
from ipc0cp.ring_buffer import SharedRingBufferConsumer, SharedRingBufferProducer
from ipc0cp.type_registry import TypeRegistry

_REGISTRY = TypeRegistry.instance()


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

    __slots__ = ("consumer", "producer")

    def __init__(self, producer: QueueProducer, consumer: QueueConsumer) -> None:
        self.producer = producer
        self.consumer = consumer
        for end in (producer, consumer):
            end._handle.outlive_exit_hook()

    def close(self) -> None:
        self.producer.close()
        self.consumer.close()
