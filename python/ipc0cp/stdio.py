# SPDX-License-Identifier: Apache-2.0
"""StdioProducer and StdioConsumer: the messages of a ring over a pipe, a socket or a file.

>>> with ipc0cp.StdioProducer() as producer:      # python producer.py | python consumer.py
...     producer.push({"frame": np.zeros((480, 640), np.uint8), "number": 1})

>>> for obj in ipc0cp.StdioConsumer():
...     print(obj["number"])

The format is docs/stdio_format.md; it lives in the extension, here is only what is Python's.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ipc0cp import _core
from ipc0cp._codec.encoding import Encoded
from ipc0cp.at_exit import close_with_process, is_failing
from ipc0cp.file_objects import ReadAhead, readable_end, writable_end
from ipc0cp.handle import Handle, ReadingHandle, WritingHandle
from ipc0cp.message import Message


class _Stream(Handle):
    """A handle on a stream."""

    __slots__ = ("_file",)

    _handle: _core.StdioProducerHandle | _core.StdioConsumerHandle
    _file: object  #: The user's file object, kept open by us.

    def __repr__(self) -> str:
        name = type(self).__name__
        if not hasattr(self, "_handle"):
            return f"<{name}, never opened>"
        handle = self._handle
        state = ", closed" if handle.closed else ""
        return (
            f"<{name} of {handle.name}: {handle.messages:,} messages,"
            f" {handle.stream_bytes:,} bytes{state}>"
        )


class StdioProducer(WritingHandle, _Stream):
    """The writing end of a stream. Thread-safe.

    Without an argument it takes standard output for itself: until `close`, `print` and everything
    else that this process writes there goes to standard error, lines that are still in a buffer
    included. One producer of a process can hold it, and a terminal is refused.

    The stream ends with the closing frame that `close` writes; so do garbage collection and the
    end of the program. A program that fails must not look as if it had finished: where an
    exception leaves a ``with`` block or ends the program, and where it is killed, the closing frame
    is missing and the consumer raises CorruptPayload.

    Args:
        output: None: standard output; a descriptor; or a file object: binary, also a socket,
            io.BytesIO, gzip. Descriptors and file objects stay open, and nobody else may write to
            them meanwhile.

    Raises:
        InvalidArgument: for what cannot be written to: a terminal, what is closed or only read.
        UnsupportedType: for what is no such object: a file open for text, a path.
        SystemFailure.
    """

    __slots__ = ()

    _handle: _core.StdioProducerHandle

    def __init__(self, output: Any = None) -> None:
        close_with_process()
        self._file = output
        self._handle = _core.StdioProducerHandle(writable_end(output))

    def push(self, obj: Any, timeout: float | None = None) -> bool:
        """Writes `obj` as one frame, contiguous payloads straight from where they are.

        Args:
            obj: what a ring takes.
            timeout: seconds to wait until the first byte can be written; None or inf: for ever,
                0: not at all. A frame that has begun is finished, however long the reader takes.
                Without effect for file objects that have no descriptor of their own.

        Returns:
            False if there was no room in time; nothing has been written then.

        Raises:
            UnsupportedType, InvalidArgument: at once, nothing is written.
            NoConsumers: the reader has left.
            Closed: by another thread; the stream is cut off if the frame had begun.
            CorruptBuffer: an earlier push was ended inside its frame, by Ctrl-C for example.
            NoSpace, SystemFailure, ForkedHandle, and what the file object raises.
        """
        pushed = self._handle.push(obj, timeout)
        return self._push_encoded(obj, timeout) if pushed is None else pushed

    def _push_encoded(self, obj: Any, timeout: float | None) -> bool:
        encoded = self._encode(obj)
        self._remember(encoded)
        return self._handle.push_raw(encoded.metadata, _payload_of(encoded), timeout)

    def close(self) -> None:
        """Ends the stream and gives standard output back. Idempotent and thread-safe.

        Writes the closing frame, however long the reader takes; silent if the reader has left. A
        push of another thread ends with Closed.

        Raises:
            NoSpace, SystemFailure: the closing frame could not be written.
        """
        self._handle.close()

    def abandon(self) -> None:
        """Ends without the closing frame: the reader learns that the stream was cut off."""
        self._handle.abandon()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if is_failing(error):
            self.abandon()
        else:
            self.close()


class StdioConsumer(ReadingHandle, _Stream):
    """The reading end of a stream. Thread-safe. Iterating ends at the end of stream.

    Without an argument it takes standard input for itself: until `close` the rest of this process
    reads nothing there. It reads exactly up to the end of the closing frame, so that anything may
    follow it.

    Args:
        input: None: standard input; a descriptor; or a file object: binary, also a socket,
            io.BytesIO, gzip, the pipe of a subprocess. What a buffered reader holds already is
            not lost. Descriptors and file objects stay open.

    Raises:
        As for the producer.
    """

    __slots__ = ("_read_ahead",)

    _handle: _core.StdioConsumerHandle

    def __init__(self, input: Any = None) -> None:  # noqa: A002 - the name of the contract
        close_with_process()
        self._file = input
        end = readable_end(input)
        self._read_ahead = ReadAhead(input)
        self._handle = _core.StdioConsumerHandle(end, self._read_ahead.held)

    def pop(self, timeout: float | None = None) -> Any:
        """The next object, or None at end of stream. Arrays are read-only, as those of a ring.

        Args:
            timeout: seconds to wait; None or inf: for ever, 0: not at all. What has arrived of a
                frame is kept for the next pop. File objects that have no descriptor of their own
                are read as they block, whatever the time-out says.

        Raises:
            Timeout: no whole message came in time.
            CorruptPayload: the stream was cut off, or is garbage: it is broken for good, and every
                later pop says so. Or this one message cannot be decoded; later ones still arrive.
            VersionMismatch: frames of another version.
            Closed, ForkedHandle, SystemFailure, InvalidArgument, and what the file object or a
            registered deserializer raises.
        """
        try:
            popped = self._handle.pop(timeout)
        finally:
            self._read_ahead.take(self._handle.stream_bytes)
        return self._decode_message(popped, False) if type(popped) is _core.Block else popped

    def pop_raw(self, timeout: float | None = None) -> Message | None:
        """The next message without decoding, or None at end of stream.

        Args:
            timeout: as for `pop`.

        Raises:
            What `pop` raises, but nothing about what the message holds.
        """
        try:
            block = self._handle.pop_raw(timeout)
        finally:
            self._read_ahead.take(self._handle.stream_bytes)
        return None if block is None else Message(block)

    def close(self) -> None:
        """Gives standard input back. Idempotent and thread-safe.

        A pop of another thread ends with Closed.
        """
        self._handle.close()


def _payload_of(encoded: Encoded) -> Any:
    """A buffer that is the payload; strided arrays, lists and some images are put together once."""
    if encoded.write is None:
        return encoded.payload
    target = _core.uninitialized(encoded.payload_bytes)
    with memoryview(target) as view:
        encoded.write_to(view)
    return target
