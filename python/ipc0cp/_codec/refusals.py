# SPDX-License-Identifier: Apache-2.0
"""What another library's object raises while it is encoded is a refusal of that object."""

from __future__ import annotations

import functools
import signal
import types
from collections.abc import Callable
from typing import Any, NoReturn

from ipc0cp._codec.encoding import Encoded, shorten, type_name
from ipc0cp.errors import Error, InvalidArgument, UnsupportedType


def refusing(encoder: Callable[[Any, int], Encoded]) -> Callable[[Any, int], Encoded]:
    """The same encoder, which raises UnsupportedType whatever goes wrong with the object."""

    def encode_or_refuse(obj: Any, levels: int) -> Encoded:
        try:
            return encoder(obj, levels)
        except Exception as error:
            refuse(obj, error)

    return encode_or_refuse


def refuse(obj: Any, error: Exception) -> NoReturn:
    """Raises what a push raises where looking at `obj` has raised `error`."""
    is_answer = isinstance(error, Error) and not isinstance(error, InvalidArgument)
    if is_answer or is_of_elsewhere(error):
        raise error
    raise UnsupportedType(
        f"{type_name(obj)} cannot be encoded: {shorten(error)}; with pickle=True a Queue, or a"
        " ring on both ends, carries what can be pickled"
    ) from error


def is_of_elsewhere(error: Exception) -> bool:
    """Whether it says nothing of the object: no memory, or what a signal handler has raised."""
    return isinstance(error, MemoryError) or _is_of_signal_handler(error)


def _is_of_signal_handler(error: Exception) -> bool:
    """Whether a signal handler has raised it that interrupted us."""
    handlers = (signal.getsignal(number) for number in signal.valid_signals())
    codes = {_code_of(handler) for handler in handlers} - {None}
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code in codes:
            return True
        place = place.tb_next
    return False


def _code_of(handler: Any) -> types.CodeType | None:
    """What runs first when Python calls `handler`; None where that is not written in Python."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    if not isinstance(handler, (types.FunctionType, types.MethodType)):
        kinds = type(handler).__mro__
        handler = next((vars(kind)["__call__"] for kind in kinds if "__call__" in vars(kind)), None)
    code = getattr(handler, "__code__", None)
    return code if isinstance(code, types.CodeType) else None
