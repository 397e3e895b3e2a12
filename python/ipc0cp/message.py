# SPDX-License-Identifier: Apache-2.0
"""A message as it is, without decoding."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ipc0cp._codec import codec
from ipc0cp._codec.encoding import view_of
from ipc0cp._core import Block
from ipc0cp.errors import InvalidArgument


class Message:
    """What `pop_raw` returns: metadata and payload, a view of the ring where possible.

    The block of the ring goes back when the message and everything made over its payload is
    gone; until then it stays valid, also past `close()` and past the consumer. In a ring made
    with ``redeliver=True``, `done()` (or leaving a ``with`` block without an exception) says that
    the message is finished and must not come again, whichever thread says it. The next `pop` of the
    thread that popped it says so too; what a thread leaves unfinished at its end waits for `done()`
    or for the consumer's `close()`. One thread at a time.
    """

    __slots__ = ("__weakref__", "_block")

    def __init__(self, block: Block) -> None:
        self._block: Block | None = block

    def _alive(self) -> Block:
        if self._block is None:
            raise InvalidArgument("this message has been released")
        return self._block

    @property
    def metadata(self) -> dict[str, Any]:
        """What the message says about itself; a fresh dict.

        Raises:
            CorruptPayload: if it is not a JSON object.
        """
        return codec.parse_anew(self._alive().metadata)

    @property
    def metadata_json(self) -> bytes:
        """The metadata as it was sent; empty stands for a message of type bytes."""
        return self._alive().metadata

    @property
    def payload(self) -> memoryview:
        """Read-only bytes, starting at a multiple of 64. The memoryview keeps the block."""
        return view_of(self._alive())

    @property
    def id(self) -> int:
        """Position in the ring's order of publishing; unique within the ring."""
        return self._alive().id

    @property
    def deliveries(self) -> int:
        """How often this message has been handed out, 1 for the first time."""
        return self._alive().deliveries

    def is_view(self) -> bool:
        """Whether the payload lies in the ring (True) or in a copy of this process (False)."""
        return self._alive().is_view

    def done(self) -> None:
        """Redelivery: the message is finished and will not come again. Otherwise no effect."""
        self._alive().done()

    def requeue(self) -> None:
        """Redelivery: not finished, it goes back to its place. Otherwise no effect.

        It comes again once no view of the payload is left; this counts as a delivery.
        """
        self._alive().requeue()

    def release(self) -> None:
        """Lets the payload go; its block goes back once no view of it is left. Idempotent."""
        self._block = None

    def __enter__(self) -> Message:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._block is not None:
            if kind is None:
                self.done()
            else:
                self.requeue()
        self.release()

    def __len__(self) -> int:
        return len(self._alive())

    def __repr__(self) -> str:
        if self._block is None:
            return "<ipc0cp.Message released>"
        where = "in the ring" if self.is_view() else "copied"
        return f"<ipc0cp.Message {self.id}: {len(self)} bytes {where}, {self.metadata_json!r}>"
