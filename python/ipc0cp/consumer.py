# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferConsumer: the reading end of a ring."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal

from ipc0cp import _core, arguments, codec
from ipc0cp.at_exit import close_with_process
from ipc0cp.encoding import Received, view_of
from ipc0cp.errors import InvalidArgument
from ipc0cp.handle import Handle
from ipc0cp.message import Message

if TYPE_CHECKING:
    from ipc0cp.aio import Popping
    from ipc0cp.arrays import Array


class SharedRingBufferConsumer(Handle):
    """The reading end of a ring in shared memory. Thread-safe; picklable (attaches anew).

    Each message reaches exactly one consumer. Iterating ends at the end of stream.

    Args:
        shm_name: 1..200 characters of ``[A-Za-z0-9._-]``; a leading ``/`` is dropped.
        total_data_bytes: as the producers say it; None: take what is there, or wait for it.
        blocking: False: `pop` never waits, time-outs are ignored.
        auto_attach: False: call `attach` before the first pop.
        auto_unlink: the last consumer to close removes the ring.
        expected_producers: end of stream needs at least this many producers to have joined.
        stale: "resume" or "discard" what dead producers have left in the ring.
        trusted_owners: user ids whose rings are accepted besides our own.

    Raises:
        As for the producer.
    """

    __slots__ = ("_pop", "_popping")

    _handle: _core.ConsumerHandle

    def __init__(
        self,
        shm_name: str,
        total_data_bytes: int | None = None,
        blocking: bool = True,
        auto_attach: bool = True,
        auto_unlink: bool = True,
        *,
        expected_producers: int = 1,
        stale: Literal["discard", "resume"] = "resume",
        trusted_owners: Iterable[int] = (),
    ) -> None:
        self._name = arguments.ring_name(shm_name)
        if total_data_bytes is not None:
            total_data_bytes = arguments.total_data_bytes(total_data_bytes)
        self._options = {
            "total_data_bytes": total_data_bytes,
            "blocking": arguments.flag("blocking", blocking),
            "auto_attach": arguments.flag("auto_attach", auto_attach),
            "auto_unlink": arguments.flag("auto_unlink", auto_unlink),
            "expected_producers": arguments.expected_producers(expected_producers),
            "stale": arguments.text("stale", stale),
            "trusted_owners": arguments.trusted_owners(trusted_owners),
        }
        close_with_process()
        options = {**self._options, "total_data_bytes": total_data_bytes or 0}
        self._handle = _core.ConsumerHandle(self._name, **options)
        self._pop = self._handle.pop
        self._popping: Popping | None = None

    def attach(self, timeout: float | None = None) -> None:
        """Joins the ring; needed only with auto_attach=False. A second call does nothing.

        Args:
            timeout: seconds to wait for a creator if no size was given.

        Raises:
            Timeout, Closed, and what the constructor raises otherwise.
        """
        self._handle.attach(timeout)

    def pop(self, timeout: float | None = None, copy: bool = False) -> Any:
        """The next object, or None at end of stream.

        Arrays and images are read-only views into the ring where possible. A view keeps its block
        until it and all its slices are gone, also past `close`.

        Args:
            timeout: seconds to wait for a message; None or inf: for ever, 0: not at all.
            copy: make arrays and images own their memory and be writable.

        Raises:
            Timeout: nothing came in time.
            BufferEmpty: nothing there, with blocking=False.
            CorruptPayload: this message was damaged and dropped; later ones still arrive.
            Closed, ForkedHandle, CorruptBuffer, InvalidArgument.
            Exception: whatever a registered deserializer raises; the message counts as popped.
        """
        popped = self._pop(timeout, copy)
        return self._decode(popped, copy) if type(popped) is _core.Block else popped

    def _decode(self, block: _core.Block, copy: bool) -> Any:
        text = block.metadata
        metadata = codec.parse_metadata(text)
        obj = codec.decode(metadata, Received(view_of(block), copy))
        if codec.is_plain_array(metadata):
            is_fortran = metadata.get("order") == "F"
            self._handle.remember(text, obj.dtype, obj.shape, is_fortran, len(block))
        return obj

    def pop_raw(self, timeout: float | None = None) -> Message | None:
        """The next message without decoding, or None at end of stream.

        Args:
            timeout: as for `pop`.

        Raises:
            What `pop` raises, but nothing about what the message holds.
        """
        block = self._handle.pop_raw(timeout)
        return None if block is None else Message(block)

    def pop_many(self, most: int, timeout: float | None = None, copy: bool = False) -> list[Any]:
        """Waits for one message like `pop`, then takes what else is queued.

        Args:
            most: the most objects to return, 1 or more.
            timeout: seconds to wait for the first message; None or inf: for ever, 0: not at all.
            copy: make arrays own their memory and be writable.

        Returns:
            1 to `most` objects in order; an empty list at end of stream. If one of them cannot be
            decoded, it is those before it: the next pop decodes it again and raises its error, and
            those behind it follow.

        Raises:
            InvalidArgument: if `most` is below 1.
            Otherwise as `pop`.
        """
        if most < 1:
            raise InvalidArgument(f"most must be 1 or more, not {most}")
        return self._handle.pop_many(most, timeout, copy, self._decode)

    def pop_array(self, most: int, timeout: float | None = None) -> Array | None:
        """Takes many equal arrays as one: the opposite of pushing an array with `push_many`.

        >>> consumer.pop_array(4096)
        array([[0., 0., 0.], [1., 1., 1.]])

        Waits for one message like `pop`, then takes what else is queued, up to the first message
        of another dtype or shape, which stays queued for the next call.

        Args:
            most: the most messages to take, 1 or more.
            timeout: seconds to wait for the first message; None or inf: for ever, 0: not at all.

        Returns:
            A writable array of shape (n, ...) and its own memory, made of 1 to `most` messages
            that are arrays of shape (...), or NumPy scalars. None at end of stream.

        Raises:
            UnsupportedType: the next message is something else; it is still queued, `pop` takes it.
            Otherwise as `pop`.
        """
        from ipc0cp import rows

        return rows.pop_array(self._handle, most, timeout)

    def done(self) -> None:
        """Redelivery: finishes what this thread has popped last. Otherwise no effect.

        In a ring made with ``redeliver=True`` a message whose consumer dies before it has called
        `done`, or popped again, is delivered to another one.
        """
        self._handle.done()

    async def pop_async(self, timeout: float | None = None, copy: bool = False) -> Any:
        """As `pop`, without blocking the event loop.

        Any number of coroutines may wait, also of several event loops; they are served in turn. A
        cancelled one takes no message with it. On a ring with redelivery a pop finishes what its
        thread has popped before, so there let one coroutine at a time use a handle, or call
        `Message.done`.

        Args:
            timeout: as for `pop`.
            copy: as for `pop`.

        Raises:
            What `pop` raises.
        """
        if self._popping is None:
            from ipc0cp.aio import Popping

            self._popping = Popping(self._handle.watcher)
        return await self._popping.pop(
            lambda: self.pop(0, copy), timeout, self._options["blocking"]
        )

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        obj = await self.pop_async()
        if obj is None:
            raise StopAsyncIteration
        return obj

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        obj = self.pop()
        if obj is None:
            raise StopIteration
        return obj
