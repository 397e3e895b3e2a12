# SPDX-License-Identifier: Apache-2.0
"""What producers and consumers have in common."""

from __future__ import annotations

import dataclasses
from types import TracebackType
from typing import Any, Self

from ipc0cp import _core, errors


@dataclasses.dataclass(frozen=True, slots=True)
class RingStats:
    """A snapshot of one ring, consistent within itself. Sizes are bytes."""

    active_producers: int
    active_consumers: int
    messages: int  #: Queued now.
    used_bytes: int  #: Metadata and payload of all blocks in use.
    total_data_bytes: int  #: Capacity.
    max_messages: int  #: Most messages alive at once.
    pushed: int  #: Messages published since creation.
    popped: int  #: Messages handed out since creation.
    dropped: int  #: Damaged or discarded messages.
    lost: int  #: Messages that died with their consumer.
    repaired_deaths: int  #: Participants found dead and cleaned up.
    most_messages: int  #: High-water mark of `messages`.
    most_used_bytes: int  #: High-water mark of `used_bytes`.
    producer_waits: int  #: Times a producer had to sleep.
    consumer_waits: int  #: Times a consumer had to sleep.
    reserved_bytes: int  #: Memory of the payload area backed by /dev/shm.


class Handle:
    """What producer and consumer have in common."""

    __slots__ = ("__weakref__", "_handle", "_name", "_options")

    _handle: _core.ProducerHandle | _core.ConsumerHandle
    _name: str
    _options: dict[str, Any]

    @property
    def name(self) -> str:
        """The name of the ring, without a leading slash."""
        return self._handle.name

    @property
    def closed(self) -> bool:
        """Whether `close` has been called; also true if attaching failed for good."""
        return self._handle.closed

    def stats(self) -> RingStats:
        """A snapshot of the ring. Thread-safe.

        Raises:
            ForkedHandle, CorruptBuffer, Closed.
        """
        return RingStats(**self._handle.stats())

    def close(self) -> None:
        """Leaves the ring. Idempotent and thread-safe.

        Calls of other threads end with Closed; arrays and messages stay valid. Waits at most 1 s.
        """
        self._handle.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach_again, (type(self), self._name, self._options)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} of ring {self._name!r}"
        if not hasattr(self, "_handle"):
            return f"<{text}, never attached>"
        if self.closed:
            return f"<{text}, closed>"
        try:
            stats = self.stats()
        except errors.Error as error:
            return f"<{text}, {error.code.name}>"
        return (
            f"<{text}: {stats.messages} messages, {stats.used_bytes:,} of"
            f" {stats.total_data_bytes:,} bytes used, {stats.active_producers} producers,"
            f" {stats.active_consumers} consumers>"
        )


def _attach_again(kind: type[Any], name: str, options: dict[str, Any]) -> Any:
    """Makes a handle in the process that unpickles one."""
    return kind(name, **options)
