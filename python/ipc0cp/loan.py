# SPDX-License-Identifier: Apache-2.0
"""Writing an array in place, straight into the ring.

How a published array is made harmless. Consumers read the block the moment it is published, so
nothing in this process may be able to write to it any longer. NumPy has no way to revoke memory,
so `publish` looks, by counting references, whether the only thing that still sees the block is
the array itself, held by nothing but variables of running functions, and then turns this array
into an empty one with memory of its own. If anything else may see it, an alias, a copy of the
block is published instead, and the block belongs to the aliases until the last of them is gone.

- The array given out is a view of a hidden one. NumPy gives slices and other views of it the
  hidden array as their base, so views that live show in the reference count of the hidden array.
- memoryviews, tensors, containers, attributes and views of other classes hold a reference to the
  array. References that are variables are found in the frames of this thread; any other is an
  alias, also those of compiled code, which has no frames.
- What cannot be seen is a raw address (``array.ctypes.data``); using it after publishing is a
  defect of that program.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from inspect import CO_OPTIMIZED
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ipc0cp import _core, arguments
from ipc0cp._codec import arrays
from ipc0cp._codec.encoding import view_of
from ipc0cp.errors import BufferFull, Error, InvalidArgument, MessageTooLarge, Timeout
from ipc0cp.log import logger

# Before Python 3.13 `frame.f_locals` of a function is a dict that stays with the frame and holds
# its values once more.
_LOCALS_ARE_COPIES = sys.version_info < (3, 13)
# From Python 3.14 on a parameter may borrow the reference of a variable of the caller.
_PARAMETERS_MAY_BORROW = sys.version_info >= (3, 14)
_UINT8 = np.dtype(np.uint8)


class _Probe:
    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held = object()


# What `_core.references(self.x)` counts for an object that nothing but `self.x` holds.
_PROBE = _Probe()
_OWN_REFERENCES = _core.references(_PROBE.held)


class _Variables:
    """Counts the references to the array of a loan that variables of running functions make.

    Never too many, for a reference that is not there would hide an alias that is.
    """

    def __init__(self, loan: Loan) -> None:
        self._loan = loan
        self._owned = 0
        self._has_cell = False
        self._sees_cell = False
        self._dicts: list[object] = []

    @property
    def references(self) -> int:
        # Nested functions see one and the same cell, whose maker may have returned.
        return self._owned + (self._sees_cell and not self._has_cell)

    def add(self, frame: FrameType) -> None:
        variables = frame.f_locals
        names = [name for name, value in variables.items() if value is self._loan._array]
        if not frame.f_code.co_flags & CO_OPTIMIZED:
            # Modules, classes and exec: the variables are a dict that several frames may use.
            if all(known is not variables for known in self._dicts):
                self._dicts.append(variables)
                self._owned += len(names)
            return
        for name in names:
            self._add_variable(name, frame.f_code)
        if _LOCALS_ARE_COPIES and sys.gettrace() is not None:
            self._owned += len(names)  # A debugger would take missing names for deleted variables.
        elif _LOCALS_ARE_COPIES:
            # Nothing must live longer because somebody looked: not the array, not other variables.
            if sys.getrefcount(variables) == 3:  # The frame, the variable here and the argument.
                variables.clear()
            for name in names:
                variables.pop(name, None)

    def _add_variable(self, name: str, code: CodeType) -> None:
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if name in code.co_freevars:
            self._sees_cell = True
        elif name in code.co_cellvars:
            self._has_cell = True
            self._owned += 1
        elif not (_PARAMETERS_MAY_BORROW and name in parameters):
            self._owned += 1


class Loan:
    """A block of the ring lent to a producer, to be filled as an array.

    >>> with producer.loan((480, 640, 3), "uint8") as frame:
    ...     camera.read_into(frame)

    Leaving the ``with`` block publishes; an exception abandons. Without ``with``: fill `array`,
    then `publish()` or `abandon()`. Afterwards the array is empty and read-only.

    Where something else still refers to the array by then (a slice, an attribute, a list, a tensor,
    compiled code), nothing is lost: consumers get a copy, which costs one memcpy and a line in the
    debug log. The array and what refers to it stay valid and belong to this process alone; their
    block counts as used until the last of them is gone. So that loans stay free of copies, hold
    the array in local variables only and let go of slices. One thread at a time.
    """

    __slots__ = ("__weakref__", "_array", "_block", "_handle", "_hidden", "_metadata", "_timeout")

    def __init__(
        self,
        handle: _core.ProducerHandle,
        timeout: float | None,
        block: _core.LoanBlock,
        metadata: bytes,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self._handle = handle
        self._timeout = timeout
        self._block: _core.LoanBlock | None = block
        self._metadata = metadata
        self._hidden: NDArray[Any] | None = np.ndarray(shape, dtype, view_of(block))
        self._array: NDArray[Any] | None = self._hidden.view()

    @property
    def array(self) -> NDArray[Any]:
        """The writable memory of the ring; its contents are undefined at first.

        Raises:
            InvalidArgument: once published or abandoned.
        """
        if self._array is None:
            raise InvalidArgument("this loan is over: its array has been published or abandoned")
        return self._array

    @property
    def active(self) -> bool:
        """Whether it can still be published."""
        return self._array is not None

    def publish(self) -> None:
        """Hands the array to the consumers; it counts in the ring's order from now on.

        While something else refers to the array it hands over a copy, see the class; that needs
        room of its own, for which it waits as long as `loan` was allowed to.

        Raises:
            Timeout, BufferFull: there was no room for a copy; the loan stays active, so let go of
                what refers to the array, or wait, and publish again.
            InvalidArgument: once published or abandoned.
            Closed, CorruptPayload, ForkedHandle: see the table in the README; the loan is over.
        """
        self._publish(sys._getframe(1))

    def abandon(self) -> None:
        """Gives the block back unread, once no view of the array is left. Idempotent."""
        self._abandon(sys._getframe(1))

    def _publish(self, caller: FrameType) -> None:
        if self._block is None:
            raise InvalidArgument("this loan is over: it has been published or abandoned")
        alias = self._find_alias(caller)
        if alias is not None:
            self._publish_copy(self._block, alias)
            return
        block = self._block
        self._neutralise()
        block.publish(self._metadata, None)

    def _publish_copy(self, block: _core.LoanBlock, alias: str) -> None:
        copied = f"a copy of {len(block):,} bytes is published, as {alias} is still alive"
        # Raises what pushing raises, and the loan stays what it was.
        if not self._handle.push_raw(self._metadata, block, self._timeout):
            raise _no_room(self._handle.name, self._timeout, len(block), alias)
        # First of all, as a handler of the log may raise: nothing is published twice. The block is
        # given back by the last alias.
        self._forget()
        logger.debug("ring %r: %s and could change the block", self._handle.name, copied)

    def _abandon(self, caller: FrameType) -> None:
        if self._block is None:
            return
        if self._find_alias(caller) is None:
            self._neutralise()
        else:
            # Aliases stay valid memory; the block goes back with the last of them.
            self._forget()

    def _forget(self) -> None:
        self._array = self._hidden = self._block = None

    def _neutralise(self) -> None:
        """Turns the array that is out there into an empty one with memory of its own."""
        array: Any = self.array
        array.__setstate__((1, (0,), _UINT8, False, b""))
        array.flags.writeable = False
        self._forget()

    def _find_alias(self, caller: FrameType | None) -> str | None:
        """What else could write to the memory, or None. No local variable may hold the array."""
        if _core.references(self._hidden) > _OWN_REFERENCES + 1:  # The array's base is the 1.
            return "a view of the loaned array"
        variables = _Variables(self)
        # Counted anew after each look, because looking at variables may itself make references.
        while _core.references(self._array) > _OWN_REFERENCES + variables.references:
            if caller is None:
                return "something that holds the loaned array (a memoryview, tensor or container)"
            variables.add(caller)
            caller = caller.f_back
        return None

    def __enter__(self) -> NDArray[Any]:
        return self.array

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            try:
                self._publish(sys._getframe(1))
            finally:
                self._abandon(sys._getframe(1))
        else:
            self._abandon(sys._getframe(1))

    def __repr__(self) -> str:
        if self._array is None:
            return "<ipc0cp.Loan over>"
        return f"<ipc0cp.Loan shape={self._array.shape} dtype={self._array.dtype}>"


def _no_room(name: str, timeout: float | None, payload_bytes: int, alias: str) -> Error:
    kind = BufferFull if timeout is None else Timeout
    return kind(
        f"ring {name!r} has no room for a copy of {payload_bytes:,} bytes, which is needed as"
        f" {alias} is still alive; delete it, or take from the ring, and publish again"
    )


def make_loan(
    handle: _core.ProducerHandle,
    shape: int | Iterable[int],
    dtype: DTypeLike,
    timeout: float | None,
) -> Loan:
    """See `SharedRingBufferProducer.loan`."""
    dimensions = arguments.shape(shape)
    data_type = np.dtype(dtype)
    metadata = arrays.array_metadata(dimensions, data_type)
    payload_bytes = math.prod(dimensions) * data_type.itemsize
    if payload_bytes > _core.MAX_TOTAL_DATA_BYTES:
        raise MessageTooLarge(
            f"a loan of {payload_bytes:,} bytes is larger than any ring"
            f" ({_core.MAX_TOTAL_DATA_BYTES:,} bytes)"
        )
    block = handle.loan(payload_bytes, len(metadata), timeout)
    return Loan(handle, timeout, block, metadata, dimensions, data_type)
