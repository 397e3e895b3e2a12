# SPDX-License-Identifier: Apache-2.0
"""SharedRingBufferConsumer: the reading end of a ring."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, Self

from ipc0cp import _core, arguments
from ipc0cp._codec import codec
from ipc0cp._codec.encoding import Received, view_of
from ipc0cp.at_exit import close_with_process
from ipc0cp.errors import CorruptPayload, InvalidArgument
from ipc0cp.handle import ReadingHandle, RingHandle
from ipc0cp.message import Message

if TYPE_CHECKING:
    from ipc0cp._codec.arrays import Array
    from ipc0cp.aio import Popping


class StreamEnd(str):
    """How a stream ended: "closed" if all its producers closed, "died" if any was killed.

    An immutable str.
    """

    __slots__ = ("killed_producers",)

    killed_producers: int  #: Of those that joined, they ended without closing.

    def __new__(cls, killed_producers: int) -> Self:
        self = super().__new__(cls, "died" if killed_producers else "closed")
        self.killed_producers = killed_producers
        return self

    def __getnewargs__(self) -> tuple[int]:  # type: ignore[override]
        return (self.killed_producers,)


class SharedRingBufferConsumer(ReadingHandle, RingHandle):
    """The reading end of a ring in shared memory. Thread-safe; picklable (attaches anew).

    Each message reaches exactly one consumer, a worker, and besides every subscriber. Iterating
    ends at the end of stream.

    Args:
        shm_name: 1..200 characters of ``[A-Za-z0-9._-]``; a leading ``/`` is dropped.
        total_data_bytes: as the producers say it; None: take what is there, or wait for it.
        blocking: False: `pop` never waits, time-outs are ignored.
        auto_attach: False: call `attach` before the first pop.
        auto_unlink: the last consumer to close removes the ring.
        expected_producers: end of stream needs at least this many producers to have joined. None:
            the stream never ends by itself, producers come and go.
        stale: "resume" or "discard" what dead producers have left in the ring. "resume" also tells
            a consumer that comes within 60 s after all producers have closed that the stream has
            ended; "discard" waits for a new producer.
        trusted_owners: user ids whose rings are accepted besides our own.
        open_timeout: seconds the constructor waits for a creator (if no size was given), or for a
            lock; None or inf: for ever. After 5 s a line in the log says what it waits for.
        subscribe: get every message that is published from now on, whoever else reads the ring
            (at most 40 subscribers). On a ring made with ``broadcast=True`` every consumer says so.
        overflow: of a subscriber. "block": what it has not read keeps its room, and producers wait
            for it. "drop_oldest": it is given up for want of room, and `missed` counts it.
        pickle: read what a producer made with ``pickle=True`` has pickled. Reading runs code that
            the message names, so say it only where you trust whoever can write to the ring; without
            it such messages arrive as `BytesData`, and nothing is ever unpickled.

    Raises:
        As for the producer.
    """

    __slots__ = ("_pop",)

    _handle: _core.ConsumerHandle

    def __init__(
        self,
        shm_name: str,
        total_data_bytes: int | None = None,
        blocking: bool = True,
        auto_attach: bool = True,
        auto_unlink: bool = True,
        *,
        expected_producers: int | None = 1,
        stale: Literal["discard", "resume"] = "resume",
        trusted_owners: Iterable[int] = (),
        open_timeout: float | None = None,
        subscribe: bool = False,
        overflow: Literal["block", "drop_oldest"] = "block",
        pickle: bool = False,
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
            "open_timeout": open_timeout,
            "subscribe": arguments.flag("subscribe", subscribe),
            "overflow": arguments.text("overflow", overflow),
            "pickle": arguments.flag("pickle", pickle),
        }
        close_with_process()
        options = {**self._options, "total_data_bytes": total_data_bytes or 0}
        del options["pickle"]
        if expected_producers is None:
            options["expected_producers"] = arguments.NEVER_ENDS
        self._handle = _core.ConsumerHandle(self._name, **options)
        self._pop = self._handle.pop
        self._awaited: Popping | None = None

    @classmethod
    async def open_async(cls, shm_name: str, *args: Any, **options: Any) -> Self:
        """As the constructor, without blocking the event loop.

        Args:
            shm_name: as for the constructor, like all that follows.
            options: as for the constructor.

        Raises:
            What the constructor raises. A cancelled call leaves no handle behind.
        """
        from ipc0cp.aio import off_the_loop

        wanted = inspect.signature(cls).bind(shm_name, *args, **options)
        wanted.arguments["auto_attach"], attach = False, wanted.arguments.get("auto_attach", True)
        consumer = cls(*wanted.args, **wanted.kwargs)
        consumer._options["auto_attach"] = attach
        if attach:
            timeout = consumer._options["open_timeout"]
            await off_the_loop(lambda: consumer.attach(timeout), consumer.close)
        return consumer

    @property
    def missed(self) -> int:
        """Of a subscriber: messages it was not given, given up for want of room or damaged.

        Any thread may ask; 0 for a consumer that does not subscribe.
        """
        return self._handle.missed

    @property
    def end(self) -> StreamEnd | None:
        """How the stream ended, once a pop has returned None for that; before: None.

        >>> consumer.end, consumer.end.killed_producers
        ('died', 1)
        """
        killed = self._handle.killed_producers
        return None if killed is None else StreamEnd(killed)

    def attach(self, timeout: float | None = None) -> None:
        """Joins the ring; needed only with auto_attach=False. A second call does nothing.

        Args:
            timeout: seconds to wait for a creator if no size was given.

        `close` ends it, also from another thread.

        Raises:
            Timeout, Closed, and what the constructor raises otherwise.
        """
        self._handle.attach(timeout)

    def pop(self, timeout: float | None = None, copy: bool = False) -> Any:
        """The next object, or None at end of stream.

        Arrays and images are read-only views into the ring where possible. A view keeps its block
        until it and all its slices are gone, also past `close`. What ignores NumPy's read-only
        flag, as ``torch.from_numpy`` and ``torch.as_tensor`` do, ends the process by SIGSEGV when
        it writes: use ``copy=True`` or ``torch.tensor(view)``.

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
        try:
            return self._decode_message(block, copy)
        except CorruptPayload:
            self._handle.count_damaged(block.id)
            raise

    def _decode_message(self, block: _core.Block, copy: bool) -> Any:
        if self._options["pickle"]:
            metadata = codec.parse_metadata(block.metadata)
            if metadata.get("type") == "pickle":
                from ipc0cp._queue import codec as queue_codec

                return queue_codec.decode_pickled(metadata, Received(view_of(block), copy))
        return super()._decode_message(block, copy)

    def pop_latest(self, timeout: float | None = None, copy: bool = False) -> Any:
        """The newest object; those queued before it are given up, for every consumer.

        Waits for a message like `pop`. What is given up counts in ``stats().overflowed`` and does
        not come back, with redelivery either. Of what is pushed during the call it may miss some.

        Args:
            timeout: as for `pop`.
            copy: as for `pop`.

        Raises:
            What `pop` raises.
        """
        popped = self._handle.pop_latest(timeout, copy)
        return self._decode(popped, copy) if type(popped) is _core.Block else popped

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
            decoded, it is those before it: the next pop raises its error, and those behind it
            follow. With redelivery they go back to the queue, for anybody. `close` gives back what
            still lies in the ring and counts the rest as lost.

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
        from ipc0cp._codec import rows

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
        return await self._await(lambda: self.pop(0, copy), timeout)

    async def pop_latest_async(self, timeout: float | None = None, copy: bool = False) -> Any:
        """As `pop_latest`, without blocking the event loop; see `pop_async`.

        Args:
            timeout: as for `pop`.
            copy: as for `pop`.

        Raises:
            What `pop` raises.
        """
        return await self._await(lambda: self.pop_latest(0, copy), timeout)

    async def _await(self, attempt: Callable[[], Any], timeout: float | None) -> Any:
        if self._awaited is None:
            from ipc0cp.aio import Popping

            self._awaited = Popping(self._handle)
        return await self._awaited.pop(attempt, timeout, self._options["blocking"])

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        obj = await self.pop_async()
        if obj is None:
            raise StopAsyncIteration
        return obj
